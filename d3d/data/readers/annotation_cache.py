"""A cache on disk of what was read of a large dataset; the next process that opens it maps it into memory.

The text files of NTU RGB+D take minutes to read and gigabytes of memory. Mapped, all processes of a machine share it.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from d3d.data.clip import Clip
from d3d.data.plausibility import Fit
from d3d.data.source import Broken, Read, Source, Unusable, read_all
from d3d.digest import code_digest
from d3d.errors import DataError

_CLIP_KEYS = ("id", "label", "train", "height", "width", "length", "group")
_READ_KEYS = ("pixels", "absent", "near", "fit", "notes")


def read_cached(
    source: Source, cache: Path, processes: int = 1, damaged: Unusable = "error"
) -> tuple[list[Read], Broken]:
    """What `read_all` returns for a source that has a stamp, from the cache if it has an entry of this stamp and code.

    Args:
        source: whose `stamp` changes whenever one of its files does.
        cache: the folder of the cache.
        processes: that read clips at the same time, where they are not cached.
        damaged: what to do with clips that cannot be read.

    Raises DataError as `read_all` does, and where the cache cannot be written or is damaged.
    """
    named = f"{code_digest('d3d.data.readers.registry')} {source.name} {source.frame_source} {source.stamp} {damaged}"
    key = hashlib.sha256(named.encode()).hexdigest()[:12]
    folder = cache / f"{source.name}-{key}"
    if not folder.is_dir():
        reads, broken = read_all(source, processes, damaged)
        try:
            _write_cache(folder, source, reads, broken)
        except OSError as error:
            raise DataError(f"{folder} cannot be written ({error}); choose another storage folder") from error
        del reads  # frees memory before the same arrays are mapped
    return _read_cache(folder)


def _write_cache(folder: Path, source: Source, reads: Sequence[Read], broken: Broken) -> None:
    """Writes all of it or nothing, even where several processes do so at once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}.partial-", dir=folder.parent) as temporary:
        partial = Path(temporary) / folder.name
        partial.mkdir()
        shape = (sum(read.clip.length for read in reads), len(source.joint_names))
        joints = open_memmap(str(partial / "joints.npy"), "w+", np.float32, (*shape, 2))
        visible = open_memmap(str(partial / "visible.npy"), "w+", np.bool_, shape)
        start = 0
        for read in reads:
            end = start + read.clip.length
            joints[start:end], visible[start:end] = read.clip.joints, read.clip.visible
            start = end
        joints.flush()
        visible.flush()
        rows = [
            [getattr(read.clip, key) for key in _CLIP_KEYS] + [getattr(read, key) for key in _READ_KEYS]
            for read in reads
        ]
        (partial / "clips.json").write_text(json.dumps([rows, broken]))
        try:
            partial.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster and wrote the same content
                raise


def _read_cache(folder: Path) -> tuple[list[Read], Broken]:
    rows: list[list[Any]]
    try:
        rows, broken = json.loads((folder / "clips.json").read_text())
        joints = np.load(folder / "joints.npy", mmap_mode="r", allow_pickle=False)
        visible = np.load(folder / "visible.npy", mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{folder} is damaged ({error}); remove it, and the dataset is read again") from error
    return list(_reads(rows, joints, visible)), [(id, fault) for id, fault in broken]


def _reads(rows: list[list[Any]], joints: NDArray[np.float32], visible: NDArray[np.bool_]) -> Iterator[Read]:
    start = 0
    for row in rows:
        clip = dict(zip(_CLIP_KEYS, row, strict=False))
        pixels, absent, near, fit, notes = row[len(_CLIP_KEYS) :]
        end = start + clip.pop("length")
        cached = Clip(joints=joints[start:end], visible=visible[start:end], **clip)
        yield Read(cached, pixels, absent, near, fit=Fit(*fit), notes=tuple(notes))
        start = end
