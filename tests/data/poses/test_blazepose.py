"""The geometry around the networks, for which networks stand in that see a bright disc."""

import math
from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from d3d.data.poses.blazepose import COCO_POINTS, CROP, SIDE, BlazePose, Square
from tests.data.video_files import draw_discs, found_discs

ANCHORS, POINTS = 2254, 39
UP, TOP = 30.0, 100.0  # pixels from the disc to the top of the circle around a person, for each of the networks


class Detector:
    """Finds the disc in a frame."""

    calls = 0

    def __call__(self, picture: NDArray[np.floating]) -> Mapping[str, NDArray[np.float32]]:
        self.calls += 1
        assert picture.shape == (1, SIDE, SIDE, 3)
        boxes, scores = np.zeros((1, ANCHORS, 12), np.float32), np.full((1, ANCHORS, 1), -9, np.float32)
        frames = ((picture + 1) * 127.5).astype(np.uint8)
        if frames.max() > 100:
            middle = found_discs(frames)[0] + 0.5
            anchor = SIDE * (np.array([3, 5]) + 0.5) / 28  # of the cell in column 3 of row 5
            boxes[0, 2 * (5 * 28 + 3), 4:8] = np.concatenate([middle - anchor, middle - anchor - (0, UP)])
            scores[0, 2 * (5 * 28 + 3)] = 9
        return {"boxes": boxes, "scores": scores}


class Landmarks:
    """Puts every point on the disc, where it is in the square."""

    def __call__(self, picture: NDArray[np.floating]) -> Mapping[str, NDArray[np.float32]]:
        assert picture.shape == (1, CROP, CROP, 3)
        frames = (255 * picture).astype(np.uint8)
        seen = frames.max() > 100
        rows = np.zeros((POINTS, 5), np.float32)
        if seen:
            rows[:, :2] = found_discs(frames)[0] + 0.5
            rows[34, 1] -= TOP
            rows[:, 3:] = 2.0, 1.0
        return {"points": rows.reshape(1, -1), "present": np.array([[float(seen)]], np.float32)}


def disc(x: float, y: float, height: int = 120, width: int = 200) -> NDArray[np.uint8]:
    return np.asarray(draw_discs(np.array([[x, y]]), height, width)[0])


@pytest.mark.parametrize("angle", [0, 0.4, math.pi / 2, -2])
def test_points_in_a_square_are_those_of_the_frame(angle: float) -> None:
    found = BlazePose(Detector(), Landmarks()).look(disc(90, 50), Square(80, 60, 100, angle))
    assert found is not None
    pose, following = found
    assert pose.points.shape == (len(COCO_POINTS), 2) and np.abs(pose.points - (90, 50)).max() < 0.5
    assert pose.scores == pytest.approx(np.full(17, 1 / (1 + math.exp(-1))), abs=1e-6)
    assert following.x == pytest.approx(90.5, abs=0.5) and following.y == pytest.approx(50.5, abs=0.5)
    assert math.cos(following.angle - angle) == pytest.approx(1), "up in the square is up of the person"


@pytest.mark.parametrize("turn", [0, 1, 3])
@pytest.mark.parametrize(("height", "width"), [(120, 200), (200, 120), (150, 150)])
def test_a_person_is_found_where_she_is_however_the_frame_is_turned(turn: int, height: int, width: int) -> None:
    square = BlazePose(Detector(), Landmarks()).detect(disc(70, 40, height, width), turn)
    assert square is not None
    assert square.x == pytest.approx(70.5, abs=0.7) and square.y == pytest.approx(40.5, abs=0.7)
    upright = {0: 0.0, 1: math.pi / 2, 3: -math.pi / 2}[turn]
    assert math.cos(square.angle - upright) == pytest.approx(1, abs=1e-6)


def test_the_detector_looks_only_where_a_person_is_new_or_lost() -> None:
    detector = Detector()
    empty = np.zeros((120, 200, 3), np.uint8)
    frames = [empty, *(disc(60 + 3 * step, 50) for step in range(5)), empty, disc(150, 80)]
    found = list(BlazePose(detector, Landmarks()).follow(frames))
    assert [pose is None for pose in found] == [True, *[False] * 5, True, False]
    assert detector.calls == 3 + 1 + 3 + 1, "an empty frame is turned twice"
    assert np.abs(found[-1].points - (150, 80)).max() < 0.5 if found[-1] else False
