"""What every dataset is turned into: clips of annotated joints, and a way to get the pixels of their frames.

Coordinates are (x, y) in pixels, counted from 0 at the *centre* of the top left pixel.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

JOINTS = (
    "head",
    "right_shoulder",
    "left_shoulder",
    "right_elbow",
    "left_elbow",
    "right_wrist",
    "left_wrist",
    "right_hip",
    "left_hip",
    "right_knee",
    "left_knee",
    "right_ankle",
    "left_ankle",
)  # Penn Action's 13, in its order
MIRRORED = (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11)


@dataclass(frozen=True, eq=False)
class Clip:
    """One annotated video of L frames and R joints; the frames themselves stay where they are."""

    id: str
    label: int
    train: bool  # in the official training split
    height: int  # of the stored frames, pixels
    width: int
    joints: NDArray[np.float32]  # L×R×2, zero where invisible; the persons' in turn, who moves most first
    visible: NDArray[np.bool_]  # L×R; nothing of a person who is absent is visible
    group: str  # clips of one group may show one take, and are never on both sides of a validation split

    @property
    def length(self) -> int:
        """L, frames."""
        return len(self.joints)


ReadFrames = Callable[[Clip, NDArray[np.int64], int], NDArray[np.uint8]]
"""(clip, n frame indices from 0, short side in pixels) → n×h×w×3 RGB, resized."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Two official splits of clips, the names of what they show, and their pixels."""

    name: str
    classes: tuple[str, ...]
    joint_names: tuple[str, ...]  # of all persons
    mirrored: tuple[int, ...]  # joint r of a mirrored clip is joint mirrored[r]; a person stays the same one
    train: tuple[Clip, ...]
    test: tuple[Clip, ...]
    digest: str  # hex; of everything that decides the clips and their pixels, never of where they lie
    read_frames: ReadFrames
    persons: int = 1  # at most in a clip; the joints are those of the first, then of the second, …
