"""The interface of every reader: what each clip is read from, how it is read, and how clips become a dataset.

A reader returns a `Source`. Opening it (`open_source`) raises the first fault; checking it (look/check.py) collects the
faults of all clips from `read_each`.
"""

import errno
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from signal import SIG_IGN, SIGINT, signal
from typing import Any, Literal, Self

import numpy as np

from d3d.data.clip import Clip, Dataset, LabelPart, ReadFrames
from d3d.data.frames.memory import FrameMemory
from d3d.data.frames.rendering import RENDERING, render_frames
from d3d.data.near_names import match_names
from d3d.data.plausibility import Doubt, Fit, doubts, fit_of, frequent
from d3d.data.skeleton import Skeleton, beyond_names
from d3d.errors import DataError, UnreachableError
from d3d.left_out import left_out_text

FrameSource = Literal["files", "rendered"]
"""Where pixels come from: image or video files, or a drawing of the joints."""
Unusable = Literal["error", "skip"]
"""What to do with clips that cannot be used: raise a DataError, or leave them out."""
Broken = Sequence[tuple[str, str]]
"""(id, what is wrong) of each clip that cannot be read."""

_CHUNK = 16  # clips that a process is given at once
_FAR = 1e5  # pixels; coordinates and sides of a video are below this
_SLENDER = 50  # a video's longer side is less than this many times its shorter side
LONG = 10**6  # frames; a clip has fewer
_OF_THE_SYSTEM = frozenset(
    {
        *(errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ENOMEM),
        *(errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN, errno.ENODEV, errno.ENXIO),
    }
)  # errors that say nothing about the file itself


@dataclass(frozen=True, eq=False)
class Read:
    """A clip as its annotation describes it, and what is known about the files of its frames."""

    clip: Clip
    pixels: str = ""  # a fingerprint of these files, for the dataset's digest: see fingerprint.py
    absent: str = ""  # the file or folder of frames that is missing; empty where nothing is
    near: str = ""  # names that resemble the missing one
    available: int = 0  # frames that the files have; 0 where that is not known
    fit: Fit | None = None  # how the joints fit the picture; set for every reader when it has read
    notes: tuple[str, ...] = ()  # harmless oddities, worded to follow "2 clips"

    @property
    def absence(self) -> str:
        """What is missing, as a sentence."""
        return f"{self.absent} is not there" + (f"; there is {self.near}, with a similar name" if self.near else "")


@dataclass(frozen=True, eq=False)
class Source:
    """A dataset before it is read.

    Several processes may read it: each chunk of work is sent with the source, of which a few entries are left, so all
    functions must be picklable: functions of a module, or `functools.partial` of such functions.
    """

    name: str
    place: str  # the setting that names it, for messages: "data.root=/data/Penn_Action"
    classes: tuple[str, ...]
    skeleton: Skeleton  # of each person
    frame_source: FrameSource
    entries: tuple[Any, ...]  # one for each clip: what `read` reads it from
    read: Callable[[Any], Read]  # raises DataError, which names the clip
    decode: ReadFrames  # where frames come from files
    persons: int = 1
    lacking: str = "image files under frames/"  # for messages: what clips without frames are missing
    grouped: Callable[[Sequence[Clip]], Sequence[Clip]] = tuple  # sets `Clip.group` from all clips together
    groups: Mapping[str, str] | None = None  # clip → group as the user lists them, instead of what the reader found
    id_of: Callable[[Any], str] = attrgetter("stem")  # entry → the id of its clip; by default the stem of a path
    remarks: tuple[str, ...] = ()  # about the whole dataset, for the user, such as what an official list excludes
    parts: tuple[LabelPart, ...] = ()  # of the labels; empty where a label is one thing
    stamp: str = ""  # changes whenever a file does; where set, what is read is cached (readers/annotation_cache.py)

    @property
    def of_one_clip(self) -> Self:
        """What is needed to read one clip: it is pickled with every chunk of work."""
        return replace(self, entries=(), groups=None)

    @property
    def joint_names(self) -> tuple[str, ...]:
        """The names of the R joints of all persons."""
        return self.skeleton.names_of(self.persons)

    @property
    def read_frames(self) -> ReadFrames:
        """Decodes frames from files, or draws them, as `frame_source` says."""
        if self.frame_source == "files":
            return self.decode
        return partial(render_frames, skeleton=self.skeleton, persons=self.persons)


def read_each(source: Source, processes: int = 1) -> Iterator[Read | DataError]:
    """Each clip, or the error why it cannot be read, in the order of the entries.

    It is an UnreachableError where that is no fault of the clip's files.
    """
    read = partial(_read_or_fault, source.of_one_clip)
    if processes <= 1:
        yield from map(read, source.entries)
        return
    pool = ProcessPoolExecutor(processes, initializer=signal, initargs=(SIGINT, SIG_IGN))  # the caller handles Ctrl-C
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
        # What is returned has neither its traceback nor its cause, which hold the file's content.
        cause = error.__cause__
        of_the_system = isinstance(cause, OSError) and cause.errno in _OF_THE_SYSTEM
        return UnreachableError(str(error)) if of_the_system else DataError(str(error))
    except OSError as error:  # while it was looked for: a folder that this user may not enter
        fault = f"{error.filename} cannot be opened ({error.strerror or error})"
        return UnreachableError(f"clip {source.id_of(entry)}: {fault}; make it readable")
    return replace(found, fit=fit_of(found.clip, found.available))


def _check_clip(clip: Clip, source: Source) -> None:
    """Raises DataError for a clip that no dataset may have."""
    joints = len(source.skeleton.joint_names) * source.persons
    if clip.joints.shape != (clip.length, joints, 2) or clip.visible.shape != clip.joints.shape[:2] or not clip.length:
        fault = f"its joints are {clip.joints.shape} and {clip.visible.shape}, not frames × {joints} × 2"
    elif not 0 <= clip.label < len(source.classes):
        fault = f"its label is {clip.label}, but there are {len(source.classes)} classes, counted from 0"
    elif clip.length >= LONG:
        fault = f"it has {clip.length} frames; the most is {LONG - 1}"
    elif not _is_size(clip.height, clip.width) or not (np.abs(clip.joints) < _FAR).all():  # also false for NaN
        fault = "its sizes or coordinates are out of range"
    else:
        return
    raise DataError(f"clip {clip.id} of {source.place}: {fault}; correct its annotation or remove it")


def _is_size(height: int, width: int) -> bool:
    """Whether a video may have this size; resizing one with other proportions could fill the memory."""
    short, long = sorted((height, width))
    return short >= 1 and long < _FAR and long < _SLENDER * short


def open_source(source: Source, missing: Unusable = "error", processes: int = 1) -> Dataset:
    """Reads and assembles the dataset.

    Args:
        source: as a reader returns it.
        missing: what to do with clips without frames.
        processes: that read clips at the same time.

    Raises the first DataError of a clip, or of all clips together.
    """
    return assemble(source, *read_all(source, processes), missing)


def read_all(source: Source, processes: int = 1, damaged: Unusable = "error") -> tuple[list[Read], Broken]:
    """Reads every clip; with `damaged` "skip" also returns which cannot be read.

    Raises the first DataError of a clip, unless damaged clips are left out, or of all clips together. A clip that the
    system cannot read at the moment is not left out: whether it is would depend on the moment.
    """
    reads, broken = [], []
    for entry, found in zip(source.entries, read_each(source, processes), strict=True):
        if not isinstance(found, DataError):
            reads.append(found)
        elif isinstance(found, UnreachableError):
            raise found
        elif damaged == "skip":
            broken.append((source.id_of(entry), str(found)))
        else:
            raise DataError(f"{found}; data.damaged=skip leaves damaged clips out")
    for fault in faults_together(source, reads):
        raise fault
    return reads, broken


def faults_together(source: Source, reads: Sequence[Read]) -> list[DataError]:
    """The faults of clips that are each valid: several with the same id."""
    counts = Counter(read.clip.id for read in reads)
    return [
        DataError(f"clip {id} of {source.place}: {count} clips have this id; rename or remove all but one")
        for id, count in counts.items()
        if count > 1
    ]


def assemble(source: Source, reads: Sequence[Read], broken: Broken, missing: Unusable) -> Dataset:
    """The dataset of the clips that were read. `missing` says what to do with those without frames.

    The digest covers the clips' ids, labels, splits, sizes and joints, the number of classes and the skeleton. Where
    frames come from files it also covers `Read.pixels`: the files' sizes and a sample of their bytes; where they are
    rendered, the version of the drawing. It covers the clips' groups where the user lists them, because a baseline and
    an interval depend on them, and the parts of the labels where they have any, because a system may predict each part
    by itself. The names of the classes are not covered: no result depends on them.

    Raises DataError where frames are missing and must not be, where a split has no clip, and where the joints of most
    clips cannot be right.
    """
    clips = group_clips(source, reads)
    absent = [read.clip.id for read in reads if read.absent]
    if absent and missing == "error":
        first = ", ".join(absent[:5]) + (", …" if len(absent) > 5 else "")
        near = next((f"; {read.clip.id}: {read.absence}" for read in reads if read.near), "")
        raise DataError(
            f"{source.place}: {len(absent)} of {len(reads)} clips lack {source.lacking} ({first}{near}); "
            "data.missing=skip leaves them out, data.frames=rendered draws all clips from their joints"
        )
    usable = [clip for clip, read in zip(clips, reads, strict=True) if not read.absent]
    train = tuple(clip for clip in usable if clip.train)
    test = tuple(clip for clip in usable if not clip.train)
    for split, members in (("training", train), ("test", test)):
        if not members:
            more = "add annotations of that split"
            if broken:
                more = f"{len(broken)} are damaged, the first: {broken[0][1]}"
            elif absent:
                more = f"add {source.lacking}, or data.frames=rendered draws all clips from their joints"
            raise DataError(
                f"{source.place}: no {split} clip among {len(usable)} usable of {len(reads) + len(broken)}; {more}"
            )
    doubted = doubts_about(reads)
    for doubt in doubted:
        if doubt.impossible:
            raise DataError(f"{source.place}: {doubt.text}; {doubt.impossible}")
    if source.frame_source == "files":
        pixels = "".join(f"{read.clip.id}{read.pixels}" for read in reads if not read.absent)
    else:
        pixels = f"rendered {RENDERING}"
    left_out = (*absent, *(id for id, _ in broken))
    kind = "|".join((str(len(source.classes)), *source.joint_names, source.frame_source, pixels))
    if source.groups is not None:
        kind += "|groups " + json.dumps([clip.group for clip in usable])
    if source.parts:
        kind += "|parts " + json.dumps([(part.name, part.of_class) for part in source.parts])
    return Dataset(
        name=source.name,
        classes=source.classes,
        skeleton=source.skeleton,
        train=train,
        test=test,
        digest=_digest(usable, kind + beyond_names(source.skeleton)),
        read_frames=FrameMemory(source.read_frames),
        persons=source.persons,
        remarks=(
            *source.remarks,
            *frequent(doubted, len(usable)),
            *((left_out_text(left_out),) if left_out else ()),
        ),
        left_out=left_out,
        parts=source.parts,
    )


def doubts_about(reads: Sequence[Read]) -> list[Doubt]:
    """What is hardly right about the joints of the clips that have frames."""
    return doubts({read.clip.id: read.fit for read in reads if read.fit and not read.absent})


def group_clips(source: Source, reads: Sequence[Read]) -> Sequence[Clip]:
    """The clips, each with the group that the user lists, or else that the reader finds in all of them together.

    Raises DataError where the list lacks a clip that has frames.
    """
    clips = source.grouped([read.clip for read in reads])
    if source.groups is None:
        return clips
    listed, ids = source.groups, {clip.id for clip in clips}
    matches = match_names((id for id in ids if id not in listed), (name for name in listed if name not in ids))
    names = {clip.id: matches.meant.get(clip.id, clip.id) for clip in clips}
    without = [id for id, name in names.items() if name not in listed]
    lacking = [read.clip.id for read in reads if not read.absent and read.clip.id in set(without)]
    if lacking:
        raise DataError(
            f"data.groups: {len(lacking)} of {len(clips)} clips of {source.place} are not in the list ({lacking[0]}"
            f"{', …' if len(lacking) > 1 else ''}); add them, a clip of its own with its name as its group"
        )
    return [replace(clip, group=listed.get(names[clip.id], clip.group)) for clip in clips]


def _digest(clips: Sequence[Clip], kind: str) -> str:
    digest = hashlib.sha256(kind.encode())
    for clip in clips:
        digest.update(f"{clip.id} {clip.label} {clip.train} {clip.height} {clip.width} {clip.length}".encode())
        digest.update(clip.joints.astype("<f4").tobytes())
        digest.update(clip.visible.tobytes())
    return digest.hexdigest()
