"""The temporary folder of a launch: private, short, and removed at the end or, after a SIGKILL, by the next launch.

It is not in the storage folder because Ray puts Unix sockets in it, whose paths may have about 107 characters.
"""

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from d3d.errors import ScheduleError

PLACES = ("/tmp", "/var/tmp")  # after TMPDIR; the first that will do is taken
PREFIX, LOCK = "d3d-", ".lock"
REMAINS = ["ray"]  # all that Ray's last processes make again, if the folder is removed before they have ended
SOCKET = "/d3d-12345678/ray/session_2026-11-27_16-18-02_123456_1234567/sockets/plasma_store"
LONGEST = 107 - len(SOCKET)  # bytes of the path of a place, so that a socket fits into the kernel's 107
ROOM = 16 * 2**20  # bytes; Ray's logs of a launch were seen to grow to 6 MB within an hour


@contextmanager
def temporary_folder() -> Iterator[str]:
    """A temporary folder (0700) that is locked as long as this process lives.

    Removes the folders that earlier launches left. Raises ScheduleError where no place will do.
    """
    places = list(dict.fromkeys(Path(place).absolute() for place in (os.environ.get("TMPDIR"), *PLACES) if place))
    _remove_abandoned(places)
    refused = []
    for place in places:
        try:
            folder, lock = _locked_folder(place)
        except OSError as error:
            refused.append(f"{place} ({error.strerror or error})")
            continue
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)
        return
    way_out = f"name one with TMPDIR=DIR, with a path of at most {LONGEST} bytes"
    raise ScheduleError(f"no folder for temporary files: {', '.join(refused)}; {way_out}")


def _locked_folder(place: Path) -> tuple[str, int]:
    """A new folder at the place, and the descriptor of its locked file. Raises OSError where the place will not do."""
    if len(os.fsencode(place)) > LONGEST:
        raise OSError("its path is too long for Ray's sockets")
    if shutil.disk_usage(place).free < ROOM:
        raise OSError(f"less than {ROOM >> 20} MB are free")
    folder = tempfile.mkdtemp(prefix=PREFIX, dir=place)
    path = Path(folder, LOCK)
    lock = -1
    try:
        lock = os.open(path.with_suffix(".new"), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.with_suffix(".new").rename(path)  # no other launch finds the lock before it is held
    except OSError:
        if lock >= 0:
            os.close(lock)
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder, lock


def _remove_abandoned(places: Iterable[Path]) -> None:
    """Removes what ended launches of this user left; leaves alone what may be in use or was made by anything else."""
    for place in places:
        for folder in place.glob(f"{PREFIX}*"):
            with suppress(OSError), _opened(folder, stat.S_ISDIR) as inside:
                if _abandoned(inside):
                    shutil.rmtree(folder, ignore_errors=True)


def _abandoned(inside: int) -> bool:
    """Whether the open folder is of a launch that has ended. Raises OSError where that cannot be told."""
    if os.listdir(inside) == REMAINS:
        return True
    with _opened(LOCK, stat.S_ISREG, inside) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises where its launch is alive
    return True


@contextmanager
def _opened(path: Path | str, is_kind: Callable[[int], bool], inside: int | None = None) -> Iterator[int]:
    """Opens a file or folder of this user without waiting for anything, as opening a FIFO would.

    Raises OSError where it is of another kind, a link, or another user's.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=inside)
    try:
        found = os.fstat(descriptor)
        if found.st_uid != os.getuid() or not is_kind(found.st_mode):
            raise PermissionError(f"{path} is not of this user, or not what it should be")
        yield descriptor
    finally:
        os.close(descriptor)
