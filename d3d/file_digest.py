"""The digest of a file's whole content, by which a result knows the weights that it started from."""

import hashlib
from functools import lru_cache
from pathlib import Path

from d3d.regular_file import open_regular


def file_digest(path: Path) -> str:
    """16 hexadecimal digits of the SHA-256 of a file. Raises OSError, also where it is no regular file.

    A file is read once as long as it stays the same by its size and its time of modification.
    """
    stat = path.stat()
    return _digest(path, stat.st_ino, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=64)
def _digest(path: Path, inode: int, size: int, modified: int) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]  # type: ignore[arg-type]  # it has readinto
