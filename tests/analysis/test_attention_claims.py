import math

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from d3d.analysis.attention_claims import (
    association,
    joint_speed,
    judge_attention,
    motion_energy,
    rank_correlations,
)
from d3d.errors import DataError
from tests.analysis.test_attention import build, clip

CLIPS, PLACES, SHUFFLES = 40, 12, 199


def drawn(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_each_clip_has_spearmans_correlation_over_the_places_with_both_numbers() -> None:
    left, right = drawn(1).integers(0, 5, (8, 9)).astype(float), drawn(2).random((8, 9))
    left[0, 2] = right[3, 1] = right[3, 7] = math.nan
    expected = [spearmanr(a, b, nan_policy="omit").statistic for a, b in zip(left, right, strict=True)]
    np.testing.assert_allclose(rank_correlations(left, right), expected)


def test_too_few_places_and_equal_numbers_have_no_correlation() -> None:
    left = np.array([[1.0, 2.0, math.nan], [1.0, 1.0, 1.0], [1.0, 2.0, 3.0]])
    found = rank_correlations(left, np.array([[1.0, 2.0, 3.0]] * 3))
    assert np.isnan(found).tolist() == [True, True, False] and found[2] == pytest.approx(1)
    with pytest.raises(DataError, match="no clip has 3"):
        association(left[:2], left[:2])


def test_attention_that_follows_the_motion_of_each_clip_is_above_both_shuffles() -> None:
    motion = drawn().random((CLIPS, PLACES))
    found = association(motion + 0.5 * drawn(1).random(motion.shape), motion, shuffles=SHUFFLES)
    assert found.correlation > 0.7 and found.clips == CLIPS
    assert abs(found.shuffled) < 0.1 and found.shuffled_p == 1 / (1 + SHUFFLES)
    assert abs(found.exchanged) < 0.1 and found.exchanged_p == 1 / (1 + SHUFFLES)


def test_attention_on_the_places_that_always_move_most_is_no_more_than_exchanged() -> None:
    usual = np.linspace(0, 3, PLACES)
    motion = usual + drawn().random((CLIPS, PLACES))
    found = association(usual + drawn(1).random((CLIPS, PLACES)), motion, shuffles=SHUFFLES)
    assert found.correlation > 0.7 and found.shuffled_p < 0.01
    assert found.exchanged > 0.7 and found.exchanged_p > 0.05


def test_attention_without_relation_is_rarely_taken_for_one() -> None:
    p_values = []
    for seed in range(40):
        attention, motion = drawn(seed).random((2, 10, 6))
        attention[0, 0] = math.nan
        found = association(attention, motion, seed, shuffles=19)
        p_values += [found.shuffled_p, found.exchanged_p]
    assert np.mean(np.array(p_values) <= 0.1) < 0.25
    assert 0.35 < np.mean(p_values) < 0.65


def test_the_same_seed_gives_the_same_numbers() -> None:
    attention, motion = drawn().random((2, 5, 6))
    assert association(attention, motion, 3, 19) == association(attention, motion, 3, 19)


def test_motion_energy_is_the_change_from_and_to_the_neighbours() -> None:
    frames = torch.tensor([0.0, 0.0, 2.0, 2.0])[None, :, None, None].expand(3, 4, 2, 2)
    assert motion_energy(frames).tolist() == [0, 2, 2, 0]


def test_the_speed_of_a_joint_is_over_the_frames_in_which_it_is_seen() -> None:
    joints = torch.tensor([[[0.0, 0.0], [0.0, 0.0]], [[3.0, 4.0], [9.0, 9.0]], [[3.0, 5.0], [9.0, 9.0]]])
    visible = torch.tensor([[True, True], [True, False], [True, True]])
    speed = joint_speed(joints, visible)
    assert speed[0] == 3 and speed[1].isnan()


def test_a_model_is_judged_over_its_clips_where_it_has_the_modules() -> None:
    found = judge_attention(build(joint_window=6), [clip(), clip()], shuffles=9)
    assert found.frames and found.joints and found.frames.clips == found.joints.clips == 2
    found = judge_attention(build(deformable_attention=False, joint_window=6), [clip()], shuffles=9)
    assert found.frames is None and found.joints
