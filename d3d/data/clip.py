"""The form that every dataset is read into: clips of annotated joints, and a function that reads their pixels.

Coordinates are (x, y) in pixels, counted from 0 at the *centre* of the top left pixel.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from d3d.data.skeleton import Skeleton
from d3d.prediction import PartPrediction


@dataclass(frozen=True, eq=False)
class Clip:
    """One annotated video of L frames and R joints; the frames themselves stay where they are."""

    id: str
    label: int
    train: bool  # in the official training split
    height: int  # of the stored frames, pixels
    width: int
    joints: NDArray[np.float32]  # L×R×2, zero where invisible; person after person, who moves most first
    visible: NDArray[np.bool_]  # L×R; false for all joints of an absent person
    group: str  # clips of one group may be of one recording, so no validation split divides them

    @property
    def length(self) -> int:
        """L, frames."""
        return len(self.joints)


@dataclass(frozen=True)
class View:
    """A rectangle of the stored frames, edges in their pixels from the top left corner, and the size it is resized to.

    A coordinate is that of a pixel's centre, so the first pixel lies between the edges 0 and 1.
    """

    left: float
    top: float
    right: float
    bottom: float
    rows: int
    columns: int

    def place(self, joints: NDArray[np.float32]) -> NDArray[np.float32]:
        """Joints …×2 in pixels of the stored frame → the same joints in pixels of the view."""
        scale = np.array([self.columns / (self.right - self.left), self.rows / (self.bottom - self.top)], np.float32)
        corner = np.array([self.left, self.top], np.float32)
        return (joints + np.float32(0.5) - corner) * scale - np.float32(0.5)

    def within(self, clip: "Clip", width: float, height: float) -> tuple[float, float, float, float]:
        """The rectangle (left, top, right, bottom) in a copy of the clip's frame of width × height pixels."""
        across, along = width / clip.width, height / clip.height
        left, top, right, bottom = self.left * across, self.top * along, self.right * across, self.bottom * along
        return left, top, min(right, width), min(bottom, height)

    def enlarged(self, times: int) -> Self:
        """The same rectangle, resized to `times` as many rows and columns."""
        return replace(self, rows=times * self.rows, columns=times * self.columns)


ReadFrames = Callable[[Clip, NDArray[np.int64], View], NDArray[np.uint8]]
"""(clip, n frame indices from 0, view) → n×rows×columns×3 RGB."""


@dataclass(frozen=True)
class LabelPart:
    """One part of labels that are made of several: the verb or the noun of an action that is a verb and a noun.

    The probability of a part's class is the sum of the probabilities of all actions that have it.
    """

    name: str  # "verb" or "noun"
    classes: tuple[str, ...]
    of_class: tuple[int, ...]  # class of the dataset, an action → index in `classes`

    def predict(self, label: int, scores: ArrayLike) -> PartPrediction:
        """What the scores of a clip, one for each action, predict of this part; `label` is the true action.

        The scores of actions with the same class of the part are added up, as probabilities are.
        """
        totals = np.bincount(self.of_class, np.asarray(scores), len(self.classes))
        return PartPrediction(self.name, self.of_class[label], int(totals.argmax()))


@dataclass(frozen=True, eq=False)
class Dataset:
    """The training and the test clips of a dataset, the names of its classes, and a function that reads pixels."""

    name: str
    classes: tuple[str, ...]
    skeleton: Skeleton  # of each person
    train: tuple[Clip, ...]
    test: tuple[Clip, ...]
    digest: str  # hex; of everything that decides the clips and their pixels, but not of where they are stored
    read_frames: ReadFrames
    persons: int = 1  # the most in a clip; joints of the first person come first, then those of the second, …
    remarks: tuple[str, ...] = ()  # about the whole dataset, shown to the user
    left_out: tuple[str, ...] = ()  # ids of the clips that data.missing=skip and data.damaged=skip left out
    parts: tuple[LabelPart, ...] = ()  # of the labels; empty where a label is one thing

    @property
    def joint_names(self) -> tuple[str, ...]:
        """The names of the R joints of all persons."""
        return self.skeleton.names_of(self.persons)

    @property
    def mirrored(self) -> tuple[int, ...] | None:
        """Joint r of a mirrored clip is joint mirrored[r] of the same person. None where this is not known."""
        return self.skeleton.mirrored_of(self.persons)
