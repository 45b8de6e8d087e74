import math

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from d3d.analysis.attention_and_motion import joint_speed, motion_energy, rank_correlations


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


def test_motion_energy_is_the_change_from_and_to_the_neighbours() -> None:
    frames = torch.tensor([0.0, 0.0, 2.0, 2.0])[None, :, None, None].expand(3, 4, 2, 2)
    assert motion_energy(frames).tolist() == [0, 2, 2, 0]


def test_the_speed_of_a_joint_is_over_the_frames_in_which_it_is_seen() -> None:
    joints = torch.tensor([[[0.0, 0.0], [0.0, 0.0]], [[3.0, 4.0], [9.0, 9.0]], [[3.0, 5.0], [9.0, 9.0]]])
    visible = torch.tensor([[True, True], [True, False], [True, True]])
    speed = joint_speed(joints, visible)
    assert speed[0] == 3 and speed[1].isnan()
