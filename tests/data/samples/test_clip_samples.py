from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from d3d.config import AugmentationConfig, DataConfig
from d3d.data.clip import Clip, Dataset, View
from d3d.data.samples.clip_samples import ClipSamples, Sample
from d3d.data.skeleton import nameless
from d3d.errors import ConfigError, DataError
from d3d.modality import JOINTS

DATA = DataConfig(resize=36, crop=32)


def samples(
    dataset: Dataset, *, seed: int | None = 0, data: DataConfig = DATA, frames: int = 8, **augmentation: Any
) -> ClipSamples:
    augmented = AugmentationConfig(**augmentation)
    return ClipSamples(dataset.train, dataset, data, frames, seed=seed, augmentation=augmented)


def same(first: Sample, second: Sample) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_sample_has_the_promised_shapes(synthetic: Dataset) -> None:
    for seed in (None, 0):
        sample = samples(synthetic, seed=seed)[3]
        assert sample.frames.shape == (8, 32, 32, 3) and sample.frames.dtype == torch.uint8
        assert sample.joints.shape == (8, 13, 2) and sample.joints.dtype == torch.float32
        assert sample.visible.shape == (8, 13) and sample.visible.dtype == torch.bool
        assert sample.label.shape == () and sample.label.dtype == torch.int64


def test_a_sample_depends_on_seed_epoch_and_index_alone(synthetic: Dataset) -> None:
    first, second = samples(synthetic), samples(synthetic)
    second.epoch = 7
    for index in reversed(range(len(second))):
        second[index]
    second.epoch = 0
    assert all(same(first[index], second[index]) for index in (0, 5, 11))
    second.epoch = 1
    assert not same(first[5], second[5])
    assert not same(first[5], samples(synthetic, seed=1)[5])


def test_test_samples_never_change(synthetic: Dataset) -> None:
    first, second = samples(synthetic, seed=None), samples(synthetic, seed=None)
    second.epoch = 3
    assert all(same(first[index], second[index]) for index in range(4))


def test_joints_that_are_not_visible_are_zero(synthetic: Dataset) -> None:
    loader = samples(synthetic, data=replace(DATA, resize=72))
    hidden = 0
    for index in range(len(loader)):
        sample = loader[index]
        assert (sample.joints[~sample.visible] == 0).all()
        assert (sample.joints[sample.visible] > -0.5).all() and (sample.joints[sample.visible] < 31.5).all()
        hidden += int((~sample.visible).sum())
    assert hidden > 0


def marked(dataset: Dataset) -> Dataset:
    """Black frames with a white square of 5×5 pixels on joint 5, which moves."""
    time = np.arange(24)
    joints = np.zeros((24, 13, 2), np.float32)
    joints[:, 5] = np.stack([20 + time, 44 - time], axis=-1)
    visible = np.zeros((24, 13), bool)
    visible[:, 5] = True
    clip = replace(dataset.train[0], height=64, width=80, joints=joints, visible=visible)

    def read(clip: Clip, indices: NDArray[np.int64], view: View) -> NDArray[np.uint8]:
        frames = np.zeros((len(indices), 64, 80, 3), np.uint8)
        for frame, (x, y) in zip(frames, clip.joints[indices, 5].astype(int), strict=True):
            frame[y - 2 : y + 3, x - 2 : x + 3] = 255
        return frames

    return replace(dataset, train=(clip,), read_frames=read)


def test_crop_and_flip_keep_a_marker_under_its_joint(synthetic: Dataset) -> None:
    loader = samples(marked(synthetic), data=DataConfig(resize=64, crop=48))
    assert joints_on_their_marker(loader) == {5, 6}  # the right wrist, and the left one where the clip is flipped


def test_zoom_and_rotation_keep_a_marker_under_its_joint(synthetic: Dataset) -> None:
    loader = samples(marked(synthetic), data=DataConfig(resize=64, crop=48), zoom=0.3, rotation=30, span=0.5)
    assert joints_on_their_marker(loader) == {5, 6}


def joints_on_their_marker(loader: ClipSamples) -> set[int]:
    """The joints seen over many epochs, each of them in the middle of its marker to half a pixel."""
    seen, checked = set(), 0
    for epoch in range(30):
        loader.epoch = epoch
        frames, joints, visible, _ = loader[0]
        for time, joint in visible.nonzero().tolist():
            seen.add(joint)
            x, y = joints[time, joint].tolist()
            if min(x, y) >= 5 and max(x, y) <= 42:
                weights = frames[time, ..., 0].double()
                rows, columns = torch.arange(48.0).double(), torch.arange(48.0).double()
                assert abs((weights.sum(0) * columns).sum() / weights.sum() - x) < 0.5
                assert abs((weights.sum(1) * rows).sum() / weights.sum() - y) < 0.5
                checked += 1
    assert checked > 30
    return seen


@pytest.mark.parametrize(
    "changed",
    [
        {"flip": False},
        {"zoom": 0.2},
        {"rotation": 20.0},
        {"span": 0.5},
        {"colour": 0.3},
        {"joint_noise": 0.02},
        {"joint_dropout": 0.2},
    ],
)
def test_each_augmentation_changes_training_samples_and_no_test_sample(
    synthetic: Dataset, changed: dict[str, Any]
) -> None:
    plain, augmented = samples(synthetic), samples(synthetic, **changed)
    assert not all(same(plain[index], augmented[index]) for index in range(6))
    assert same(samples(synthetic, seed=None, **changed)[4], samples(synthetic, seed=None)[4])


def test_joints_are_never_flipped_where_nobody_knows_left_from_right(synthetic: Dataset) -> None:
    unknown, data = replace(marked(synthetic), skeleton=nameless(13)), DataConfig(resize=64, crop=64)
    with pytest.raises(DataError, match=r"augmentation\.flip=true: it is not known .* or set augmentation\.flip=false"):
        samples(unknown, data=data)
    assert samples(unknown, data=data, flip=False)[0].visible[:, 5].any()
    assert samples(unknown, data=data, seed=None)[0].visible[:, 5].any(), "a test flips nothing"


def test_no_flip_means_none(synthetic: Dataset) -> None:
    loader = samples(marked(synthetic), data=DataConfig(resize=64, crop=48), flip=False)
    for epoch in range(20):
        loader.epoch = epoch
        assert not loader[0].visible[:, 6].any()


def test_random_crops_reach_every_corner(synthetic: Dataset) -> None:
    loader = samples(marked(synthetic), data=DataConfig(resize=64, crop=62), flip=False, frames=1)
    source = replace(loader.dataset.train[0], joints=np.full((24, 13, 2), 40, np.float32))
    loader.clips = (source,)
    corners: set[Any] = set()
    for epoch in range(400):
        loader.epoch = epoch
        corners.add(tuple((40 - loader[0].joints[0, 5]).int().tolist()))
    assert corners == {(left, top) for left in range(19) for top in range(3)}


@pytest.mark.parametrize("seed", [None, 0])
def test_a_system_that_reads_no_frames_has_none_loaded_and_the_same_joints(
    synthetic: Dataset, seed: int | None
) -> None:
    def unread(*_: object) -> NDArray[np.uint8]:
        raise AssertionError("frames were asked for")

    changes = AugmentationConfig(zoom=0.2, rotation=10, colour=0.3, joint_noise=0.01, joint_dropout=0.1)
    both = ClipSamples(synthetic.train, synthetic, DATA, 8, seed=seed, augmentation=changes)
    blind = replace(synthetic, read_frames=unread)
    alone = ClipSamples(synthetic.train, blind, DATA, 8, seed=seed, augmentation=changes, reads=JOINTS)
    for index in range(5):
        assert all(torch.equal(a, b) for a, b in zip(both[index][1:], alone[index][1:], strict=True))
    batch, _ = alone.collate([alone[index] for index in range(3)])
    assert batch.has_joints and not batch.has_frames and batch.size == (DATA.crop, DATA.crop)
    with pytest.raises(ConfigError, match="asked for frames, which its configuration's `reads` leaves out"):
        _ = batch.frames


def test_a_batch_is_normalised_with_channels_first(synthetic: Dataset) -> None:
    loader = samples(synthetic)
    chosen = [loader[index] for index in range(6)]
    batch, labels = loader.collate(chosen)
    assert batch.frames.shape == (6, 3, 8, 32, 32) and batch.frames.dtype == torch.float32
    expected = (chosen[2].frames[5, 7, 9, 1].item() / 255 - 0.45) / 0.225
    assert batch.frames[2, 1, 5, 7, 9].item() == pytest.approx(expected, abs=1e-5)
    assert torch.equal(batch.joints[4], chosen[4].joints) and torch.equal(batch.visible[4], chosen[4].visible)
    assert labels.tolist() == [int(sample.label) for sample in chosen]
