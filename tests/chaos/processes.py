"""Programs that a test starts, with all the processes they start: found in /proc, and killed by their ids."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

TIME_LIMIT = 900.0  # seconds to wait for anything
INTERVAL = 0.1  # seconds between two looks


@dataclass(frozen=True)
class Process:
    """A process, identified by its id and its start time, because ids are reused."""

    pid: int
    since: int

    @property
    def name(self) -> str:
        """Its command line, or the title it has set."""
        return _read(self.pid, "cmdline").replace("\0", " ").strip()

    @property
    def alive(self) -> bool:
        """Whether it runs; a zombie does not."""
        fields = _fields(self.pid)
        return bool(fields) and int(fields[19]) == self.since and fields[0] != "Z"

    def kill(self) -> None:
        """Kills it without a chance to clean up."""
        if self.alive:
            os.kill(self.pid, signal.SIGKILL)

    def opened(self) -> Iterator[Path]:
        """The files that it has open."""
        try:
            for entry in Path(f"/proc/{self.pid}/fd").iterdir():
                yield entry.readlink()
        except (FileNotFoundError, PermissionError):
            return


class Program:
    """A running command, whose output goes to a file."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path) -> None:
        self.log = log
        with log.open("ab") as file:
            self.popen = subprocess.Popen(
                command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
            )
        self.known: set[Process] = set()  # all processes it ever started, as far as they were seen

    @property
    def status(self) -> int | None:
        """Its exit status; None while it runs."""
        return self.popen.poll()

    @property
    def said(self) -> str:
        """Everything that it, and earlier programs with the same log, have printed."""
        return self.log.read_text("utf-8", errors="replace")

    def processes(self) -> list[Process]:
        """Itself and all its descendants that are alive."""
        found = descendants(self.popen.pid) if self.status is None else []
        self.known.update(found)
        return sorted((process for process in self.known if process.alive), key=lambda process: process.since)

    def kill(self) -> None:
        """Kills all its processes, also those whose parents have died."""
        for process in self.processes():
            process.kill()
        self.popen.wait()
        wait_for(lambda: not self.processes(), f"the end of {self.popen.args!r}")


def descendants(pid: int) -> list[Process]:
    """A living process and all its descendants."""
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
    """Waits until it has happened. Raises TimeoutError after TIME_LIMIT."""
    fence = monotonic() + TIME_LIMIT
    while not happened():
        if monotonic() > fence:
            raise TimeoutError(f"{what} did not come within {TIME_LIMIT:g} s")
        sleep(INTERVAL)


def _fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name: the state is the first, the start time has index 19."""
    return _read(pid, "stat").rpartition(")")[2].split()


def _read(pid: int, file: str) -> str:
    try:
        return Path(f"/proc/{pid}/{file}").read_text("utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
