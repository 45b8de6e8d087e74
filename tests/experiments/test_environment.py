import os
import tempfile
from pathlib import Path

import pytest

from experiments.environment import SETTINGS, quiet


def test_temporary_files_go_away_and_the_environment_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = dict(os.environ)
    with quiet(local=True):
        folder = Path(os.environ["TMPDIR"])
        Path(tempfile.mkdtemp()).joinpath("file").touch()
        assert len(list(folder.iterdir())) == 1
        assert len(str(folder)) < 40, "Ray's sockets must fit"
        assert os.environ.items() >= SETTINGS.items() - before.items()
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
