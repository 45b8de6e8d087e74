"""Which videos there are, of which class each is, and which are tested: from their folders, or from a user's list.

VIDEOS/wave/clip.mp4            a folder of each class; a fifth of the videos are chosen to test on
VIDEOS/train/wave/clip.mp4      a folder of each split above those
poses.list=FILE.csv             a line for each video, below the heading clip,class,split,group
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from d3d.data.formats.csv_lines import read_csv_lines
from d3d.data.frames.footage import ENDINGS
from d3d.data.frames.places import find_places, footage_below
from d3d.data.readers.groups import group_of
from d3d.data.readers.label_map import LONGEST
from d3d.data.validation_split import FOLDS, folds_of, rarest
from d3d.errors import DataError

SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}  # the name of a folder, or of a split in a list → what the split is called
TRAIN, TESTED = "train", "val"  # the splits of a pickle that data=pyskl trains and tests on
REQUIRED, OPTIONAL = ("clip", "class"), ("split", "group")


@dataclass(frozen=True)
class Video:
    """A video, or a folder of images, and what is known about it."""

    id: str  # its name below the folder of videos, without its ending
    path: Path
    action: str  # the name of its class
    split: str  # empty: to be chosen
    group: str  # clips of one group may be of one recording


def list_videos(root: Path, listed: Path | None) -> list[Video]:
    """The videos below `root`, each in a split: `train`, `val`, and perhaps others of the user's.

    What is tested is called `val`, as in PYSKL's files, unless the user has a split of this name beside `test`.

    Args:
        root: the folder of the videos.
        listed: the CSV file that lists them; None: their folders tell their classes.

    Raises DataError where there are none, where one has no class, or where no split can be chosen.
    """
    if not root.is_dir():
        raise DataError(f"data.root={root}: is no folder; name the folder of the videos")
    videos = sorted(_of_folders(root) if listed is None else _of_list(root, listed), key=lambda video: video.id)
    place = f"data.root={root}" if listed is None else f"poses.list={listed}"
    if not videos:
        raise DataError(f"{place}: there is no video; put them into a folder for each class, {root}/CLASS/CLIP.mp4")
    for video in videos:
        if not video.id.isprintable():
            raise DataError(f"{place}: {video.id} has characters that cannot be shown; rename it")
        if not video.action or not video.action.isprintable() or len(video.action) > LONGEST:
            raise DataError(f"{place}: {video.action[:80]!r} of {video.id} cannot be the name of a class; rename it")
    counts = Counter(video.id for video in videos)
    id, count = counts.most_common(1)[0]
    if count > 1:
        raise DataError(f"{place}: {count} videos are called {id}; rename or remove all but one")
    return _tested(place, _divided(place, videos))


def _of_folders(root: Path) -> Iterator[Video]:
    names = list(footage_below(root))
    folders = {name: name.split("/")[:-1] for name in names}
    splits = bool(folders) and all(len(each) == 2 and each[0].lower() in SPLITS for each in folders.values())
    for name, parts in folders.items():
        if len(parts) != 1 + splits:
            what = "is a folder of images, so a clip," if (root / name).is_dir() else "is a clip"
            raise DataError(
                f"data.root={root}: {name} {what} and lies in no folder of a class; the layouts are CLASS/CLIP.mp4 and "
                "{train,test}/CLASS/CLIP.mp4, and poses.list=FILE.csv describes any other"
            )
        id = _id_of(name)
        yield Video(id, root / name, parts[-1].strip(), SPLITS[parts[0].lower()] if splits else "", group_of(id))


def _id_of(name: str) -> str:
    """The name of a video without its ending, which is how data=pyskl finds it again."""
    ending = next((each for each in ENDINGS if name.lower().endswith(each)), "")
    return name[: len(name) - len(ending)]


def _of_list(root: Path, listed: Path) -> Iterator[Video]:
    rows = list(_rows(listed))
    ids = {number: _id_of(row["clip"]) for number, row in rows}
    for number, id in ids.items():
        if not id.isprintable() or Path(id).is_absolute() or ".." in Path(id).parts:
            raise DataError(f"poses.list={listed}: line {number}: {id[:80]!r} is no name below data.root")
    places = find_places(root, ids.values())
    for number, row in rows:
        path = places.of(ids[number])
        if path is None:
            near = places.near(ids[number])
            more = f"; there is {near}, with a similar name" if near else ""
            raise DataError(f"poses.list={listed}: line {number}: {row['clip']} is not under {root}{more}")
        id = _id_of(os.path.relpath(path, root))
        split = SPLITS.get(row["split"].lower(), row["split"])
        yield Video(id, path, row["class"], split, row["group"] or group_of(id))


def _rows(listed: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Each line of a list and its number; fields that are optional are empty where they are missing."""
    fault = f"poses.list={listed}: "
    lines = read_csv_lines(listed, "poses.list", "clip,class,split,group")
    heading = [field.strip().lower() for field in lines[0]] if lines else []
    if not set(REQUIRED) <= set(heading) <= {*REQUIRED, *OPTIONAL} or len(set(heading)) < len(heading):
        raise DataError(f"{fault}its first line is not clip,class,split,group; split and group may be left out")
    for number, line in enumerate(lines[1:], start=2):
        fields = [field.strip() for field in line]
        if not any(fields):
            continue
        row = dict.fromkeys(OPTIONAL, "") | dict(zip(heading, fields, strict=False))
        if len(fields) != len(heading) or not all(row[key] for key in REQUIRED):
            raise DataError(f"{fault}line {number} is {','.join(line)[:80]!r}, not {','.join(heading)}")
        yield number, row


def _divided(place: str, videos: Sequence[Video]) -> list[Video]:
    """The videos, each in a split: where none has one, a fifth of them are tested, groups undivided."""
    without = [video.id for video in videos if not video.split]
    if not without:
        return list(videos)
    if len(without) < len(videos):
        raise DataError(f"{place}: {len(without)} of {len(videos)} videos have no split ({without[0]}); give all one")
    names = sorted({video.action for video in videos})
    labels, groups = [names.index(video.action) for video in videos], [video.group for video in videos]
    label, fewest = rarest(labels, groups, len(names))
    if fewest < 2:
        raise DataError(
            f"{place}: {names[label]} has 1 independent video, and at least one to train on and one to test on are "
            "needed; add videos, or say which are tested: {train,test}/CLASS/CLIP.mp4, or poses.list=FILE.csv"
        )
    _, chosen = folds_of(labels, groups, min(FOLDS, fewest))[0]
    held = set(chosen.tolist())
    return [replace(each, split=TESTED if index in held else TRAIN) for index, each in enumerate(videos)]


def _tested(place: str, videos: Iterable[Video]) -> list[Video]:
    """The videos with the split `test` called `val`, as PYSKL calls the split that is tested, unless there is one."""
    videos = list(videos)
    splits = {video.split for video in videos}
    if TESTED not in splits:
        videos = [replace(video, split=TESTED) if video.split == "test" else video for video in videos]
    if not {TRAIN, TESTED} <= {video.split for video in videos}:
        raise DataError(f"{place}: the splits are {', '.join(sorted(splits))}; there must be train, and test or val")
    return videos
