"""The seam of every reader: what each clip is read from, how one is read, and how the clips become a dataset.

A reader gives a `Source`. To open it is to raise the first fault; to check it is to ask `read_each` for all of them.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from signal import SIG_IGN, SIGINT, signal
from typing import Any, Literal

import numpy as np

from d3d.data.clip import Clip, Dataset, ReadFrames
from d3d.data.frames.memory import FrameMemory
from d3d.data.frames.rendering import RENDERING, render_frames
from d3d.data.skeleton import Skeleton, beyond_names
from d3d.errors import DataError

FrameSource = Literal["files", "rendered"]
"""Where pixels come from: image or video files, or a drawing of the joints."""

_CHUNK = 16  # clips sent to a process at once
_FAR = 1e5  # pixels; no coordinate and no side of a video
_SLENDER = 50  # a video's longer side is not so many times its shorter one
_LONG = 10**6  # frames; no clip has as many


@dataclass(frozen=True, eq=False)
class Read:
    """A clip as its annotation says, and what was seen of the files of its frames."""

    clip: Clip
    pixels: str = ""  # what of these files decides the pixels, for the digest: see fingerprint.py
    absent: str = ""  # the file or folder of frames that is not there
    notes: tuple[str, ...] = ()  # what is odd and does no harm, as "2 clips …" would go on


@dataclass(frozen=True, eq=False)
class Source:
    """A dataset before it is read. Entries and `read` can be pickled: clips are read in several processes."""

    name: str
    place: str  # what messages call it, "data.root=/data/Penn_Action"
    classes: tuple[str, ...]
    skeleton: Skeleton  # of each person
    frame_source: FrameSource
    entries: tuple[Any, ...]  # what one clip each is read from
    read: Callable[[Any], Read]  # raises DataError, which names the clip
    decode: ReadFrames  # where frames come from files
    persons: int = 1
    lacking: str = "image files under frames/"  # what clips without frames lack
    grouped: Callable[[Sequence[Clip]], Sequence[Clip]] = tuple  # sets `Clip.group` where that takes all clips
    id_of: Callable[[Any], str] = attrgetter("stem")  # the id of the clip that an entry, a path or not, is read as
    remarks: tuple[str, ...] = ()  # what a user should know of the whole, such as what an official list leaves out
    stamp: str = ""  # another one where a file has changed; with it, what is read is kept on disk (kept.py)

    @property
    def joint_names(self) -> tuple[str, ...]:
        """R names, of the joints of all persons."""
        return self.skeleton.names_of(self.persons)

    @property
    def read_frames(self) -> ReadFrames:
        """Decodes the frames, or draws them."""
        if self.frame_source == "files":
            return self.decode
        return partial(render_frames, skeleton=self.skeleton, persons=self.persons)


def read_each(source: Source, processes: int = 1) -> Iterator[Read | DataError]:
    """Each clip, or why it cannot be read, in the order of the entries."""
    read = partial(_read_or_fault, replace(source, entries=()))  # goes to the processes with every chunk
    if processes <= 1:
        yield from map(read, source.entries)
        return
    pool = ProcessPoolExecutor(processes, initializer=signal, initargs=(SIGINT, SIG_IGN))  # Ctrl-C is the caller's
    try:
        yield from pool.map(read, source.entries, chunksize=_CHUNK)
    except BrokenProcessPool as error:
        raise DataError(f"{source.place}: a process that read it was killed; use fewer, resources.cpus=1") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _read_or_fault(source: Source, entry: Any) -> Read | DataError:
    try:
        found = source.read(entry)
        _check_clip(found.clip, source)
    except DataError as error:
        return DataError(str(error))  # without the traceback and the cause, which hold the file's content
    return found


def _check_clip(clip: Clip, source: Source) -> None:
    """What no clip of any dataset may be. Raises DataError."""
    joints = len(source.skeleton.joint_names) * source.persons
    if clip.joints.shape != (clip.length, joints, 2) or clip.visible.shape != clip.joints.shape[:2] or not clip.length:
        fault = f"its joints are {clip.joints.shape} and {clip.visible.shape}, not frames × {joints} × 2"
    elif not 0 <= clip.label < len(source.classes):
        fault = f"its label is {clip.label}, there are {len(source.classes)} classes, counted from 0"
    elif clip.length >= _LONG:
        fault = f"it has {clip.length} frames, {_LONG} or more"
    elif not _is_size(clip.height, clip.width) or not (np.abs(clip.joints) < _FAR).all():  # not NaN either
        fault = "its sizes or coordinates are no usable numbers"
    else:
        return
    raise DataError(f"clip {clip.id} of {source.place}: {fault}; mend its annotation or remove it")


def _is_size(height: int, width: int) -> bool:
    """Whether a video may be of this size: resized, it would fill the memory if not."""
    short, long = sorted((height, width))
    return short >= 1 and long < _FAR and long < _SLENDER * short


def open_source(source: Source, missing: Literal["error", "skip"] = "error", processes: int = 1) -> Dataset:
    """The dataset. Raises the first DataError of a clip, or of all clips together."""
    return assemble(source, read_all(source, processes), missing)


def read_all(source: Source, processes: int = 1) -> list[Read]:
    """Every clip. Raises the first DataError of a clip, or of all clips together."""
    reads = []
    for found in read_each(source, processes):
        if isinstance(found, DataError):
            raise found
        reads.append(found)
    for fault in faults_together(source, reads):
        raise fault
    return reads


def faults_together(source: Source, reads: Sequence[Read]) -> list[DataError]:
    """What is wrong with clips that are each right: two of one id."""
    counts = Counter(read.clip.id for read in reads)
    return [
        DataError(f"clip {id} of {source.place}: {count} clips have this id; rename or remove all but one")
        for id, count in counts.items()
        if count > 1
    ]


def assemble(source: Source, reads: Sequence[Read], missing: Literal["error", "skip"]) -> Dataset:
    """The dataset of these clips; those without frames are an error, or left out.

    The digest covers ids, labels, splits, sizes and joints of the clips, how many classes there are, the skeleton, and,
    for files, what the reads say of them: their sizes and a sample of their bytes. For rendered frames it covers the
    version of the drawing. The names of the classes are not covered: no bit of a result depends on them.
    """
    clips = source.grouped([read.clip for read in reads])
    absent = [read.clip.id for read in reads if read.absent]
    if absent and missing == "error":
        first = ", ".join(absent[:5]) + (", …" if len(absent) > 5 else "")
        raise DataError(
            f"{source.place}: {len(absent)} of {len(reads)} clips lack {source.lacking} ({first}); "
            "data.missing=skip leaves them out, data.frames=rendered draws all clips from their joints"
        )
    usable = [clip for clip, read in zip(clips, reads, strict=True) if not read.absent]
    train = tuple(clip for clip in usable if clip.train)
    test = tuple(clip for clip in usable if not clip.train)
    for split, members in (("training", train), ("test", test)):
        if not members:
            more = "add annotations of that split"
            if absent:
                more = f"add {source.lacking}, or data.frames=rendered draws all clips from their joints"
            raise DataError(f"{source.place}: no {split} clip among {len(usable)} usable of {len(reads)}; {more}")
    if source.frame_source == "files":
        pixels = "".join(f"{read.clip.id}{read.pixels}" for read in reads if not read.absent)
    else:
        pixels = f"rendered {RENDERING}"
    kind = "|".join((str(len(source.classes)), *source.joint_names, source.frame_source, pixels))
    return Dataset(
        name=source.name,
        classes=source.classes,
        skeleton=source.skeleton,
        train=train,
        test=test,
        digest=_digest(usable, kind + beyond_names(source.skeleton)),
        read_frames=FrameMemory(source.read_frames),
        persons=source.persons,
        remarks=source.remarks,
    )


def _digest(clips: Sequence[Clip], kind: str) -> str:
    digest = hashlib.sha256(kind.encode())
    for clip in clips:
        digest.update(f"{clip.id} {clip.label} {clip.train} {clip.height} {clip.width} {clip.length}".encode())
        digest.update(clip.joints.astype("<f4").tobytes())
        digest.update(clip.visible.tobytes())
    return digest.hexdigest()
