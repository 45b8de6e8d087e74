"""A lease on a folder: only the process that holds it may use the folder.

The system releases it when the process dies. The lease of a cell does not depend on the launch, because a worker may
outlive the driver that started it.
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
    """Holds the lease on a folder; waits while another process has it. No file of it stays behind."""
    path = folder / FILE
    while True:
        with _opened(path) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not _is_at(path, file.fileno()):  # it was released, and removed, while this process waited
                continue
            try:
                yield
            finally:
                path.unlink()
                with suppress(OSError):  # there are other files in the folder, or another process uses it
                    folder.rmdir()
            return


def _opened(path: Path) -> IO[str]:
    while True:
        with suppress(FileNotFoundError, FileExistsError):  # the holder of the lease removed the folder in between
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("w")


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
