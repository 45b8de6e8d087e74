import os
import pwd
import sys
import tempfile
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest

from d3d.bench.run.environment import FIXED, SETTINGS, quiet, settled, unused
from d3d.errors import ScheduleError


def test_temporary_files_go_away_and_the_environment_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = dict(os.environ)
    with quiet(local=True):
        folder = Path(os.environ["TMPDIR"])
        Path(tempfile.mkdtemp()).joinpath("file").touch()
        assert len(list(folder.glob("*/file"))) == 1
        assert os.environ.items() >= {**SETTINGS, **FIXED}.items() - before.items()
    assert not folder.exists()
    assert dict(os.environ) == before
    assert tempfile.gettempdir() != str(folder)


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    with quiet(local=True):
        assert os.environ["RAY_USAGE_STATS_ENABLED"] == "1"
        assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_each_launch_has_a_token_of_its_own_and_a_cluster_keeps_its() -> None:
    tokens = set()
    for _ in range(2):
        with quiet(local=True):
            assert os.environ["RAY_AUTH_MODE"] == "token"
            tokens.add(os.environ["RAY_AUTH_TOKEN"])
    assert len(tokens) == 2
    with quiet(local=False):
        assert os.environ.get("RAY_AUTH_TOKEN") not in tokens


@pytest.mark.parametrize(
    ("name", "value", "within"),
    [
        ("MPLBACKEND", "module://matplotlib_inline.backend_inline", "Agg"),
        ("PYTHONWARNINGS", "error", "ignore"),
        ("MLFLOW_ENABLE_ASYNC_LOGGING", "true", "false"),
        ("MLFLOW_TRACKING_URI", "http://elsewhere", None),
        ("MLFLOW_TRACKING_DIR", "elsewhere", None),
        ("MLFLOW_EXPERIMENT_ID", "7", None),
        ("MLFLOW_TRACKING_TOKEN", "secret", "secret"),
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", "5", "5"),
        ("RAY_TMPDIR", "/elsewhere", None),
        ("RAY_ADDRESS", "10.0.0.1:6379", None),
        ("RAY_OVERRIDE_RESOURCES", '{"CPU": 99}', None),
        ("RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES", "1", None),
        ("RAY_memory_usage_threshold", "0.8", "0.8"),
        ("TUNE_RESULT_BUFFER_LENGTH", "9", None),
        ("CUDA_VISIBLE_DEVICES", "1", "1"),
    ],
)
def test_what_other_programs_are_told_does_not_change_where_and_how_a_launch_works(
    name: str, value: str, within: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with quiet(local=True):
        assert os.environ.get(name) == within
    assert os.environ[name] == value


def test_what_says_how_to_join_a_cluster_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    with quiet(local=False):
        assert os.environ["RAY_ADDRESS"] == "10.0.0.1:6379"


def test_a_variable_that_names_a_place_is_answered_without_its_value() -> None:
    asked = {"MLFLOW_TRACKING_URI": "http://user:secret@there", "RAY_ADDRESS": "auto", "RAY_TMPDIR": "/x"}
    assert [line.split(" ")[0] for line in unused(asked, local=True)] == ["MLFLOW_TRACKING_URI", "RAY_ADDRESS"]
    assert unused({"RAY_ADDRESS": "auto"}, local=False) == []
    assert unused({"MLFLOW_TRACKING_URI": ""}, local=True) == []
    assert "secret" not in "".join(unused(asked, local=True))


def test_a_user_whom_the_machine_does_not_know_has_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(user: int) -> None:
        raise KeyError(user)

    monkeypatch.delenv("HOME")
    monkeypatch.delenv("LOGNAME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with quiet(local=True):
        assert Path.home() == Path(os.environ["TMPDIR"])
        assert os.environ["LOGNAME"] == str(os.getuid())
    monkeypatch.undo()


def test_no_warning_of_a_library_ends_a_command() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with settled(local=True):
            warnings.warn("a library is old", DeprecationWarning, stacklevel=1)
        warnings.warn("a file was not closed", ResourceWarning, stacklevel=1)  # while the process ends


def test_a_python_without_docstrings_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "flags", SimpleNamespace(optimize=2))
    with pytest.raises(ScheduleError, match=r"PYTHONOPTIMIZE=2.*; start the command without it"), quiet(local=True):
        pass
