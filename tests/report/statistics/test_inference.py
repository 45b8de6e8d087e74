import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import ttest_ind

from d3d.report.statistics.inference import (
    Estimate,
    Sample,
    Trainings,
    accuracy,
    accuracy_interval,
    beside_published,
    difference,
    holm,
    kendall_tau,
    mean_and_std,
    sample,
    seeds_for,
)


def wilson(correct: int, clips: int) -> tuple[float, float]:
    """Wilson 1927, written out: the roots p of (p̂ − p)² = z² p (1 − p) / n."""
    z, p = 1.959963984540054, correct / clips
    centre = (p + z**2 / (2 * clips)) / (1 + z**2 / clips)
    half = z / (1 + z**2 / clips) * math.sqrt(p * (1 - p) / clips + z**2 / (4 * clips**2))
    return centre - half, centre + half


def marks(*correct: int, clips: int) -> NDArray[np.bool_]:
    """A training for each number, with so many of the first clips right."""
    return np.array([np.arange(clips) < each for each in correct])


def each_its_own(right: NDArray[np.bool_]) -> Sample:
    return sample(right, np.arange(right.shape[-1]))


def noisy(seed: int, seeds: int, clips: int, share: float = 0.8) -> NDArray[np.bool_]:
    return np.random.default_rng(seed).random((seeds, clips)) < share


@pytest.mark.parametrize(("correct", "clips"), [(0, 10), (10, 10), (1, 3), (90, 120), (1065, 1068)])
def test_the_interval_of_one_training_is_wilsons(correct: int, clips: int) -> None:
    low, high = accuracy_interval(each_its_own(marks(correct, clips=clips)))
    assert (float(low), float(high)) == pytest.approx(wilson(correct, clips), abs=1e-9)
    assert 0 <= low <= correct / clips <= high <= 1


def test_the_variance_of_an_accuracy_is_that_of_the_seeds_and_of_the_clips() -> None:
    right = noisy(0, 4, 50)
    found = accuracy(each_its_own(right))
    by_seed, by_clip = right.mean(axis=1), right.mean(axis=0)
    # The two-way analysis of variance, written out.
    residuals = right - by_seed[:, None] - by_clip + right.mean()
    interaction = (residuals**2).sum() / (3 * 49) / 4 / 50
    clips = max(0.0, by_clip.var(ddof=1) / 50 - interaction)
    seeds = by_seed.var(ddof=1) / 4
    assert found.value == pytest.approx(right.mean())
    assert found.variance == pytest.approx(seeds + clips)
    assert found.freedom == pytest.approx((seeds + clips) ** 2 / (seeds**2 / 3 + clips**2 / 49))


def test_the_clips_of_a_difference_are_those_on_which_the_rows_differ() -> None:
    """Clips that are hard for both rows alike are not a doubt about which is better."""
    right = np.tile(np.arange(200) < 100, (3, 1))
    left = right.copy()
    left[:, 100:110] = True
    found = difference(each_its_own(left), each_its_own(right))
    assert found.value == pytest.approx(0.05)
    assert found.variance == pytest.approx(np.repeat([1, 0], [10, 190]).var(ddof=1) / 200)
    assert accuracy(each_its_own(left)).variance > 4 * found.variance


def test_where_clips_do_not_matter_it_is_welchs_test() -> None:
    """Seeds that have other clips wrong at random: all variance over clips is the interaction's, but for chance."""
    left, right = noisy(1, 5, 4000, 0.9), noisy(2, 3, 4000, 0.7)
    left[:2, :300] = False  # a seed's own spread
    found = difference(each_its_own(left), each_its_own(right))
    seeds = Estimate(found.value, found.trainings, np.zeros(()), found.takes)
    welch = ttest_ind(left.mean(axis=1), right.mean(axis=1), equal_var=False)
    assert seeds.apart() == pytest.approx(welch.pvalue)
    assert found.variance == pytest.approx(seeds.variance, rel=0.01)


def test_paired_seeds_forget_what_the_weights_have_in_common() -> None:
    shift = np.array([[100], [140], [180]])
    left, right = np.arange(200) < shift, np.arange(200) < shift - 10
    paired = difference(each_its_own(left), each_its_own(right), paired=True)
    assert paired.value == pytest.approx(0.05)
    assert paired.error < 0.02 < difference(each_its_own(left), each_its_own(right)).error
    assert paired.apart() < 0.01


def test_clips_of_one_take_are_one() -> None:
    right = np.repeat(noisy(3, 1, 100) ^ noisy(4, 3, 100, 0.02), 4, axis=1)
    alone, together = sample(right, np.arange(400)), sample(right, np.repeat(np.arange(100), 4))
    assert together.accuracies == pytest.approx(alone.accuracies)
    assert together.takes == 100 and together.clips == pytest.approx(400)
    assert accuracy_interval(together)[0] < accuracy_interval(alone)[0]
    quarter = sample(right[:1], np.repeat(np.arange(100), 4))
    assert accuracy_interval(quarter) == pytest.approx(wilson(int(right[0, ::4].sum()), 100))


def test_takes_of_unequal_size_have_the_variance_of_a_ratio() -> None:
    """Cochran 1977, section 6.4, written out: Σ (y − r n)² G / (G − 1) / N²."""
    takes = np.array([0, 0, 0, 1, 2, 2, 3])
    right = np.array([[1, 1, 0, 1, 0, 0, 1]], bool)
    y, n = np.array([2, 1, 0, 1]), np.array([3, 1, 2, 1])
    found = accuracy(sample(right, takes))
    assert found.value == pytest.approx(4 / 7)
    assert found.clips == pytest.approx(((y - 4 / 7 * n) ** 2).sum() * 4 / 3 / 49)


def test_the_order_of_clips_and_seeds_does_not_matter() -> None:
    right, takes = noisy(4, 3, 30), np.repeat(np.arange(10), 3)
    order = np.random.default_rng(0).permutation(30)
    again = accuracy(sample(right[::-1, order], takes[order]))
    assert again.variance == pytest.approx(accuracy(sample(right, takes)).variance)


def test_leading_axes_are_as_many_tables() -> None:
    batch = np.stack([noisy(seed, 3, 40) for seed in range(5)])
    takes = np.repeat(np.arange(20), 2)
    whole = difference(sample(batch, takes), sample(batch[::-1], takes))
    single = [difference(sample(a, takes), sample(b, takes)) for a, b in zip(batch, batch[::-1], strict=True)]
    assert whole.apart() == pytest.approx([float(each.apart()) for each in single])
    assert accuracy_interval(sample(batch, takes))[1].shape == (5,)


@pytest.mark.parametrize("clips", [15, 195, 1068])
def test_no_variance_at_all_is_no_certainty(clips: int) -> None:
    half = each_its_own(marks(*[clips // 2] * 3, clips=clips))
    same = difference(half, half)
    assert float(same.value) == 0 and float(same.apart()) == 1
    level = max(float(same.above(-0.01)), float(same.below(0.01)))
    assert (level < 0.05) == (clips > 330), "no clip differing of n bounds the share that could by 1 − 0.05^(1/n)"
    apart = difference(each_its_own(marks(*[clips] * 3, clips=clips)), each_its_own(marks(0, 0, 0, clips=clips)))
    assert apart.value == 1 and apart.apart() < 0.001
    low, high = accuracy_interval(each_its_own(marks(*[clips] * 3, clips=clips)))
    assert 0.7 < low < 1 and high == pytest.approx(1)


def test_a_seed_that_collapsed_makes_the_row_uncertain_and_breaks_nothing() -> None:
    collapsed, steady = each_its_own(marks(970, 0, 975, clips=1000)), each_its_own(marks(900, 905, 895, clips=1000))
    found = difference(collapsed, steady)
    assert 0.1 < found.apart() < 1
    assert found.freedom == pytest.approx(2, abs=0.1)
    low, high = accuracy_interval(collapsed)
    assert 0 <= low < 0.1 and 0.9 < high <= 1


def test_seeds_that_agree_by_chance_on_other_clips_leave_no_nan() -> None:
    right = np.array([[True, False, False], [False, True, False], [False, False, True]])
    found = accuracy(each_its_own(right))
    assert float(found.variance) == 0 and float(found.freedom) == 2
    assert np.isfinite(accuracy_interval(each_its_own(right))).all()


def test_what_has_no_seeds_has_the_clips_variance_alone() -> None:
    """A classical method is the same whatever the seed."""
    method = Sample(np.array([0.8]), np.repeat([0.2, -0.8], [80, 20])[None] / 100, 100, random=False)
    assert accuracy(method).trainings == ()
    found = difference(each_its_own(marks(95, 94, 96, clips=100)), method)
    assert len(found.trainings) == 1
    assert 0 < found.apart() < 0.01


def test_a_mean_over_classes_draws_clips_within_them() -> None:
    classes = np.repeat([0, 1], [1000, 4])
    right = np.concatenate([np.arange(1000) < 900, np.arange(4) < 2])[None].repeat(3, axis=0)
    found = accuracy(sample(right, np.arange(1004), classes))
    assert found.value == pytest.approx(0.7)
    within = 0.9 * 0.1 / 1000 / 4 + 0.5 * 0.5 / 4 / 4
    assert found.variance == pytest.approx(within, rel=0.01)
    one = sample(right, np.arange(1004), np.zeros(1004, np.int64))
    assert accuracy(one).variance == accuracy(sample(right, np.arange(1004))).variance


def test_a_printed_number_is_one_more_training_on_other_clips() -> None:
    row = each_its_own(noisy(5, 3, 500, 0.9) & noisy(6, 1, 500, 0.9))
    found, ours = beside_published(row, 0.85), accuracy(row)
    assert found.value == pytest.approx(float(ours.value) - 0.85)
    seeds = row.accuracies.var(ddof=1)
    mean = float(ours.value)
    assert mean < 0.85, "the printed number is the higher one, and spreads no less"
    assert found.variance == pytest.approx(seeds * (1 / 3 + 1) + 2 * ours.clips)
    wider = 0.7 * 0.3 / (mean * (1 - mean))
    lower = beside_published(row, 0.7).variance
    assert lower == pytest.approx(seeds * (1 / 3 + wider) + (1 + wider) * ours.clips)


def test_an_interval_contains_a_bound_where_the_test_does_not_tell_it_apart() -> None:
    for seed in range(20):
        found = difference(each_its_own(noisy(seed, 3, 200, 0.85)), each_its_own(noisy(seed + 100, 3, 200, 0.8)))
        low, high = found.interval(0.99)
        assert (low <= 0.02 <= high) == (found.apart(0.02) >= 0.01)


def test_more_seeds_narrow_the_interval_as_far_as_the_clips_allow() -> None:
    few = Estimate(np.asarray(0.01), (Trainings(0.0004, 3), Trainings(0.0004, 3)), np.asarray(1e-5), 1000)
    many = few.with_seeds(12)
    assert many.variance == pytest.approx(2 * 0.0004 / 12 + 1e-5)
    assert many.freedom > few.freedom


def test_the_number_of_seeds_that_shows_a_difference_has_the_power() -> None:
    found = Estimate(np.asarray(0.02), (Trainings(0.0001, 3), Trainings(0.0001, 3)), np.asarray(0.0), 1000)
    needed = seeds_for(found, (0.0, math.inf), 0.025)
    assert needed == 6  # of two groups with a difference of two standard deviations, as G*Power has it
    assert seeds_for(found, (0.0, math.inf), 0.0025) > needed  # type: ignore[operator]
    assert seeds_for(found, (-math.inf, 0.0), 0.025) is None
    stuck = Estimate(found.value, found.trainings, np.asarray(0.001), 1000)
    assert seeds_for(stuck, (0.0, math.inf), 0.025) is None, "no number of seeds makes up for too few clips"
    level = seeds_for(Estimate(np.asarray(0.0), found.trainings, np.asarray(0.0), 1000), (-0.01, 0.01), 0.05)
    assert level is not None and 10 < level < 30


def test_mean_and_sample_standard_deviation() -> None:
    mean, std = mean_and_std([1.0, 2.0, 6.0])
    assert (mean, std) == pytest.approx((3.0, math.sqrt((4 + 1 + 9) / 2)))
    assert math.isnan(mean_and_std([72.5])[1])


def test_holm_corrects_upwards_in_order_and_never_past_1() -> None:
    raw = [0.01, 0.04, 0.03, 0.6, 0.9]
    corrected = holm(raw)
    assert corrected == pytest.approx([0.05, 0.12, 0.12, 1.0, 1.0])
    assert holm([]).tolist() == []
    assert holm([0.03]) == pytest.approx([0.03])
    assert holm([raw, raw[::-1]])[1] == pytest.approx(corrected[::-1])


def test_holm_does_not_count_what_is_not_tested_and_counts_what_lacks_seeds() -> None:
    assert holm([0.01, math.nan, 0.02]) == pytest.approx([0.02, math.nan, 0.02], nan_ok=True)
    assert holm([0.01, math.inf, 0.02]) == pytest.approx([0.03, 1.0, 0.04])


def test_kendalls_tau() -> None:
    assert kendall_tau([1, 2, 3], [10, 20, 30]) == pytest.approx(1)
    assert kendall_tau([1, 2, 3], [30, 20, 10]) == pytest.approx(-1)
    assert math.isnan(kendall_tau([1, 2, 3], [5, 5, 5]))
