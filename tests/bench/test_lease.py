import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from d3d.bench.lease import leased

HOLDS = """
import pathlib, sys
from d3d.bench.lease import leased
with leased(pathlib.Path(sys.argv[1])):
    print(flush=True)
    input()
"""


def hold(folder: Path) -> "subprocess.Popen[str]":
    """Another process that holds the lease until it is told to release it, or dies."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(folder)],
        cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline() == "\n"
    return holder


def wait(folder: Path) -> tuple[threading.Thread, threading.Event]:
    """A thread that waits for the lease, and whether it got it."""
    got = threading.Event()

    def take() -> None:
        with leased(folder):
            got.set()

    thread = threading.Thread(target=take)
    thread.start()
    return thread, got


def test_who_wants_a_lease_waits_until_it_is_given_back(tmp_path: Path) -> None:
    holder = hold(tmp_path / "cell")
    thread, got = wait(tmp_path / "cell")
    assert not got.wait(0.2)
    with leased(tmp_path / "other"):
        pass
    holder.communicate("go on\n")
    assert got.wait(60)
    thread.join()
    assert not list(tmp_path.iterdir()), "nothing is left"


def test_a_dead_owner_loses_it_at_once_whatever_it_left(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").touch()
    holder = hold(tmp_path)
    thread, got = wait(tmp_path)
    assert not got.wait(0.2)
    os.kill(holder.pid, signal.SIGKILL)
    assert got.wait(60)
    thread.join()
    holder.communicate()
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


def test_one_at_a_time_however_many_want_it(tmp_path: Path) -> None:
    inside, most = [0], [0]
    taken: list[int] = []

    def take() -> None:
        for _ in range(20):
            with leased(tmp_path / "cell"):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1
                taken.append(inside[0])

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (most, len(taken)) == ([1], 8 * 20)
    assert not list(tmp_path.iterdir())
