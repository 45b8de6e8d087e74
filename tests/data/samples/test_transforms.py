import numpy as np

from d3d.data.samples.transforms import crop, disturb, flip, inside
from d3d.data.skeleton import JOINTS, MIRRORED

generator = np.random.default_rng(0)
FRAMES = generator.integers(0, 256, (3, 20, 30, 3), dtype=np.uint8)
JOINTS_IN_FRAMES = generator.integers(0, 20, (3, 13, 2)).astype(np.float32)
VISIBLE = generator.random((3, 13)) < 0.7


def test_flipping_twice_changes_nothing() -> None:
    frames, joints, visible = flip(*flip(FRAMES, JOINTS_IN_FRAMES, VISIBLE, 30, MIRRORED), 30, MIRRORED)
    assert frames is not None and (frames == FRAMES).all()
    assert (joints == JOINTS_IN_FRAMES).all() and (visible == VISIBLE).all()


def test_joints_are_changed_alike_where_no_frames_are_read() -> None:
    for with_frames, alone in (
        (flip(FRAMES, JOINTS_IN_FRAMES, VISIBLE, 30, MIRRORED), flip(None, JOINTS_IN_FRAMES, VISIBLE, 30, MIRRORED)),
        (crop(FRAMES, JOINTS_IN_FRAMES, 4, 7, 12), crop(None, JOINTS_IN_FRAMES, 4, 7, 12)),
    ):
        assert alone[0] is None
        assert all(np.array_equal(one, other) for one, other in zip(with_frames[1:], alone[1:], strict=True))


def test_flipping_swaps_left_and_right() -> None:
    frames, joints, visible = flip(FRAMES, JOINTS_IN_FRAMES, VISIBLE, 30, MIRRORED)
    assert frames is not None
    right, left = JOINTS.index("right_wrist"), JOINTS.index("left_wrist")
    assert (visible[:, left] == VISIBLE[:, right]).all()
    assert (joints[:, left, 1] == JOINTS_IN_FRAMES[:, right, 1]).all()
    for time in range(3):
        x, y = JOINTS_IN_FRAMES[time, right].astype(int)
        mirrored_x, mirrored_y = joints[time, left].astype(int)
        assert (frames[time, mirrored_y, mirrored_x] == FRAMES[time, y, x]).all()


def test_mirrored_pairs_are_each_others() -> None:
    for joint, other in enumerate(MIRRORED):
        names = {JOINTS[joint], JOINTS[other]}
        assert MIRRORED[other] == joint
        assert names == {"head"} or {name.partition("_")[0] for name in names} == {"left", "right"}
        assert len({name.partition("_")[2] for name in names}) == 1


def test_transforms_leave_their_input_alone() -> None:
    before = JOINTS_IN_FRAMES.copy()
    flip(FRAMES, JOINTS_IN_FRAMES, VISIBLE, 30, MIRRORED)
    crop(FRAMES, JOINTS_IN_FRAMES, 2, 3, 10)
    assert np.array_equal(before, JOINTS_IN_FRAMES)


def test_cropped_joints_point_at_the_same_pixels() -> None:
    frames, joints = crop(FRAMES, JOINTS_IN_FRAMES, 4, 7, 12)
    kept = inside(joints, 12, 12)
    assert frames is not None and frames.shape == (3, 12, 12, 3)
    assert kept.any() and not kept.all()
    for time, joint in zip(*np.nonzero(kept), strict=True):
        (x, y), (before_x, before_y) = joints[time, joint].astype(int), JOINTS_IN_FRAMES[time, joint].astype(int)
        assert (frames[time, y, x] == FRAMES[time, before_y, before_x]).all()


def test_disturbing_moves_joints_by_the_noise_and_hides_the_share() -> None:
    joints, visible = np.zeros((400, 50, 2), np.float32), np.random.default_rng(0).random((400, 50)) < 0.8
    moved, seen = disturb(joints, visible, 3.0, 0.25, np.random.default_rng(1))
    assert abs(moved.std() - 3) < 0.05 and moved.dtype == np.float32
    assert abs(seen.sum() / visible.sum() - 0.75) < 0.02
    assert not (seen & ~visible).any()
    again, same = disturb(joints, visible, 3.0, 0.25, np.random.default_rng(1))
    assert (again == moved).all() and (same == seen).all()
