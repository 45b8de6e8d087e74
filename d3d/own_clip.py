"""A clip of a library user: pixels and joints as arrays, or a video, checked and brought into the form of a dataset."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from d3d.data.clip import Clip, ReadFrames, View
from d3d.data.frames.footage import measure, read_footage
from d3d.data.readers.persons import moving_most
from d3d.errors import DataError

Frames = NDArray[np.uint8] | Path | str
"""A clip's pixels, L×H×W×3 RGB, or the path of its video or of its folder of images."""


@dataclass(frozen=True, eq=False)
class OwnClip:
    """A clip with its joints, and what reads its pixels."""

    clip: Clip
    read: ReadFrames


def own_clip(
    frames: Frames | None,
    keypoint: NDArray[np.floating] | None,
    score: NDArray[Any] | None,
    size: tuple[int, int] | None,
    joints: int,
    persons: int,
) -> OwnClip:
    """The clip of L frames and M persons, of whom at most `persons` are kept, those who move most.

    Args:
        frames: its pixels; None where none will be read.
        keypoint: M×L×J×2, (x, y) in pixels, J = `joints` of each person; None: nobody is known.
        score: M×L×J, above 0 or true where a joint is visible; None: all are that are not at (0, 0).
        size: (H, W) in pixels, needed where `frames` is None.
        joints: J.
        persons: the most persons.

    Raises DataError where the parts do not fit each other.
    """
    id = "clip" if frames is None or isinstance(frames, np.ndarray) else Path(frames).stem
    length, height, width = _measured(id, frames, keypoint, size)
    if keypoint is None:
        keypoint, score = np.zeros((0, length, joints, 2), np.float32), None
    placed, visible = moving_most(*_joints(keypoint, score, length, joints), persons)
    clip = Clip(id, 0, False, height, width, placed, visible, group="")
    if frames is None:
        return OwnClip(clip, _no_frames)
    if isinstance(frames, np.ndarray):
        return OwnClip(clip, partial(_array, frames))
    return OwnClip(clip, partial(read_footage, Path(frames)))


def _measured(
    id: str, frames: Frames | None, keypoint: NDArray[np.floating] | None, size: tuple[int, int] | None
) -> tuple[int, int, int]:
    """(L, H, W) of a clip: those of the joints where there are any, as a video may be longer. Raises DataError."""
    if isinstance(frames, np.ndarray):
        if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8:
            raise DataError(f"frames are {frames.dtype} of shape {frames.shape}, not uint8 of L×H×W×3")
        length, height, width = frames.shape[:3]
    elif frames is not None:
        try:
            length, height, width = measure(Path(frames), id)
        except OSError as error:
            raise DataError(f"frames={frames}: cannot be read ({error.strerror})") from error
    elif size is None or keypoint is None:
        raise DataError("without frames, keypoint and size=(H, W) in pixels are needed")
    else:
        length, (height, width) = keypoint.shape[1] if keypoint.ndim == 4 else 0, size
    if keypoint is not None and keypoint.ndim == 4 and 0 < keypoint.shape[1] < length:
        length = keypoint.shape[1]
    if min(length, height, width) < 1:
        raise DataError(f"a clip of {length} frames of {height}×{width} pixels; there must be at least one of each")
    return length, height, width


def _joints(
    keypoint: NDArray[np.floating], score: NDArray[Any] | None, length: int, joints: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Joints M×L×J×2 and which are visible. Raises DataError where they are of another shape or not finite."""
    points = np.asarray(keypoint, np.float32)
    if points.ndim != 4 or points.shape[1:] != (length, joints, 2):
        raise DataError(f"keypoint is {points.shape}, not M×{length}×{joints}×2: persons, frames, joints, (x, y)")
    if score is not None and np.shape(score) != points.shape[:3]:
        raise DataError(f"score is {np.shape(score)}, keypoint {points.shape}: the first three must be the same")
    seen = (points != 0).any(axis=-1) if score is None else np.asarray(score) > 0
    if not np.isfinite(points[seen]).all():
        raise DataError("a visible joint of keypoint is not at a finite place")
    return points, seen


def _array(frames: NDArray[np.uint8], clip: Clip, indices: NDArray[np.int64], view: View) -> NDArray[np.uint8]:
    box = view.within(clip, clip.width, clip.height)
    pictures = (Image.fromarray(frames[index]) for index in indices.tolist())
    size = (view.columns, view.rows)
    return np.stack([np.asarray(each.resize(size, Image.Resampling.BILINEAR, box=box)) for each in pictures])


def _no_frames(clip: Clip, indices: NDArray[np.int64], view: View) -> NDArray[np.uint8]:
    raise DataError("frames are missing: this model reads pixels; give an array L×H×W×3, or the path of a video")
