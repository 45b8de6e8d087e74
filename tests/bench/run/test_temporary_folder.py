import fcntl
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from d3d.bench.run.temporary_folder import LOCK, LONGEST, temporary_folder
from d3d.errors import ScheduleError

PROJECT = Path(__file__).parents[3]
LIVES = """
from d3d.bench.run.temporary_folder import temporary_folder
with temporary_folder() as folder:
    print(folder, flush=True)
    input()
"""
SESSION = "ray/session_2026-11-27_16-18-02_123456_1234567/sockets/plasma_store"


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short folder that TMPDIR names; the test's own is too long for it."""
    with TemporaryDirectory(prefix="t", dir="/tmp") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


def test_the_folder_is_where_tmpdir_says_private_short_and_gone_at_the_end(place: Path) -> None:
    before = os.umask(0)
    try:
        with temporary_folder() as folder:
            assert Path(folder).parent == place
            assert stat.S_IMODE(Path(folder).stat().st_mode) == 0o700
            assert len(f"{folder}/{SESSION}") <= 107, "a socket must fit"
            Path(folder, "full").mkdir()
    finally:
        os.umask(before)
    assert not list(place.iterdir())


@pytest.mark.parametrize("unfit", ["absent", "a file", "long"])
def test_where_tmpdir_will_not_do_another_place_is_taken(
    unfit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a file").touch()
    long = tmp_path / ("x" * LONGEST)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long if unfit == "long" else tmp_path / unfit))
    with temporary_folder() as folder:
        assert Path(folder).parent == Path("/tmp")


def refusing(fault: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is said where every place has this fault."""

    def flock(descriptor: int, operation: int) -> None:
        raise OSError(95, "Operation not supported")

    if fault == "no locks":
        monkeypatch.setattr(fcntl, "flock", flock)
    if fault == "full":
        monkeypatch.setattr("d3d.bench.run.temporary_folder.ROOM", 2**80)
    if fault == "absent":
        monkeypatch.setattr("d3d.bench.run.temporary_folder.PLACES", ("/absent/a", "/absent/b"))
        monkeypatch.setenv("TMPDIR", "/absent/c")
    with pytest.raises(ScheduleError, match="name one with TMPDIR=DIR") as refused, temporary_folder():
        pass
    return str(refused.value)


@pytest.mark.parametrize(
    ("fault", "words"), [("no locks", "not supported"), ("full", "MB are free"), ("absent", "No such file")]
)
def test_a_machine_without_any_place_is_told_the_way_out(
    fault: str, words: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = refusing(fault, monkeypatch)
    assert said.count(words) == 3 and "\n" not in said
    assert not list(place.iterdir())


def started(**environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", LIVES],
        cwd=PROJECT, env=os.environ | environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_what_a_killed_launch_left_is_removed_by_the_next_and_nothing_else(place: Path) -> None:
    (place / "d3d-mine").mkdir()
    (place / "d3d-mine" / "notes").touch()
    (place / "d3d-empty").mkdir()
    made_again = place / "d3d-12345678" / SESSION
    made_again.mkdir(parents=True)
    processes = [started() for _ in range(2)]
    folders = [Path(process.stdout.readline().strip()) for process in processes if process.stdout]
    killed, living = processes
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert [folder.exists() for folder in folders] == [True, True]
    with temporary_folder():
        assert [folder.exists() for folder in folders] == [False, True]
    living.communicate("end\n")
    assert sorted(path.name for path in place.iterdir()) == ["d3d-empty", "d3d-mine"]
    assert (place / "d3d-mine" / "notes").exists()


@pytest.mark.parametrize("kind", ["FIFO", "link", "folder", "link to a folder"])
def test_nothing_odd_is_waited_for_or_removed(kind: str, place: Path, tmp_path: Path) -> None:
    folder = place / "d3d-odd"
    if kind == "link to a folder":
        (tmp_path / LOCK).touch()
        folder.symlink_to(tmp_path)
    else:
        folder.mkdir()
        lock = folder / LOCK
        if kind == "FIFO":
            os.mkfifo(lock)
        elif kind == "link":
            lock.symlink_to(tmp_path)
        else:
            lock.mkdir()
    with temporary_folder():
        pass
    assert folder.exists()


@pytest.mark.skipif(os.getuid() != 0, reason="takes root to make a folder of another user")
def test_the_folder_of_another_user_is_left_alone(place: Path) -> None:
    for name in ("d3d-theirs", "d3d-again"):
        (place / name).mkdir()
        os.chown(place / name, 12345, 12345)
    (place / "d3d-theirs" / LOCK).touch()
    (place / "d3d-again" / "ray").mkdir()
    with temporary_folder():
        pass
    assert (place / "d3d-theirs" / LOCK).exists() and (place / "d3d-again").exists()
