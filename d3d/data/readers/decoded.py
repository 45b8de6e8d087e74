"""Finds the clips whose frames are damaged: each frame is decoded once, and what came out is kept in a file.

So one launch decides for all of its workers and for later launches: a clip is looked at again only when its files or
the code that reads them have changed. Damage in the middle of a file shows in no other way.
"""

import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from d3d.cpus import cpu_count
from d3d.data.clip import ReadFrames
from d3d.data.frames.view import frame_view
from d3d.data.source import Broken, Read, Source, read_each
from d3d.digest import code_digest
from d3d.errors import DataError, UnreachableError

SHORT = 16  # pixels of the short side of what is decoded: small, because nobody looks at it
CHUNK = 4096  # frames that are decoded at once
FEW = 32  # clips that one process decodes sooner than several have started


def without_damaged(source: Source, reads: Sequence[Read], cache: Path) -> tuple[list[Read], Broken]:
    """The clips all of whose frames can be decoded or are absent, and the others.

    `cache` is the folder of the file. Raises DataError where it cannot be written or is damaged, or where a clip cannot
    be reached at the moment.
    """
    path = cache / f"decoded-{source.name}-{code_digest('d3d.data.readers.registry')}.json"
    known = _load(path)
    new = {_key(read): read for read in reads if not read.absent and _key(read) not in known}
    if new:
        processes = 1 if len(new) < FEW else cpu_count()
        decoding = replace(source, entries=tuple(new.values()), read=partial(decode_all, source.decode))
        found = list(read_each(decoding, processes))
        for each in found:
            if isinstance(each, UnreachableError):  # another launch may be able to read it
                raise each
        known |= {key: str(each) if isinstance(each, DataError) else "" for key, each in zip(new, found, strict=True)}
        _save(path, known)
    faults = ["" if read.absent else known[_key(read)] for read in reads]
    sound = [read for read, fault in zip(reads, faults, strict=True) if not fault]
    return sound, [(read.clip.id, fault) for read, fault in zip(reads, faults, strict=True) if fault]


def decode_all(decode: ReadFrames, read: Read) -> Read:
    """Decodes every frame of a clip. Raises DataError where one is missing or damaged."""
    clip = read.clip
    for start in range(0, clip.length, CHUNK):
        decode(clip, np.arange(start, min(start + CHUNK, clip.length)), frame_view(clip, SHORT))
    return read


def _key(read: Read) -> str:
    """Changes with the files of the clip, as far as their fingerprint does, and with what is asked of them."""
    clip = read.clip
    return hashlib.sha256(f"{clip.id} {clip.length} {clip.width} {clip.height} {read.pixels}".encode()).hexdigest()


def _load(path: Path) -> dict[str, str]:
    try:
        known = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is damaged ({error}); remove it, and all frames are decoded again") from error
    return {str(key): str(fault) for key, fault in dict(known).items()}


def _save(path: Path, known: dict[str, str]) -> None:
    """Writes all of it or nothing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{path.name}.partial-", dir=path.parent) as folder:
            written = Path(folder) / path.name
            written.write_text(json.dumps(known), "utf-8")
            written.replace(path)
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error}); choose another storage folder") from error
