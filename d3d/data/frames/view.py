"""The part of a clip's frames that a system sees: the same in every frame, for pixels and joints alike."""

from typing import Literal

import numpy as np

from d3d.data.clip import Clip, View

MARGIN = 1.25  # side of the persons' square relative to their joints' extent: room for hands, feet and what they hold
LEAST = 1 / 8  # smallest side of that square, relative to the frame's short side


def view_of(clip: Clip, kind: Literal["frame", "whole", "persons"], short: int) -> View:
    """The view of `data.view` = `kind` and `data.resize` = `short` pixels of this clip's frames."""
    if kind == "frame":
        return frame_view(clip, short)
    left, top, right, bottom = (
        _persons(clip) if kind == "persons" else (0.0, 0.0, float(clip.width), float(clip.height))
    )
    return View(left, top, right, bottom, short, short)


def frame_view(clip: Clip, short: int) -> View:
    """The whole frame, resized to a short side of `short` pixels, its aspect ratio kept to the nearest pixel."""
    scale = short / min(clip.height, clip.width)
    rows, columns = max(short, round(clip.height * scale)), max(short, round(clip.width * scale))
    return View(0, 0, clip.width, clip.height, rows, columns)


def _persons(clip: Clip) -> tuple[float, float, float, float]:
    """A square around every visible joint of all frames, cut off where the frame ends (PoseConv3D, CVPR 2022)."""
    edges = np.array([clip.width, clip.height], np.float64)
    seen = np.clip(clip.joints[clip.visible].astype(np.float64) + 0.5, 0, edges)
    if not len(seen):
        return 0.0, 0.0, *edges.tolist()
    lowest, highest = seen.min(axis=0), seen.max(axis=0)
    side = max(MARGIN * (highest - lowest).max(), LEAST * edges.min())
    start, end = np.clip([(lowest + highest - side) / 2, (lowest + highest + side) / 2], 0, edges)
    return *start.tolist(), *end.tolist()
