import itertools
import math

import numpy as np
import pytest
from scipy.stats import binomtest, permutation_test

from tables.statistics import (
    binomial_p_value,
    class_interval,
    class_p_value,
    holm,
    kendall_tau,
    level_p_value,
    mean_and_std,
    seed_band,
    sign_flip_p_value,
    wilson_interval,
)


def wilson(correct: int, clips: int) -> tuple[float, float]:
    """Wilson 1927, written out: the roots p of (p̂ − p)² = z² p (1 − p) / n."""
    z, p = 1.959963984540054, correct / clips
    centre = (p + z**2 / (2 * clips)) / (1 + z**2 / clips)
    half = z / (1 + z**2 / clips) * math.sqrt(p * (1 - p) / clips + z**2 / (4 * clips**2))
    return centre - half, centre + half


@pytest.mark.parametrize(("correct", "clips"), [(0, 10), (10, 10), (1, 3), (90, 120), (1065, 1068)])
def test_interval_is_wilsons(correct: int, clips: int) -> None:
    low, high = wilson_interval([correct], clips)
    assert (low, high) == pytest.approx(wilson(correct, clips), abs=1e-9)
    assert 0 <= low <= correct / clips <= high <= 1


def test_interval_of_the_papers_99_7_is_as_wide_as_three_errors_allow() -> None:
    low, high = wilson_interval([1065], 1068)
    assert 99.1 < 100 * low < 99.3
    assert 99.8 < 100 * high < 100


def test_interval_of_several_seeds_is_that_of_the_mean_count() -> None:
    assert wilson_interval([80, 90, 100], 120) == wilson_interval([90], 120)


def test_more_seeds_do_not_narrow_the_interval() -> None:
    assert wilson_interval([90] * 5, 120) == wilson_interval([90], 120)


def test_a_mean_count_between_two_clips_is_rounded() -> None:
    assert wilson_interval([90, 90, 91], 120) == wilson_interval([90], 120)


def test_more_clips_narrow_the_interval() -> None:
    few, many = wilson_interval([75], 100), wilson_interval([750], 1000)
    assert many[1] - many[0] < few[1] - few[0]


def test_mean_and_sample_standard_deviation() -> None:
    mean, std = mean_and_std([1.0, 2.0, 6.0])
    assert (mean, std) == pytest.approx((3.0, math.sqrt((4 + 1 + 9) / 2)))


def test_one_seed_has_no_spread() -> None:
    mean, std = mean_and_std([72.5])
    assert mean == 72.5
    assert math.isnan(std)


@pytest.mark.parametrize("seed", range(5))
def test_the_sign_flip_test_is_the_enumeration_of_all_signs(seed: int) -> None:
    differences = np.random.default_rng(seed).integers(-3, 4, 12)
    sums = [np.dot(signs, differences) for signs in itertools.product((-1, 1), repeat=len(differences))]
    share = np.mean([abs(total) >= abs(differences.sum()) for total in sums])
    assert sign_flip_p_value(differences) == pytest.approx(share)
    enumerated = permutation_test((differences,), np.sum, permutation_type="samples", n_resamples=2**13)
    assert sign_flip_p_value(differences) == pytest.approx(enumerated.pvalue)


@pytest.mark.parametrize(("better", "worse"), [(0, 0), (1, 0), (5, 0), (9, 3), (30, 31)])
def test_for_one_seed_it_is_mcnemars(better: int, worse: int) -> None:
    differences = np.array([1] * better + [-1] * worse + [0] * 50)
    exact = binomtest(better, better + worse).pvalue if better + worse else 1.0
    assert sign_flip_p_value(differences) == pytest.approx(exact)


def test_it_does_not_mind_which_row_is_the_left_one() -> None:
    differences = np.array([3, -1, 2, 0, 1, 1])
    assert sign_flip_p_value(differences) == sign_flip_p_value(-differences)


def test_it_is_exact_where_thousands_of_clips_differ() -> None:
    assert sign_flip_p_value(np.repeat([5, -5], 1000)) == pytest.approx(1.0)
    assert 0 < sign_flip_p_value(np.repeat([5, -5], [1100, 900])) < 1e-4


def test_rows_are_level_where_the_clips_say_so() -> None:
    few = np.array([1.0, -1.0] + [0.0] * 98)
    assert level_p_value(few) > 0.05
    assert level_p_value(np.tile(few, 100)) < 0.05
    assert level_p_value(np.full(1000, 1.0)) > 0.95
    assert level_p_value(np.repeat([1.0, 0.0], [500, 9500])) > 0.95


def test_no_difference_on_a_few_clips_is_no_certainty() -> None:
    """None of n clips differing bounds the share that could by 1 − 0.05^(1/n): 1 point at 299 clips."""
    assert level_p_value(np.zeros(15)) > 0.3
    assert level_p_value(np.zeros(298)) > 0.05
    assert level_p_value(np.zeros(400)) < 0.05


def test_the_band_over_seeds_is_two_standard_errors_wide() -> None:
    low, high = seed_band([0.05, 0.06, 0.04])
    assert (low, high) == pytest.approx((0.05 - 0.02 / math.sqrt(3), 0.05 + 0.02 / math.sqrt(3)))
    assert seed_band([0.01]) == (0.01, 0.01)


def test_holm_corrects_upwards_in_order_and_never_past_1() -> None:
    raw = [0.01, 0.04, 0.03, 0.6, 0.9]
    corrected = holm(raw)
    assert corrected == pytest.approx([0.05, 0.12, 0.12, 1.0, 1.0])
    assert sorted(range(5), key=raw.__getitem__) == sorted(range(5), key=lambda i: (corrected[i], raw[i]))
    assert holm([]) == []
    assert holm([0.03]) == [0.03]


def test_kendalls_tau() -> None:
    assert kendall_tau([1, 2, 3], [10, 20, 30]) == pytest.approx(1)
    assert kendall_tau([1, 2, 3], [30, 20, 10]) == pytest.approx(-1)
    assert math.isnan(kendall_tau([1, 2, 3], [5, 5, 5]))


def test_a_count_against_a_printed_accuracy() -> None:
    assert binomial_p_value([90], 120, 0.75) == pytest.approx(1)
    assert binomial_p_value([90, 92], 120, 0.95) == pytest.approx(binomtest(91, 120, 0.95).pvalue)


def test_a_class_interval_of_one_class_is_about_wilsons() -> None:
    low, high = class_interval([0.8], [1000])
    assert (low, high) == pytest.approx(wilson_interval([800], 1000), abs=0.002)


def test_a_class_interval_is_as_wide_as_its_smallest_classes_make_it() -> None:
    wide = class_interval([0.9, 0.5], [1000, 4])
    narrow = class_interval([0.9, 0.5], [1000, 400])
    assert wide[0] < narrow[0] < 0.7 < narrow[1] < wide[1]


def test_all_clips_of_small_classes_right_is_no_certainty() -> None:
    low, high = class_interval([1.0, 1.0], [3, 3])
    assert low < 0.75 and high == 1
    assert class_p_value([1.0, 1.0], [3, 3], 0.9) > 0.05
    assert class_interval([1.0, 1.0], [500, 500])[0] > 0.99


def test_a_mean_class_accuracy_is_tested_against_a_number() -> None:
    assert class_p_value([0.9, 0.7], [500, 500], 0.8) == pytest.approx(1)
    assert class_p_value([0.9, 0.7], [500, 500], 0.7) < 1e-6
