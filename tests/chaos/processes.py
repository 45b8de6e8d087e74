"""Programs that a test starts, with all the processes that they start: found in /proc, ended by their numbers."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

FENCE = 900.0  # seconds after which what is waited for will not come any more
INTERVAL = 0.1  # seconds between two looks


@dataclass(frozen=True)
class Process:
    """Named by its number and when it was started: a number is given out again."""

    pid: int
    since: int

    @property
    def name(self) -> str:
        """Its command line, or what it calls itself."""
        return _read(self.pid, "cmdline").replace("\0", " ").strip()

    @property
    def alive(self) -> bool:
        """A zombie is not."""
        fields = _fields(self.pid)
        return bool(fields) and int(fields[19]) == self.since and fields[0] != "Z"

    def kill(self) -> None:
        """Without a chance to clean up."""
        if self.alive:
            os.kill(self.pid, signal.SIGKILL)

    def opened(self) -> Iterator[Path]:
        """The files that it holds open."""
        try:
            for entry in Path(f"/proc/{self.pid}/fd").iterdir():
                yield entry.readlink()
        except (FileNotFoundError, PermissionError):
            return


class Program:
    """A command that runs, and what it prints, in a file."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path) -> None:
        self.log = log
        with log.open("ab") as file:
            self.popen = subprocess.Popen(
                command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
            )
        self.known: set[Process] = set()  # of all that it ever started, as far as it was seen

    @property
    def status(self) -> int | None:
        """Its exit status; None while it runs."""
        return self.popen.poll()

    @property
    def said(self) -> str:
        """All that it printed, and those before it that had the same log."""
        return self.log.read_text("utf-8", errors="replace")

    def processes(self) -> list[Process]:
        """Itself and all below it that live."""
        found = descendants(self.popen.pid) if self.status is None else []
        self.known.update(found)
        return sorted((process for process in self.known if process.alive), key=lambda process: process.since)

    def kill(self) -> None:
        """Ends all of it, those of its processes too that have lost their parents."""
        for process in self.processes():
            process.kill()
        self.popen.wait()
        wait_for(lambda: not self.processes(), f"the end of {self.popen.args!r}")


def descendants(pid: int) -> list[Process]:
    """A living process and all below it."""
    fields = _fields(pid)
    if not fields:
        return []
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except FileNotFoundError:
        return []
    children = [int(child) for thread in threads for child in _read(pid, f"task/{thread.name}/children").split()]
    return [Process(pid, int(fields[19])), *(below for child in children for below in descendants(child))]


def wait_for(happened: Callable[[], object], what: str) -> None:
    """Returns when it has happened. Raises TimeoutError when it does not come."""
    fence = monotonic() + FENCE
    while not happened():
        if monotonic() > fence:
            raise TimeoutError(f"{what} did not come within {FENCE:g} s")
        sleep(INTERVAL)


def _fields(pid: int) -> list[str]:
    """Of /proc/PID/stat what comes after the name: the state first, the start at 19."""
    return _read(pid, "stat").rpartition(")")[2].split()


def _read(pid: int, file: str) -> str:
    try:
        return Path(f"/proc/{pid}/{file}").read_text("utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
