from dataclasses import replace

import numpy as np
import pytest

from d3d.analysis.baselines import VISIBILITY, classify, features
from d3d.config import BaselineConfig
from d3d.data.clip import Clip, Dataset
from d3d.data.skeleton import JOINTS, PENN_ACTION
from d3d.errors import DataError

FRAMES = 4
METHODS = ["ridge", "kernel ridge", "nearest neighbour"]


def clip(joints: np.ndarray, visible: np.ndarray | None = None, id: str = "0001", label: int = 0) -> Clip:
    seen = np.ones(joints.shape[:2], np.bool_) if visible is None else visible
    return Clip(id, label, True, 90, 120, joints.astype(np.float32), seen, group=id)


def pose(seed: int = 0, frames: int = FRAMES) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 90, (frames, len(JOINTS), 2))


def dataset(train: int = 4, test: int = 2) -> Dataset:
    """Three actions, each a motion of its own: clips of one action differ by place, size and a little noise."""
    motions = [pose(seed, 12) for seed in range(3)]
    generator = np.random.default_rng(7)

    def clips(count: int, start: int) -> tuple[Clip, ...]:
        made = []
        for index in range(3 * count):
            label = index % 3
            joints = motions[label] + generator.normal(0, 4, motions[label].shape)
            placed = generator.uniform(0.5, 2) * joints + generator.uniform(0, 50, 2)
            made.append(clip(placed, id=f"{start + index:04d}", label=label))
        return tuple(made)

    split = clips(train, 0), clips(test, 1000)
    return Dataset("made", ("a", "b", "c"), PENN_ACTION, *split, "da7a", lambda *_: np.zeros(0, np.uint8))


def test_features_know_neither_place_nor_size() -> None:
    here = features(clip(pose()), FRAMES)
    assert here.shape == (FRAMES * len(JOINTS) * 3,)
    np.testing.assert_allclose(features(clip(3 * pose() + [20, -5]), FRAMES), here, atol=1e-5)
    places = here[: FRAMES * len(JOINTS) * 2].reshape(FRAMES, len(JOINTS), 2)
    np.testing.assert_allclose(places.mean(axis=(0, 1)), 0, atol=1e-6)
    assert (places**2).sum(axis=2).mean() == pytest.approx(1)


def test_features_keep_how_a_person_moves_through_the_picture() -> None:
    walking = pose(0, 1) + 10 * np.arange(FRAMES)[:, None, None]
    assert not np.allclose(features(clip(walking), FRAMES), features(clip(np.repeat(pose(0, 1), FRAMES, 0)), FRAMES))


def test_whatever_an_invisible_joint_says_is_not_looked_at() -> None:
    visible = np.random.default_rng(1).random((FRAMES, len(JOINTS))) < 0.5
    visible[:, 3] = False  # never
    other = np.where(visible[..., None], pose(), 1e4)
    found = features(clip(other, visible), FRAMES)
    np.testing.assert_array_equal(found, features(clip(pose(), visible), FRAMES))
    assert set(found[-visible.size :]) == {0.0, VISIBILITY}
    assert (found[: 2 * visible.size].reshape(FRAMES, len(JOINTS), 2)[:, 3] == 0).all(), "it is in the middle"


def test_an_invisible_joint_is_where_it_was_seen_nearest_in_time() -> None:
    visible = np.ones((FRAMES, len(JOINTS)), np.bool_)
    visible[[0, 2], 5] = False
    places = features(clip(pose(), visible), FRAMES)[: 2 * visible.size].reshape(FRAMES, len(JOINTS), 2)
    np.testing.assert_array_equal(places[0, 5], places[1, 5])
    np.testing.assert_array_equal(places[2, 5], places[1, 5], "the earlier of two")


def test_a_clip_without_any_visible_joint_is_nothing() -> None:
    assert not features(clip(pose(), np.zeros((FRAMES, len(JOINTS)), np.bool_)), FRAMES).any()


@pytest.mark.parametrize("method", METHODS)
def test_motions_are_told_apart(method: str) -> None:
    data = dataset()
    found = classify(BaselineConfig(method=method), FRAMES, data)  # type: ignore[arg-type]
    assert [each.clip for each in found.predictions] == [each.id for each in data.test]
    assert (found.top1, found.validation_top1) == (1.0, 1.0)
    chosen = {"ridge": {"alpha"}, "kernel ridge": {"alpha", "gamma"}, "nearest neighbour": set()}
    assert found.chosen.keys() == chosen[method]
    assert classify(BaselineConfig(method=method), FRAMES, data) == found  # type: ignore[arg-type]


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_chosen_by_the_test_clips(method: str) -> None:
    data = dataset()
    shuffled = tuple(replace(each, label=(each.label + 1) % 3) for each in data.test)
    one, other = (
        classify(BaselineConfig(method=method), FRAMES, each)  # type: ignore[arg-type]
        for each in (data, replace(data, test=shuffled))
    )
    assert (one.chosen, one.validation_top1) == (other.chosen, other.validation_top1)
    assert [each.predicted for each in one.predictions] == [each.predicted for each in other.predictions]


def test_a_single_clip_of_an_action_leaves_nothing_to_choose_by() -> None:
    with pytest.raises(DataError, match=r"baseline\.method=ridge: a has 1 independent training clips of made"):
        classify(BaselineConfig(method="ridge"), FRAMES, dataset(train=1))
