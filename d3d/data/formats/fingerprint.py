"""A fingerprint of a file that is cheap to take: its size, and its bytes in three places."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from d3d.regular_file import open_regular

PART = 1024  # bytes read at the start, in the middle and at the end; different compressed frames differ in each


class Sampled(NamedTuple):
    """The size of a file in bytes, and its first, middle and last PART bytes; in a short file they overlap."""

    size: int
    start: bytes
    middle: bytes
    end: bytes


def sample_file(path: Path) -> Sampled:
    """The sample of a file, of which three parts are read at most. Raises OSError, also where it is no file."""
    with open_regular(path) as file:
        number = file.fileno()
        size = os.fstat(number).st_size
        offsets = (0, max(0, (size - PART) // 2), max(0, size - PART))
        return Sampled(size, *(os.pread(number, PART, offset) for offset in offsets))


def fingerprint(files: Iterable[Sampled]) -> str:
    """16 hexadecimal digits over the samples of a clip's files, in the order given."""
    digest = hashlib.sha256()
    for size, *parts in files:
        digest.update(f"{size}\n".encode())
        for part in parts:
            digest.update(part)
    return digest.hexdigest()[:16]
