"""Estimates the pose of one person with BlazePose (Bazarevsky et al., 2020), whose two models a user has as files.

The detector looks at a whole frame for a person's hips and height. The landmark model looks at the square around a
person, turned so that the person stands upright, and finds 33 points of the body. While it finds them, they place the
square in the next frame, so that the detector is needed only where a person appears or is lost. The numbers below are
those of MediaPipe's graphs `pose_detection_cpu` and `pose_landmark_cpu`.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE, CROP = 224, 256  # pixels of the squares that the detector and the landmark model see

# BlazePose's points for the 17 keypoints of COCO, in COCO's order.
COCO_POINTS = (0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28)

_CELLS = ((28, 2), (14, 2), (7, 6))  # of the detector: cells a side, and anchors in each
_POINTS, _MIDDLE, _TOP = 39, 33, 34  # points of the landmark model; the two that place the next square
_ENLARGED = 1.25  # the square's side against the circle around the person
_LEAST = 0.5  # probability from which a detection, or a person in a square, counts
_TURNS = (0, 1, 3)  # quarter turns in which a whole frame is shown to the detector: upright first, then lying


class Square(NamedTuple):
    """Where a person is in a frame."""

    x: float  # of the middle, pixels
    y: float
    side: float  # pixels
    angle: float  # radians by which the person is turned clockwise


@dataclass(frozen=True, eq=False)
class Pose:
    """The 17 keypoints of COCO of one person in a frame."""

    points: NDArray[np.float32]  # 17×2, (x, y) in pixels from the centre of the top left one
    scores: NDArray[np.float32]  # 17, from 0 to 1: that the point is in the picture and not hidden


class Model(Protocol):
    """A network that maps one picture, 1×S×S×3, to a few arrays."""

    def __call__(self, picture: NDArray[np.floating]) -> Mapping[str, NDArray[np.float32]]: ...


class BlazePose:
    """Both models; a frame is H×W×3 RGB."""

    def __init__(self, detector: Model, landmarks: Model) -> None:
        self._detector, self._landmarks = detector, landmarks
        self._anchors = np.concatenate([_centres(cells, count) for cells, count in _CELLS])

    def follow(self, frames: Iterable[NDArray[np.uint8]]) -> Iterator[Pose | None]:
        """The pose in each frame of a video in turn; None where no person is found."""
        square: Square | None = None
        for frame in frames:
            found = None if square is None else self.look(frame, square)
            if found is None:
                found = self.search(frame)
            pose, square = found or (None, None)
            yield pose

    def search(self, frame: NDArray[np.uint8]) -> tuple[Pose, Square] | None:
        """The pose of the person that the detector is surest of, and where to look in the next frame."""
        for turn in _TURNS:
            square = self.detect(frame, turn)
            first = square and self.look(frame, square)
            if first:
                return (
                    self.look(frame, first[1]) or first
                )  # a square placed by the points is better than the detector's
        return None

    def detect(self, frame: NDArray[np.uint8], turn: int) -> Square | None:
        """Where a person is in a frame that is shown to the detector after quarter turns anticlockwise."""
        turned = np.rot90(frame, turn)
        height, width = turned.shape[:2]
        side = max(height, width)
        left, top = (width - side) / 2, (height - side) / 2
        picture = Image.fromarray(np.ascontiguousarray(turned)).transform(
            (SIDE, SIDE),
            Image.Transform.EXTENT,
            (left, top, left + side, top + side),
            Image.Resampling.BILINEAR,
        )
        said = self._detector(np.asarray(picture, np.float32)[None] / 127.5 - 1)
        boxes, scores = (next(each[0] for each in said.values() if each.shape[-1] == last) for last in (12, 1))
        best = int(scores[:, 0].argmax())
        if _probability(scores[best, 0]) < _LEAST:
            return None
        points = (boxes[best, 4:8].reshape(2, 2) / SIDE + self._anchors[best]) * side + (left, top)
        middle, end = (_turned_back(point, turn, width, height) for point in points)
        return _square(middle, end)

    def look(self, frame: NDArray[np.uint8], square: Square) -> tuple[Pose, Square] | None:
        """The pose in a square of a frame, and the square for the next frame; None where no person is in it."""
        across = square.side / CROP * np.array([math.cos(square.angle), math.sin(square.angle)])
        down = np.array([-across[1], across[0]])
        corner = np.array([square.x, square.y]) - CROP / 2 * (across + down)
        picture = Image.fromarray(frame).transform(
            (CROP, CROP),
            Image.Transform.AFFINE,
            (across[0], down[0], corner[0], across[1], down[1], corner[1]),
            Image.Resampling.BILINEAR,
        )
        said = self._landmarks(np.asarray(picture, np.float32)[None] / 255)
        points, present = (next(each for each in said.values() if each.size == size) for size in (5 * _POINTS, 1))
        if float(present.item()) < _LEAST:
            return None
        rows = points.reshape(_POINTS, 5)
        places = corner + rows[:, :1] * across + rows[:, 1:2] * down
        chosen = list(COCO_POINTS)
        scores = np.minimum(_probability(rows[chosen, 3]), _probability(rows[chosen, 4]))
        pose = Pose((places[chosen] - 0.5).astype(np.float32), scores.astype(np.float32))
        return pose, _square(places[_MIDDLE], places[_TOP])


def _probability(logits: Any) -> Any:
    return 1 / (1 + np.exp(-np.clip(logits, -100, 100)))


def _centres(cells: int, count: int) -> NDArray[np.float64]:
    """The middles of a grid's cells in shares of the side, row after row, each `count` times."""
    along = (np.arange(cells) + 0.5) / cells
    rows, columns = np.meshgrid(along, along, indexing="ij")
    return np.repeat(np.stack([columns.ravel(), rows.ravel()], axis=1), count, axis=0)


def _square(middle: NDArray[np.float64], end: NDArray[np.float64]) -> Square:
    """The square around a circle, given its middle, at the hips, and a point of it beyond the head."""
    across, up = float(end[0] - middle[0]), float(middle[1] - end[1])
    return Square(float(middle[0]), float(middle[1]), 2 * _ENLARGED * math.hypot(across, up), math.atan2(across, up))


def _turned_back(point: NDArray[np.float64], turn: int, width: float, height: float) -> NDArray[np.float64]:
    """A point of a frame that was turned, where it is in the frame itself; width and height are the turned frame's."""
    x, y = point
    return {0: point, 1: np.array([height - y, x]), 3: np.array([y, width - x])}[turn]
