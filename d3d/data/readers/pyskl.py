"""Skeletons as PYSKL and MMAction2 pickle them, with or without the videos; FineGYM is one of them.

An annotation is {frame_dir, total_frames, img_shape, label, keypoint M×T×V×C, keypoint_score M×T×V}, as
tools/data/README.md of github.com/kennymckormick/pyskl describes it, and may have a group, which is ours: clips of one
group are of one recording. pickled_annotations.py has the layouts of files of annotations.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from operator import attrgetter
from pathlib import Path
from reprlib import repr as short
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3d.data.clip import Clip, View
from d3d.data.frames.footage import look_at, read_footage
from d3d.data.frames.places import Places, find_places
from d3d.data.near_names import match_names, nearest_path
from d3d.data.readers.groups import group_of
from d3d.data.readers.label_map import read_label_map
from d3d.data.readers.persons import moving_most
from d3d.data.readers.pickled_annotations import Annotation, read_annotations
from d3d.data.skeleton import COCO, KNOWN, MOST_JOINTS, NTU, PENN_ACTION, Skeleton, nameless
from d3d.data.skeleton_yaml import find_skeleton
from d3d.data.source import LONG, FrameSource, Read, Source
from d3d.errors import ConfigError, DataError

GYM99 = 99  # classes (Shao et al., "FineGym", CVPR 2020, section 3)
MOST = 100_000  # classes; labels are below this
LARGEST = 1 << 63  # a group that is a number is smaller
NAME = 240  # bytes, the longest name of a file or folder; endings such as _rgb.avi are added to it
TAKEN_FOR = {"COCO": COCO, "NTU RGB+D": NTU, "Penn Action": PENN_ACTION}  # by the number of joints
SWOLLEN = 64  # the clips of a file take less than this many times its size in memory, or less than SMALL bytes
SMALL = 1 << 30
SCORE = 0.0  # a joint is visible where its keypoint_score is above this: not at 0, and not at NaN


_JOINT_BYTES = 9  # of a joint in memory: two numbers, and whether it is visible


class Entry(NamedTuple):
    """What a clip is read from."""

    id: str
    split: str
    train: bool
    annotation: Annotation | None  # None: a split names the clip, but there is no annotation
    near: str = ""  # names of annotations that resemble that of a clip without one


def pyskl_source(
    path: Path,
    splits: tuple[str, str],
    *,
    test: Path | None = None,
    name: str = "pyskl",
    classes: int | None = None,
    label_map: Path | None = None,
    root: Path | None = None,
    named_skeleton: str | None = None,
    persons: int = 2,
    frame_source: FrameSource = "files",
) -> Source:
    """The clips that two splits of an annotation file name.

    Args:
        path: the pickle, FILE.pkl, or a folder of pickles; see `read_annotations`.
        splits: the names of the training and of the test split.
        test: the pickle or folder of the test split; None: `path` has both.
        name: what the dataset is called.
        classes: their number; None: as many as have names, or as the labels of the training clips tell.
        label_map: the file of the classes' names; None: FILE.label_map.txt beside the pickle. Without that file, the
            classes are called class_0, class_1, ….
        root: the folder of the videos or folders of images; needed where frames come from files.
        named_skeleton: a known skeleton or a YAML file, as data.skeleton names it. None: FILE.skeleton.yaml beside the
            pickle; without that file a known skeleton with this number of joints, or one of which nothing is known,
            and a remark says which.
        persons: the most persons of a clip, those who move most.
        frame_source: whether frames are read from files or rendered.

    Raises DataError for a file that is not such a pickle, for splits that it does not have, where it has no joints, and
    for names of another number of classes; ConfigError for a skeleton that cannot be used or has other joints.
    """
    beside = _beside(path, "skeleton.yaml")
    if named_skeleton is None and _exists(beside):
        named_skeleton = str(beside)
    declared = None if named_skeleton is None else find_skeleton(named_skeleton)
    found = read_annotations(path, test, splits)
    entries = _entries(path, splits, found.split, found.annotations)
    described = [entry.annotation for entry in entries if entry.annotation is not None]
    joints = _joint_count(path, described)
    _check_memory(path, found.size, described, persons)
    if declared and len(declared.joint_names) != joints:
        raise ConfigError(
            f"{named_skeleton}: describes {len(declared.joint_names)} joints, the clips of data.annotations={path} "
            f"have {joints}; with data=pyskl, data.skeleton=FILE.yaml describes any number"
        )
    skeleton, remarks = (declared, ()) if declared else _undeclared(joints, beside.name)
    if label_map is None and _exists(listed := _beside(path, "label_map.txt")):
        label_map = listed
    names = _class_names(classes, label_map, entries)
    if frame_source == "files" and root is None:
        raise DataError("data.root is not set: name the folder of the videos, or data.frames=rendered needs none")
    places = None
    if frame_source == "files" and root is not None:
        places = find_places(root, (entry.id for entry in entries if not _fault_of_id(entry.id)))
    return Source(
        name=name,
        place=f"data.annotations={path}",
        classes=names,
        skeleton=skeleton,
        frame_source=frame_source,
        entries=entries,
        read=partial(_read, joints=joints, persons=persons, places=places),
        decode=partial(_decode, places),
        persons=persons,
        groups=_groups(entries),
        id_of=attrgetter("id"),
        lacking=f"a video or a folder of images under {root}",
        remarks=(*remarks, *(places.remarks if places else ())),
    )


def _beside(path: Path, ending: str) -> Path:
    """The file FILE.ENDING beside FILE.pkl, which says something about the annotations."""
    expected = path.with_name(f"{path.stem}.{ending}")
    try:
        return nearest_path(expected)
    except OSError:  # a name longer than the file system takes
        return expected


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name longer than the file system takes
        return False


def _class_names(classes: int | None, label_map: Path | None, entries: Sequence[Entry]) -> tuple[str, ...]:
    """The names of the classes. Raises DataError where a file names another number of them than `classes`."""
    if label_map is None:
        if classes is None:
            classes = 1 + max((_label(entry.annotation) for entry in entries if entry.train), default=-1)
        return tuple(f"class_{label}" for label in range(classes))
    names = read_label_map(label_map)
    if classes not in (None, len(names)):
        raise DataError(
            f"data.label_map={label_map}: names {len(names)} classes, there are {classes}; name all of them"
        )
    return names


def _groups(entries: Sequence[Entry]) -> Mapping[str, str] | None:
    """Clip → the recording that its annotation names, or that its id tells; None where no annotation names one."""
    named = {entry.id: (entry.annotation or {}).get("group") for entry in entries}
    if all(group is None for group in named.values()):
        return None
    return {id: str(group) if _is_name(group) else group_of(id) for id, group in named.items()}


def _is_name(group: object) -> bool:
    """Whether a group is a text or a whole number."""
    return isinstance(group, str | np.integer) or (isinstance(group, int) and abs(group) < LARGEST)


def _undeclared(joints: int, beside: str) -> tuple[Skeleton, tuple[str, ...]]:
    """The skeleton of joints that nothing describes, and a remark that says which one is assumed.

    PYSKL's own annotations have COCO's joints in two dimensions and those of NTU RGB+D from Kinect; 13 joints have
    always been read as Penn Action's here.
    """
    for name, skeleton in TAKEN_FOR.items():
        if len(skeleton.joint_names) == joints:
            others = [key for key, other in KNOWN.items() if len(other.joint_names) == joints and other != skeleton]
            other = f"data.skeleton={others[0] if others else 'FILE.yaml'}"
            return skeleton, (f"its {joints} joints are taken for {name}'s; {other} or {beside} says otherwise",)
    unknown = f"nothing describes its {joints} joints: no limbs are drawn, and augmentation.flip must be false"
    return nameless(joints), (f"{unknown}; describe them in {beside} beside it",)


def _entries(
    path: Path,
    splits: tuple[str, str],
    listed: Mapping[str, Sequence[str]],
    annotations: Sequence[Annotation],
) -> tuple[Entry, ...]:
    """One for each annotation of a clip that a split names, and for each name without one, in the splits' order.

    A clip has the name that its annotation gives it, also where a split spells it a little differently.
    """
    for split in splits:
        id, count = next(iter(Counter(listed[split]).most_common(1)), ("", 0))
        if count > 1:  # each name would be a clip for each annotation of that name
            raise DataError(
                f"clip {id} of data.annotations={path}: {count} names in {split!r} have this id; name it once"
            )
    described: dict[str, list[Annotation | None]] = {}
    for annotation in annotations:
        described.setdefault(annotation["frame_dir"], []).append(annotation)
    named = dict.fromkeys(id for split in splits for id in listed[split])
    matches = match_names((id for id in named if id not in described), set(described) - set(named))
    ids = {split: [matches.meant.get(id, id) for id in listed[split]] for split in splits}
    both = sorted(set(ids[splits[0]]) & set(ids[splits[1]]))
    if both:
        raise DataError(
            f"data.annotations={path}: {len(both)} clips are in {splits[0]!r} and in {splits[1]!r} ({both[0]}, …); "
            "each may be in one of data.splits"
        )
    return tuple(
        Entry(id, split, split == splits[0], annotation, ", ".join(matches.resembling.get(id, ())))
        for split in splits
        for id in ids[split]
        for annotation in described.get(id) or [None]
    )


def _joint_count(path: Path, annotations: Sequence[Annotation]) -> int:
    """V, the number of joints, of the first clip that has any."""
    for annotation in annotations:
        keypoint = annotation.get("keypoint")
        if isinstance(keypoint, np.ndarray) and keypoint.ndim == 4 and 0 < keypoint.shape[2] <= MOST_JOINTS:
            return int(keypoint.shape[2])
    raise DataError(f"data.annotations={path}: no clip of data.splits has an array keypoint of M×T×V×2 numbers")


def _check_memory(path: Path, size: int, annotations: Sequence[Annotation], persons: int) -> None:
    """Raises DataError where few bytes become many: a pickle can have one array in any number of clips."""
    arrays = [annotation.get("keypoint") for annotation in annotations]
    joints = sum(each.shape[1] * each.shape[2] for each in arrays if isinstance(each, np.ndarray) and each.ndim == 4)
    needed = joints * persons * _JOINT_BYTES
    if needed > max(SMALL, SWOLLEN * size):
        raise DataError(
            f"data.annotations={path}: {size >> 20} MiB that become {needed >> 20} MiB of joints with "
            f"data.persons={persons}; at most {SWOLLEN} times the size is read; its clips share arrays or have no "
            "persons, write it anew"
        )


def _label(annotation: Annotation | None) -> int:
    """The label; −1 where there is no valid one."""
    label = (annotation or {}).get("label")
    return int(label) if isinstance(label, int | np.integer) and 0 <= label < MOST else -1


def _read(entry: Entry, *, joints: int, persons: int, places: Places | None) -> Read:
    """The clip of an annotation, and the fingerprint of its frames where there are places. Raises DataError."""
    if entry.annotation is None:
        near = f", although there is one of {entry.near}" if entry.near else ""
        raise DataError(f"clip {entry.id}: split {entry.split!r} names it, no annotation does{near}; add or remove it")
    try:
        clip = _parse(entry, entry.annotation, joints, persons)
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else error
        fault = f"its annotation is not in PYSKL's layout ({reason})"
        raise DataError(f"clip {entry.id}: {fault}; correct or remove it") from error
    return Read(clip) if places is None else replace(look_at(places.of(clip.id), clip), near=places.near(clip.id))


def _parse(entry: Entry, annotation: Annotation, joints: int, persons: int) -> Clip:
    if fault := _fault_of_id(entry.id):
        raise ValueError(fault)
    points, seen = _joints(annotation, joints)
    (frames,) = _whole(annotation, "total_frames", "a number of frames", [annotation["total_frames"]])
    if frames != points.shape[1] or not frames:
        raise ValueError(f"total_frames is {frames}, its keypoint has {points.shape[1]}")
    if (label := _label(annotation)) < 0:
        raise ValueError(f"label is {short(annotation['label'])[:80]}, not a number from 0 to {MOST - 1}")
    if points.shape[1] >= LONG:
        raise ValueError(f"it has {points.shape[1]} frames; the most is {LONG - 1}")
    group = annotation.get("group")
    if group is not None and not _is_name(group):
        raise ValueError(f"group is {short(group)[:80]}, not a text or a whole number")
    height, width = _whole(annotation, "img_shape", "(height, width)", annotation["img_shape"], 2)
    chosen, visible = moving_most(points, seen, persons)
    return Clip(entry.id, label, entry.train, height, width, chosen, visible, group=group_of(entry.id))


def _whole(annotation: Annotation, key: str, expected: str, values: Any, count: int = 1) -> tuple[int, ...]:
    """The whole numbers `values`, which are those of a key. Raises ValueError that names the key unless it has them."""
    try:
        numbers = tuple(int(value) for value in values)
    except (TypeError, ValueError, OverflowError):
        numbers = ()
    if len(numbers) != count:
        raise ValueError(f"{key} is {short(annotation[key])[:80]}, not {expected}")
    return numbers


def _fault_of_id(id: str) -> str:
    """Why frame_dir, the id, cannot be the name of a file or folder below data.root; empty where it can."""
    parts = Path(id).parts
    if not parts or Path(id).is_absolute() or ".." in parts:
        return "its frame_dir leads out of data.root"
    if not id.isprintable() or max(len(part.encode()) for part in parts) > NAME:
        return f"its frame_dir has unprintable characters, or a part of more than {NAME} bytes"
    return ""


def _array(annotation: Annotation, key: str) -> NDArray[np.float32]:
    """An array as float32. Lists are refused: a few bytes of nested lists can mean more numbers than memory holds."""
    if not isinstance(annotation[key], np.ndarray):
        raise ValueError(f"{key} is not an array")
    with np.errstate(over="ignore"):  # infinite coordinates are refused below, with their place
        return np.asarray(annotation[key], np.float32)


def _joints(annotation: Annotation, joints: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Joints M×T×V×2 in pixels and their visibility M×T×V. Without scores, a joint at (0, 0) was not found."""
    keypoint = _array(annotation, "keypoint")
    if keypoint.ndim != 4 or keypoint.shape[3] != 2:
        raise ValueError(f"keypoint is {keypoint.shape}, not M×T×V×2: coordinates must be in pixels of the video")
    if keypoint.shape[2] != joints:
        raise ValueError(f"it has {keypoint.shape[2]} joints, the dataset has {joints}")
    if annotation.get("keypoint_score") is None:
        seen = (keypoint != 0).any(axis=-1)
    else:
        score = _array(annotation, "keypoint_score")
        if score.shape != keypoint.shape[:3]:
            raise ValueError(f"keypoint_score is {score.shape}, keypoint {keypoint.shape}")
        if np.isinf(score).any():
            raise ValueError("a keypoint_score is infinite")
        seen = score > SCORE
    if not np.isfinite(keypoint[seen]).all():
        person, frame, joint = np.argwhere(seen & ~np.isfinite(keypoint).all(axis=-1))[0].tolist()
        raise ValueError(f"joint {joint} of person {person} in frame {frame} is at {keypoint[person, frame, joint]}")
    return keypoint, seen


def _decode(places: Places | None, clip: Clip, indices: NDArray[np.int64], view: View) -> NDArray[np.uint8]:
    assert places is not None
    return read_footage(places.of(clip.id), clip, indices, view)
