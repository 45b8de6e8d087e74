from dataclasses import replace

import numpy as np
import pytest

from d3d.data import Clip, Dataset
from d3d.data.rendering import render_frames
from d3d.data.transforms import resize_joints


@pytest.fixture
def clip(synthetic: Dataset) -> Clip:
    return replace(synthetic.train[0], visible=np.ones_like(synthetic.train[0].visible))


@pytest.mark.parametrize("short", [32, 48, 100])
def test_the_person_is_where_the_joints_are(clip: Clip, short: int) -> None:
    moments = np.arange(clip.length)
    frames = render_frames(clip, moments, short).astype(int)
    nobody = render_frames(replace(clip, visible=np.zeros_like(clip.visible)), moments, short).astype(int)
    assert min(frames.shape[1:3]) == short
    drawn = np.abs(frames - nobody).max(axis=-1) > 25
    joints = resize_joints(clip.joints, (clip.height, clip.width), (frames.shape[1], frames.shape[2]))
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
    frames = render_frames(replace(clip, joints=joints, visible=visible), np.arange(3), 48).astype(int)
    nobody = render_frames(replace(clip, visible=np.zeros_like(visible)), np.arange(3), 48).astype(int)
    row = np.abs(frames - nobody)[0, 24].sum(axis=-1)
    assert row.sum() / row.max() >= 1.5


def test_a_frame_is_the_same_in_any_company(clip: Clip) -> None:
    together = render_frames(clip, np.array([4, 9]), 48)
    assert (render_frames(clip, np.array([9]), 48)[0] == together[1]).all()


def test_clips_share_the_palette_but_not_the_background(synthetic: Dataset) -> None:
    clips = [replace(clip, visible=np.zeros_like(clip.visible)) for clip in synthetic.train[:2]]
    first, second = (render_frames(clip, np.array([0]), 48).astype(int) for clip in clips)
    assert np.abs(first - second).mean() > 10
    assert first[0].std(axis=(0, 1)).min() > 3  # texture
