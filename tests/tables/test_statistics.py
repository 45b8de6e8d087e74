import math

import pytest

from tables.statistics import mean_and_std, wilson_interval


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
