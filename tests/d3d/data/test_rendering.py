import hashlib
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

from d3d.data import Clip, Dataset
from d3d.data.rendering import render_frames
from d3d.data.skeleton import COCO, NTU, PENN_ACTION
from d3d.data.view import frame_view, view_of


@pytest.fixture
def clip(synthetic: Dataset) -> Clip:
    return replace(synthetic.train[0], visible=np.ones_like(synthetic.train[0].visible))


@pytest.mark.parametrize("short", [32, 48, 100])
@pytest.mark.parametrize("kind", ["frame", "whole", "persons"])
def test_the_person_is_where_the_joints_are(clip: Clip, kind: Literal["frame", "whole", "persons"], short: int) -> None:
    moments, view = np.arange(clip.length), view_of(clip, kind, short)
    frames = render_frames(clip, moments, view).astype(int)
    nobody = render_frames(replace(clip, visible=np.zeros_like(clip.visible)), moments, view).astype(int)
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
    frames = render_frames(replace(clip, joints=joints, visible=visible), np.arange(3), view).astype(int)
    nobody = render_frames(replace(clip, visible=np.zeros_like(visible)), np.arange(3), view).astype(int)
    row = np.abs(frames - nobody)[0, 24].sum(axis=-1)
    assert row.sum() / row.max() >= 1.5


def test_a_frame_is_the_same_in_any_company(clip: Clip) -> None:
    together = render_frames(clip, np.array([4, 9]), frame_view(clip, 48))
    assert (render_frames(clip, np.array([9]), frame_view(clip, 48))[0] == together[1]).all()


def test_clips_share_the_palette_but_not_the_background(synthetic: Dataset) -> None:
    clips = [replace(clip, visible=np.zeros_like(clip.visible)) for clip in synthetic.train[:2]]
    first, second = (render_frames(clip, np.array([0]), frame_view(clip, 48)).astype(int) for clip in clips)
    assert np.abs(first - second).mean() > 10
    assert first[0].std(axis=(0, 1)).min() > 3  # texture


@pytest.mark.parametrize("joints", [13, 17, 25, 7])
def test_every_person_of_any_skeleton_is_where_its_joints_are(joints: int) -> None:
    generator = np.random.default_rng(0)
    places = np.concatenate([generator.uniform((x, 20), (x + 70, 100), (joints, 2)) for x in (20, 120)])
    points = np.repeat(places[None].astype(np.float32), 2, axis=0)
    visible = np.ones((2, 2 * joints), bool)
    visible[1, joints:] = False
    clip = Clip("a name", 0, True, 120, 220, points, visible, "a name")
    view = frame_view(clip, 120)
    frames = render_frames(clip, np.arange(2), view, persons=2).astype(int)
    empty = render_frames(replace(clip, visible=np.zeros_like(visible)), np.arange(2), view, persons=2).astype(int)
    drawn = np.abs(frames - empty).max(axis=-1) > 25
    columns, rows = np.rint(places).astype(int).T
    seen = [joint for joint in range(2 * joints) if joints != 17 or joint % 17 not in (1, 2, 3, 4)]  # eyes and ears
    assert drawn[0, rows[seen], columns[seen]].all()
    assert drawn[1, :, :105].any() and not drawn[1, :, 110:].any()


def test_a_mirrored_skeleton_has_every_limb_again() -> None:
    for skeleton in (PENN_ACTION, NTU, COCO):
        mirrored = skeleton.mirrored
        assert [mirrored[joint] for joint in mirrored] == list(range(len(skeleton.joint_names)))
        for limbs in (skeleton.legs, skeleton.arms):
            pairs = {frozenset(pair) for pair in limbs}
            assert {frozenset(mirrored[joint] for joint in pair) for pair in pairs} == pairs
        for joint, name in enumerate(skeleton.joint_names):
            assert ("left" in name, "right" in name) == tuple(
                side in skeleton.joint_names[mirrored[joint]] for side in ("right", "left")
            )


@pytest.mark.parametrize(
    ("joints", "drawn"),
    [
        (13, "80189426a119b9ba"),
        (17, "4348d8ffd728403d"),
        (25, "cc0e75e79b758109"),
        (7, "2fcae9d3a0f8865e"),
    ],
)
def test_a_drawing_stays_what_it_was(joints: int, drawn: str) -> None:
    """To the bit: RENDERING is raised where anything of it changes."""
    generator = np.random.default_rng(1)
    places = generator.integers(0, 120, (3, 2 * joints, 2)).astype(np.float32)
    visible = generator.integers(0, 8, (3, 2 * joints)) > 0
    clip = Clip("a name", 0, True, 120, 160, places, visible, "a name")
    frames = render_frames(clip, np.arange(3), frame_view(clip, 48), persons=2)
    assert hashlib.sha256(frames.tobytes()).hexdigest()[:16] == drawn
