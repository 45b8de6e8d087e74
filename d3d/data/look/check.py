"""What a whole dataset contains and every fault in it: all clips are read, even after a fault."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3d.config import DataConfig
from d3d.data.clip import Clip, Dataset
from d3d.data.frames.view import view_of
from d3d.data.readers.decoded import decode_all
from d3d.data.samples.sampling import check_frames, regular_indices, repeated_frames
from d3d.data.source import Broken, Read, Source, assemble, doubts_about, faults_together, group_clips, read_each
from d3d.errors import DataError, UnreachableError


class Groups(NamedTuple):
    """How many groups of clips that may be of one recording each official split has; those in both are named."""

    train: int
    test: int
    both: tuple[str, ...]
    single: tuple[int, ...] = ()  # labels whose training clips are all of one group


@dataclass(frozen=True)
class Findings:
    """What was found in all clips whose annotation can be read, with or without frames; counts are of clips."""

    train: NDArray[np.int64]  # training clips of each class
    test: NDArray[np.int64]  # test clips of each class
    lengths: NDArray[np.int64]  # frames of each clip
    sizes: Counter[tuple[int, int]]  # (width, height)
    persons: Counter[int]  # persons present → clips
    joints: int  # of all persons present, over all frames
    invisible: int  # of these joints
    left_out: tuple[str, ...]  # ids of clips without frames
    damaged: tuple[tuple[str, str], ...]  # (id, what is wrong) of clips that data.damaged=skip leaves out
    notes: dict[str, tuple[str, ...]]  # harmless oddity → ids of the clips that have it
    doubts: tuple[str, ...]  # what is hardly right about the joints, and clips that repeat frames, one line each
    faults: tuple[str, ...]  # one line each
    groups: Groups
    digest: str | None  # None where the dataset cannot be opened


def check(
    source: Source,
    data: DataConfig,
    frames: int,
    processes: int,
    advance: Callable[[], None],
) -> Findings:
    """Reads every annotation, samples every file of frames, and decodes the frames that a test would take.

    With `data.damaged=skip` it decodes all frames, as a launch does before it leaves clips out.

    Args:
        source: the dataset.
        data: its configuration; it says whether clips without frames, and damaged ones, are faults or left out.
        frames: T, frames that a test samples from a clip.
        processes: that read clips at the same time.
        advance: called after each clip.
    """
    reads: list[Read] = []
    faults: list[str] = []
    damaged: list[tuple[str, str]] = []
    found_each = read_each(_decoding(source, data, frames), processes)
    for entry, found in zip(source.entries, found_each, strict=True):
        if isinstance(found, DataError) and data.damaged == "skip" and not isinstance(found, UnreachableError):
            damaged.append((source.id_of(entry), str(found)))
        elif isinstance(found, DataError):
            faults.append(str(found))
        else:
            reads.append(found)
        advance()
    if data.missing == "error":
        faults += [f"clip {read.clip.id}: {read.absence}" for read in reads if read.absent]
    faults += [str(fault) for fault in faults_together(source, reads)]
    dataset = None
    repeated: tuple[str, ...] = ()
    try:  # as if no file were missing: missing ones are listed above
        whole = reads if data.missing == "skip" else [replace(read, absent="") for read in reads]
        dataset = assemble(source, whole, damaged, "skip")
        check_frames(dataset, frames)
        repeated = repeated_frames(dataset, frames)
    except DataError as error:
        faults.append(str(error))
    return _findings(source, reads, faults, damaged, repeated, None if faults else dataset)


def _decoding(source: Source, data: DataConfig, frames: int) -> Source:
    """A source whose clips are read together with their test frames; rendered frames cannot be damaged."""
    if source.frame_source == "rendered":
        return source
    return replace(source, read=partial(_read_and_decode, source.of_one_clip, data, frames))


def _read_and_decode(source: Source, data: DataConfig, frames: int, entry: Any) -> Read:
    read = source.read(entry)
    if not read.absent and data.damaged == "skip":
        decode_all(source.decode, read)
    elif not read.absent and read.clip.length:
        indices = regular_indices(read.clip.length, frames)
        source.decode(read.clip, indices, view_of(read.clip, data.view, data.resize))
    return read


def _findings(
    source: Source,
    reads: Sequence[Read],
    faults: Sequence[str],
    damaged: Broken,
    repeated: tuple[str, ...],
    dataset: Dataset | None,
) -> Findings:
    clips = [read.clip for read in reads]
    present = [_present(clip, source.persons) for clip in clips]
    each = len(source.skeleton.joint_names)
    joints = sum(clip.length * each * int(there.sum()) for clip, there in zip(clips, present, strict=True))
    notes: dict[str, list[str]] = {}
    for read in reads:
        for note in read.notes:
            notes.setdefault(note, []).append(read.clip.id)
    return Findings(
        train=_by_class(source, (clip for clip in clips if clip.train)),
        test=_by_class(source, (clip for clip in clips if not clip.train)),
        lengths=np.array([clip.length for clip in clips], np.int64),
        sizes=Counter((clip.width, clip.height) for clip in clips),
        persons=Counter(int(there.sum()) for there in present),
        joints=joints,
        invisible=joints - sum(int(clip.visible.sum()) for clip in clips),
        left_out=tuple(read.clip.id for read in reads if read.absent),
        damaged=tuple(damaged),
        notes={note: tuple(ids) for note, ids in notes.items()},
        doubts=(*(doubt.text for doubt in doubts_about(reads) if not doubt.impossible), *repeated),
        faults=tuple(faults),
        groups=_groups(source, reads),
        digest=dataset.digest if dataset else None,
    )


def _groups(source: Source, reads: Sequence[Read]) -> Groups:
    try:
        clips = group_clips(source, reads)
    except DataError:  # a fault that is listed already
        return Groups(0, 0, ())
    train, test = ({clip.group for clip in clips if clip.train is side} for side in (True, False))
    takes = Counter(label for label, _ in {(clip.label, clip.group) for clip in clips if clip.train})
    single = tuple(sorted(label for label, count in takes.items() if count == 1))
    return Groups(len(train), len(test), tuple(sorted(train & test)), single)


def _present(clip: Clip, persons: int) -> NDArray[np.bool_]:
    """Which persons have a joint that is visible in any frame."""
    return np.asarray(clip.visible.reshape(clip.length, persons, -1).any(axis=(0, 2)))


def _by_class(source: Source, clips: Iterable[Clip]) -> NDArray[np.int64]:
    return np.bincount([clip.label for clip in clips], minlength=len(source.classes)).astype(np.int64)
