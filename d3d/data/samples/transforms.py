"""Crop and flip, each done to frames (T×H×W×3), where they are read at all, and to joints (T×R×2) alike.

A coordinate is that of a pixel's centre, so that mirroring takes x to W − 1 − x.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
Joints = NDArray[np.float32]
Visible = NDArray[np.bool_]


def crop(frames: Frames | None, joints: Joints, top: int, left: int, size: int) -> tuple[Frames | None, Joints]:
    """Cut the square of `size` pixels whose first pixel is (top, left)."""
    cut = None if frames is None else frames[:, top : top + size, left : left + size]
    return cut, joints - np.array([left, top], np.float32)


def flip(
    frames: Frames | None, joints: Joints, visible: Visible, width: int, mirrored: Sequence[int]
) -> tuple[Frames | None, Joints, Visible]:
    """Mirror frames of `width` pixels. A mirrored right hand is a left hand, so paired joints change places too."""
    order = list(mirrored)
    flipped = joints[:, order]
    flipped[..., 0] = width - 1 - flipped[..., 0]
    return None if frames is None else frames[:, :, ::-1], flipped, visible[:, order]


def inside(joints: Joints, height: int, width: int) -> Visible:
    """T×R: which joints lie on a frame of this size."""
    x, y = joints[..., 0], joints[..., 1]
    return (x >= -0.5) & (x < width - 0.5) & (y >= -0.5) & (y < height - 0.5)


def disturb(
    joints: NDArray[np.float32],
    visible: NDArray[np.bool_],
    noise: float,
    dropout: float,
    generator: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """A worse pose estimator: joints …×2 off by normal noise of so many pixels, visible ones hidden at random."""
    moved = joints + generator.normal(0, noise, joints.shape).astype(np.float32)
    return moved, visible & (generator.random(visible.shape) >= dropout)
