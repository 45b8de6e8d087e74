"""The layouts in which tools for action recognition pickle skeletons, with and without splits.

    PYSKL, MMAction2 1.x                             {"split": {name: [frame_dir, …]}, "annotations": [annotation, …]}
    MMAction2 0.x, PYSKL's custom_2d_skeleton.py     [annotation, …], a file for each split
    MMAction2's ntu_pose_extraction.py               an annotation a file, so a folder of files for each split

What an annotation holds is the same in all of them: see pyskl.py.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

from d3d.data.formats.safe_pickle import read_pickle
from d3d.errors import DataError

Annotation = Mapping[str, Any]


class Annotations(NamedTuple):
    """What one or two files of annotations hold."""

    split: Mapping[str, Sequence[str]]  # name → the frame_dir of its clips; has the splits that were asked for
    annotations: Sequence[Annotation]  # of these clips, and perhaps of others
    size: int  # bytes of the files


class _File(NamedTuple):
    split: Mapping[str, Sequence[str]] | None  # None: its annotations are of no split
    annotations: Sequence[Annotation]
    size: int


def read_annotations(path: Path, test: Path | None, splits: tuple[str, str]) -> Annotations:
    """The annotations that data.annotations names, and the clips of both splits.

    Args:
        path: a pickle of annotations, or a folder of pickles with an annotation each.
        test: another such file or folder, with the annotations of the test split. None: `path` has both splits.
        splits: the names of the training and of the test split, where the files have splits; without splits, all
            annotations of `path` are of the first and all of `test` of the second.

    Raises DataError where a file is not such a pickle, and where a split is not in it.
    """
    train = _read("data.annotations", path)
    if test is None:
        if train.split is None:
            raise DataError(
                f"data.annotations={path}: has annotations and no splits, as MMAction2 0.x writes them; name those of "
                "the test clips too, data.test_annotations=FILE.pkl"
            )
        for name in splits:
            _require_split("data.annotations", path, train.split, name, splits)
        return Annotations(train.split, train.annotations, train.size)
    tested = _read("data.test_annotations", test)
    return Annotations(
        {
            splits[0]: _clips(train, "data.annotations", path, splits[0], splits),
            splits[1]: _clips(tested, "data.test_annotations", test, splits[1], splits),
        },
        [*train.annotations, *tested.annotations],
        train.size + tested.size,
    )


def find_annotation(key: str, path: Path, id: str) -> Annotation:
    """The annotation of one clip in a file or a folder, with or without splits; `key` names it in messages.

    It is the one with this frame_dir, or else whose frame_dir ends in it below a folder, or the only one there is.
    Raises DataError where there is none, or several.
    """
    annotations = _read(key, path).annotations
    named = [each for each in annotations if each["frame_dir"] == id]
    found = named or [each for each in annotations if Path(each["frame_dir"]).name == id]
    if not found and len(annotations) == 1:
        found = [*annotations]
    if len(found) != 1:
        there = ", ".join(each["frame_dir"] for each in annotations[:3])
        raise DataError(f"{key}={path}: {len(found)} annotations of {id}; it has {len(annotations)}: {there}, …")
    return found[0]


def _clips(file: _File, key: str, path: Path, name: str, splits: tuple[str, str]) -> Sequence[str]:
    """The clips of a split of a file, or all of a file without splits."""
    if file.split is None:
        return [annotation["frame_dir"] for annotation in file.annotations]
    _require_split(key, path, file.split, name, splits)
    return file.split[name]


def _require_split(
    key: str, path: Path, there: Mapping[str, Sequence[str]], name: str, splits: tuple[str, str]
) -> None:
    if name not in there:
        raise DataError(
            f"data.splits={list(splits)}: no split {name!r} in {key}={path}; it has {', '.join(there)}; name one "
            f"to train on and one to test on, data.splits={_pair(there)}{_folds(there)}"
        )


def _pair(names: Collection[str]) -> str:
    """Two splits that belong together by their names, such as [xsub_train,xsub_val]."""
    for name in names:
        for tested in ("val", "test"):
            if "train" in name and (other := name.replace("train", tested)) in names:
                return f"[{name},{other}]"
    return "[TRAIN,TEST]"


def _folds(names: Collection[str]) -> str:
    """How to average over splits that are numbered as those of HMDB51 are, such as train1 and test1."""
    numbers = [name.removeprefix("train") for name in names if name.startswith("train")]
    both = sorted(int(number) for number in numbers if number.isdecimal() and f"test{number}" in names)
    folds = ",".join(map(str, both))
    return f", or average over all, data.splits=[train*,test*] data.fold=[{folds}]" if len(both) > 1 else ""


def _read(key: str, path: Path) -> _File:
    if path.is_dir():
        return _read_folder(key, path)
    try:
        content, size = read_pickle(path), path.stat().st_size
    except (OSError, ValueError) as error:
        raise DataError(f"{key}={path}: not a pickle of arrays and plain containers ({error})") from error
    if _is_annotation(content):
        return _File(None, [content], size)
    if isinstance(content, list) and content and all(map(_is_annotation, content)):
        return _File(None, content, size)
    split, annotations = (content.get(name) for name in ("split", "annotations")) if _is_mapping(content) else (0, 0)
    if not (
        _is_mapping(split)
        and all(isinstance(name, str) for name in split)
        and all(isinstance(ids, list | tuple) and all(isinstance(id, str) for id in ids) for ids in split.values())
        and isinstance(annotations, list)
        and all(map(_is_annotation, annotations))
    ):
        raise DataError(
            f"{key}={path}: not PYSKL's layout; a dictionary is expected with split, lists of frame_dir by name, and "
            "annotations, dictionaries with a frame_dir each; or a list of such annotations"
        )
    return _File(split, annotations, size)


def _read_folder(key: str, folder: Path) -> _File:
    """The annotations of all pickles in a folder, in the order of their names."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".pkl")
    except OSError as error:
        raise DataError(f"{key}={folder}: cannot be listed ({error})") from error
    if not paths:
        raise DataError(f"{key}={folder}: a folder without a file *.pkl; name a pickle, or a folder of pickles")
    files = [_read(key, path) for path in paths]
    for path, file in zip(paths, files, strict=True):
        if file.split is not None:
            raise DataError(f"{key}={folder}: {path.name} has splits of its own; name this file, {key}={path}")
    return _File(None, [each for file in files for each in file.annotations], sum(file.size for file in files))


def _is_annotation(content: object) -> bool:
    return _is_mapping(content) and isinstance(content.get("frame_dir"), str)


def _is_mapping(content: object) -> TypeGuard[dict[Any, Any]]:
    return isinstance(content, dict)
