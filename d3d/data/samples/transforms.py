"""Crop, flip and disturb a clip: frames T×H×W×3, None where the system reads none, and joints T×R×2 alike.

A coordinate is that of a pixel's centre, so mirroring takes x to W − 1 − x.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
Joints = NDArray[np.float32]
Visible = NDArray[np.bool_]


def crop(frames: Frames | None, joints: Joints, top: int, left: int, size: int) -> tuple[Frames | None, Joints]:
    """Cuts out a square.

    Args:
        frames: T×H×W×3 or None.
        joints: T×R×2, (x, y) in pixels.
        top: row of the first pixel of the square.
        left: its column.
        size: side of the square in pixels.
    """
    cut = None if frames is None else frames[:, top : top + size, left : left + size]
    return cut, joints - np.array([left, top], np.float32)


def flip(
    frames: Frames | None, joints: Joints, visible: Visible, width: int, mirrored: Sequence[int]
) -> tuple[Frames | None, Joints, Visible]:
    """Mirrors a clip. A mirrored right hand is a left hand, so the two joints of a pair swap places too.

    Args:
        frames: T×H×width×3 or None.
        joints: T×R×2, (x, y) in pixels.
        visible: T×R.
        width: pixels.
        mirrored: joint r of the mirrored clip is joint mirrored[r].
    """
    order = list(mirrored)
    flipped = joints[:, order]
    flipped[..., 0] = width - 1 - flipped[..., 0]
    return None if frames is None else frames[:, :, ::-1], flipped, visible[:, order]


def inside(joints: Joints, height: int, width: int) -> Visible:
    """T×R: which joints T×R×2 lie on a frame of height × width pixels."""
    x, y = joints[..., 0], joints[..., 1]
    return (x >= -0.5) & (x < width - 0.5) & (y >= -0.5) & (y < height - 0.5)


def disturb(
    joints: NDArray[np.float32],
    visible: NDArray[np.bool_],
    noise: float,
    dropout: float,
    generator: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Joints as a worse pose estimator would find them: displaced, and some of them not found.

    Args:
        joints: …×2 in pixels.
        visible: ….
        noise: standard deviation of the displacement in pixels, in x and in y.
        dropout: probability that a visible joint becomes invisible.
        generator: of both.
    """
    moved = joints + generator.normal(0, noise, joints.shape).astype(np.float32)
    return moved, visible & (generator.random(visible.shape) >= dropout)
