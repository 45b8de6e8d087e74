import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from d3d.bench.run.environment import SETTINGS, quiet


def test_temporary_files_go_away_and_the_environment_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = dict(os.environ)
    with quiet(local=True):
        folder = Path(os.environ["TMPDIR"])
        Path(tempfile.mkdtemp()).joinpath("file").touch()
        assert len(list(folder.glob("*/file"))) == 1
        assert len(str(folder)) < 40, "Ray's sockets must fit"
        assert os.environ.items() >= SETTINGS.items() - before.items()
    assert not folder.exists()
    assert dict(os.environ) == before
    assert tempfile.gettempdir() != str(folder)


LIVES = """
from d3d.bench.run.environment import quiet
with quiet(local=True):
    import os
    print(os.environ["TMPDIR"], flush=True)
    input()
"""


def test_what_a_killed_launch_left_is_removed_by_the_next_and_nothing_else() -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", LIVES],
            cwd=Path(__file__).parents[3], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    folders = [Path(process.stdout.readline().strip()) for process in processes if process.stdout]
    killed, living = processes
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    with tempfile.TemporaryDirectory(prefix="d3d-", dir="/tmp") as foreign:
        assert [folder.exists() for folder in folders] == [True, True]
        with quiet(local=True):
            assert [folder.exists() for folder in folders] == [False, True]
        assert Path(foreign).exists()
    living.communicate("end\n")
    assert not folders[1].exists()


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
