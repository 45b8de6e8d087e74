import hashlib
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

from d3d.data.clip import Clip, Dataset
from d3d.data.frames.rendering import render_frames
from d3d.data.frames.view import frame_view, view_of
from d3d.data.skeleton import COCO, HUMAN36M, NTU, PENN_ACTION, Skeleton, nameless

ARM = Skeleton(("shoulder", "elbow", "wrist"), mirrored=(0, 1, 2), limbs=((1, 0), (2, 1)))
SKELETONS = (PENN_ACTION, COCO, NTU, HUMAN36M, ARM, nameless(7))


@pytest.fixture
def clip(synthetic: Dataset) -> Clip:
    return replace(synthetic.train[0], visible=np.ones_like(synthetic.train[0].visible))


@pytest.mark.parametrize("short", [32, 48, 100])
@pytest.mark.parametrize("kind", ["frame", "whole", "persons"])
def test_the_person_is_where_the_joints_are(clip: Clip, kind: Literal["frame", "whole", "persons"], short: int) -> None:
    moments, view = np.arange(clip.length), view_of(clip, kind, short)
    frames = render_frames(clip, moments, view, PENN_ACTION).astype(int)
    nobody = render_frames(replace(clip, visible=np.zeros_like(clip.visible)), moments, view, PENN_ACTION).astype(int)
    assert min(frames.shape[1:3]) == short
    drawn = np.abs(frames - nobody).max(axis=-1) > 25
    joints = view.place(clip.joints)
    columns, rows = np.rint(joints).astype(int).transpose(2, 0, 1)
    rows, columns = rows.clip(0, frames.shape[1] - 1), columns.clip(0, frames.shape[2] - 1)
    assert drawn[moments[:, None], rows, columns].mean() > 0.98
    far = np.ones_like(drawn)
    for mask, points in zip(far, joints, strict=True):
        low, high = points.min(axis=0) - short / 10, points.max(axis=0) + short / 10
        mask[max(0, int(low[1])) : int(high[1]) + 1, max(0, int(low[0])) : int(high[0]) + 1] = False
    assert not drawn[far].any()


def test_limbs_are_thick_enough_to_learn_from(clip: Clip) -> None:
    joints = np.zeros_like(clip.joints)
    joints[:, 9], joints[:, 11] = (48, 10), (48, 60)  # one shin, upright
    visible = np.zeros_like(clip.visible)
    visible[:, [9, 11]] = True
    view = frame_view(clip, 48)
    frames = render_frames(replace(clip, joints=joints, visible=visible), np.arange(3), view, PENN_ACTION).astype(int)
    nobody = render_frames(replace(clip, visible=np.zeros_like(visible)), np.arange(3), view, PENN_ACTION).astype(int)
    row = np.abs(frames - nobody)[0, 24].sum(axis=-1)
    assert row.sum() / row.max() >= 1.5


def test_a_frame_is_the_same_in_any_company(clip: Clip) -> None:
    together = render_frames(clip, np.array([4, 9]), frame_view(clip, 48), PENN_ACTION)
    assert (render_frames(clip, np.array([9]), frame_view(clip, 48), PENN_ACTION)[0] == together[1]).all()


def test_clips_share_the_palette_but_not_the_background(synthetic: Dataset) -> None:
    clips = [replace(clip, visible=np.zeros_like(clip.visible)) for clip in synthetic.train[:2]]
    first, second = (
        render_frames(clip, np.array([0]), frame_view(clip, 48), PENN_ACTION).astype(int) for clip in clips
    )
    assert np.abs(first - second).mean() > 10
    assert first[0].std(axis=(0, 1)).min() > 3  # texture


@pytest.mark.parametrize("skeleton", SKELETONS)
def test_every_person_of_any_skeleton_is_where_its_joints_are(skeleton: Skeleton) -> None:
    joints = len(skeleton.joint_names)
    generator = np.random.default_rng(0)
    places = np.concatenate([generator.uniform((x, 20), (x + 70, 100), (joints, 2)) for x in (20, 120)])
    points = np.repeat(places[None].astype(np.float32), 2, axis=0)
    visible = np.ones((2, 2 * joints), bool)
    visible[1, joints:] = False
    clip = Clip("a name", 0, True, 120, 220, points, visible, "a name")
    view = frame_view(clip, 120)
    nobody = replace(clip, visible=np.zeros_like(visible))
    frames, empty = (render_frames(each, np.arange(2), view, skeleton, 2).astype(int) for each in (clip, nobody))
    drawn = np.abs(frames - empty).max(axis=-1) > 25
    columns, rows = np.rint(places).astype(int).T
    undrawn = (1, 2, 3, 4) if skeleton == COCO else ()  # eyes and ears
    seen = [joint for joint in range(2 * joints) if joint % joints not in undrawn]
    assert drawn[0, rows[seen], columns[seen]].all()
    assert drawn[1, :, :105].any() and not drawn[1, :, 110:].any()


def test_a_limb_is_drawn_between_visible_joints(clip: Clip) -> None:
    joints = np.repeat(np.array([[(10, 20), (10, 60), (80, 60)]], np.float32), 2, axis=0)
    visible = np.array([[True, True, True], [True, True, False]])
    arm = replace(clip, joints=joints, visible=visible, height=72, width=96)
    view, moments = frame_view(arm, 72), np.arange(2)
    bones, dots = (render_frames(arm, moments, view, each).astype(int) for each in (ARM, nameless(3)))
    drawn = np.abs(bones - dots).max(axis=-1) > 25
    assert drawn[:, 40, 10].tolist() == [True, True]
    assert drawn[:, 60, 45].tolist() == [True, False]


@pytest.mark.parametrize(
    ("skeleton", "drawn"),
    [
        (PENN_ACTION, "80189426a119b9ba"),
        (COCO, "4348d8ffd728403d"),
        (NTU, "cc0e75e79b758109"),
        (nameless(7), "2fcae9d3a0f8865e"),
    ],
)
def test_a_drawing_stays_what_it_was(skeleton: Skeleton, drawn: str) -> None:
    """To the bit: RENDERING must be increased where any pixel changes."""
    generator, joints = np.random.default_rng(1), len(skeleton.joint_names)
    places = generator.integers(0, 120, (3, 2 * joints, 2)).astype(np.float32)
    visible = generator.integers(0, 8, (3, 2 * joints)) > 0
    clip = Clip("a name", 0, True, 120, 160, places, visible, "a name")
    frames = render_frames(clip, np.arange(3), frame_view(clip, 48), skeleton, 2)
    assert hashlib.sha256(frames.tobytes()).hexdigest()[:16] == drawn
