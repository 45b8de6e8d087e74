"""Which images of a folder are the frames of a clip, and in which order: one series of numbered files.

Tools for action recognition write optical flow, masks or thumbnails beside the frames. A frame is never guessed: where
names leave more than one series or more than one order, they are refused.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

ENDINGS = (".jpg", ".jpeg", ".png")
_BESIDE = re.compile(  # words in the names of images that are no frames, but are made from them
    r"(?<![a-z])(flow|optflow|optical|mask|masks|matte|alpha|seg|segm|segmentation|semantic|label|labels|depth|disp|"
    r"disparity|normal|normals|edge|edges|thumb|thumbs|thumbnail|preview|poster|cover|heatmap|saliency|ir|infrared|"
    r"warp|warped|diff|skeleton|skeletons|pose|overlay)(?![a-z])|^[xyuv]_#$"
)
_NAMED = 3  # series that a message names


def frames_in(folder: Path) -> list[Path]:
    """The frames in a folder, in the order of their numbers: img_2.jpg comes before img_10.jpg.

    Raises ValueError that says which names do not fit, where the images are not one series without gaps; OSError.
    """
    images = [path for path in folder.iterdir() if path.suffix.lower() in ENDINGS and not path.name.startswith(".")]
    series: dict[str, list[Path]] = {}
    for path in images:
        series.setdefault(_pattern(path), []).append(path)
    return _in_order(_frames(series))


def _pattern(path: Path) -> str:
    """The name with "#" for every number, and without the ending."""
    return re.sub("[0-9]+", "#", path.stem)


def _frames(series: Mapping[str, list[Path]]) -> list[Path]:
    """The one series that can be the frames."""
    numbered = {pattern: paths for pattern, paths in series.items() if "#" in pattern}
    if not numbered:
        if series:
            raise ValueError(f"no image's name has a number, such as {min(series.values())[0].name}; number the frames")
        return []
    left = {pattern: paths for pattern, paths in numbered.items() if not _BESIDE.search(pattern.lower())}
    if not left and len(numbered) == 1:
        left = numbered  # a clip of masks alone
    if len(left) != 1:
        several = sorted((left or numbered).items(), key=lambda each: (-len(each[1]), each[0]))
        said = ", ".join(f"{pattern}{paths[0].suffix} ({len(paths)})" for pattern, paths in several[:_NAMED])
        more = ", …" if len(several) > _NAMED else ""
        raise ValueError(f"it has {len(several)} series of images, {said}{more}; keep the frames alone")
    return next(iter(left.values()))


def _in_order(paths: Sequence[Path]) -> list[Path]:
    """The paths of one series by the number in which they differ, which must leave one order and no gap."""
    numbers = {path: tuple(map(int, re.findall("[0-9]+", path.stem))) for path in paths}
    columns = list(zip(*numbers.values(), strict=True))
    varying = [place for place, column in enumerate(columns) if len(set(column)) > 1]
    if not varying:
        if len(paths) > 1:
            raise _twice(sorted(paths)[:2])
        return list(paths)
    # The last number counts the frames, and any other that varies, such as a time stamp, must agree with it.
    counted = varying[-1] if len(set(columns[varying[-1]])) == len(paths) else varying[0]
    ordered = sorted(paths, key=lambda path: (numbers[path][counted], path.name))
    for before, after in pairwise(ordered):
        if all(numbers[before][place] == numbers[after][place] for place in varying):
            raise _twice((before, after))
        if not all(numbers[before][place] < numbers[after][place] for place in varying):
            raise ValueError(f"the order of {before.name} and {after.name} is not clear; number the frames once")
    _check_gaps(ordered, [numbers[path][counted] for path in ordered])
    return ordered


def _check_gaps(ordered: Sequence[Path], numbers: Sequence[int]) -> None:
    """Raises ValueError where a number is skipped. Equal steps are fine, and steps that differ by rounding alone."""
    steps = [after - before for before, after in pairwise(numbers)]
    least = min(steps)
    for step, (before, after) in zip(steps, pairwise(ordered), strict=True):
        if step > least + (least > 1):
            raise ValueError(f"no image lies between {before.name} and {after.name}; restore it or number them anew")


def _twice(paths: Sequence[Path]) -> ValueError:
    return ValueError(f"{paths[0].name} and {paths[1].name} have the same number; keep one of them")
