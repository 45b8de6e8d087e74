from dataclasses import replace

import numpy as np
import pytest

from d3d.data.clip import Clip, View
from d3d.data.frames.view import frame_view, view_of


def clip(height: int, width: int, joints: list[tuple[float, float]], visible: list[bool] | None = None) -> Clip:
    seen = np.array([visible or [True] * len(joints)])
    return Clip("c", 0, True, height, width, np.array([joints], np.float32), seen, "c")


@pytest.mark.parametrize(
    ("height", "width", "short", "expected"),
    [(270, 480, 48, (48, 85)), (480, 270, 48, (85, 48)), (72, 96, 36, (36, 48)), (10, 10, 48, (48, 48))],
)
def test_the_short_side_is_resized_exactly(height: int, width: int, short: int, expected: tuple[int, int]) -> None:
    view = view_of(clip(height, width, [(0, 0)]), "frame", short)
    assert (view.rows, view.columns) == expected
    assert (view.left, view.top, view.right, view.bottom) == (0, 0, width, height)


def test_resizing_keeps_the_edges_of_the_frame() -> None:
    corners = np.array([[[-0.5, -0.5], [29.5, 19.5]]], np.float32)
    assert View(0, 0, 30, 20, 10, 60).place(corners).tolist() == [[[-0.5, -0.5], [59.5, 9.5]]]
    assert View(10, 5, 20, 15, 20, 20).place(corners).tolist() == [[[-20.5, -10.5], [39.5, 29.5]]]


def test_the_whole_frame_becomes_a_square() -> None:
    assert view_of(clip(270, 480, [(7, 7)]), "whole", 36) == View(0, 0, 480, 270, 36, 36)


def test_persons_fill_a_square_whatever_their_place_and_size() -> None:
    joints = [(100.0, 60.0), (140.0, 100.0), (120.0, 140.0)]
    view = view_of(clip(270, 480, joints), "persons", 50)
    assert view == View(120.5 - 50, 100.5 - 50, 120.5 + 50, 100.5 + 50, 50, 50)
    placed = view.place(np.array(joints, np.float32))
    moved = clip(270, 480, [(x / 2 + 200, y / 2 + 90) for x, y in joints])
    assert np.allclose(view_of(moved, "persons", 50).place(moved.joints[0]), placed, atol=1e-3)


def test_the_square_ends_where_the_frame_ends() -> None:
    view = view_of(clip(100, 200, [(5, 10), (15, 90), (400, 50)], [True, True, False]), "persons", 20)
    assert (view.left, view.top, view.bottom) == (0, 0.5, 100) and view.right == 60.5
    outside = view_of(clip(100, 200, [(-30, 10), (10, 150)]), "persons", 20)
    assert 0 <= outside.left < outside.right <= 200 and 0 <= outside.top < outside.bottom <= 100


def test_nobody_and_a_single_joint_leave_something_to_see() -> None:
    nobody = clip(100, 200, [(5, 10)], [False])
    assert view_of(nobody, "persons", 20) == View(0, 0, 200, 100, 20, 20)
    single = view_of(clip(100, 200, [(300, 300)]), "persons", 20)
    assert single.right - single.left >= 1 and single.bottom - single.top >= 1


def test_a_rectangle_lies_alike_in_a_copy_of_the_frame_of_another_size() -> None:
    whole = clip(100, 200, [(0, 0)])
    view = View(50, 25, 150, 100, 8, 8)
    assert view.within(whole, 100, 50) == (25, 12.5, 75, 50)
    for width in range(1, 300, 7):
        box = replace(frame_view(whole, 9), top=25).within(whole, width, 50)
        assert box == pytest.approx((0, 12.5, width, 50)) and box[2] <= width, "an image is not to be left"
