"""Who may carry out a cell: whoever holds its lease, which the system takes from a process that dies.

It does not depend on the launch: a worker may outlive the driver that started it.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

FILE = "lease"


@contextmanager
def leased(folder: Path) -> Iterator[None]:
    """Holds the lease of the cell of this folder; waits while another process has it. Nothing is left of it after."""
    path = folder / FILE
    while True:
        with _opened(path) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not _is_at(path, file.fileno()):  # it was given back, and removed, while this process waited for it
                continue
            try:
                yield
            finally:
                path.unlink()
                with suppress(OSError):  # the cell keeps something in its folder, or another process comes into it
                    folder.rmdir()
            return


def _opened(path: Path) -> IO[str]:
    while True:
        with suppress(FileNotFoundError, FileExistsError):  # whoever gave the lease back removed the folder in between
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("w")


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
