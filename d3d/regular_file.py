"""Opens files of foreign folders: what has a file's name may be a pipe, a device or a socket, and is refused then.

Opening a FIFO waits for a writer that may never come, a device such as /dev/zero has no end, and opening some devices
has an effect. So the kind is looked at before a file is opened, and again once it is open, in case it was replaced.
"""

import os
import stat
from pathlib import Path
from typing import BinaryIO

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def open_regular(path: Path) -> BinaryIO:
    """The file, opened to read bytes. Raises OSError where it cannot be opened, and at once where it is no file."""
    require_regular(path)
    return open(path, "rb", opener=_open_without_waiting)


def require_regular(path: Path) -> None:
    """Raises OSError unless this is a regular file, or a link to one: for libraries that open a path themselves."""
    _check(path, path.stat().st_mode)


def _open_without_waiting(path: str, flags: int) -> int:
    number = os.open(path, flags | os.O_NONBLOCK)
    try:
        _check(Path(path), os.fstat(number).st_mode)
    except OSError:
        os.close(number)
        raise
    return number


def _check(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise OSError(f"{path} is {_KINDS.get(stat.S_IFMT(mode), 'something else')}, not a file")
