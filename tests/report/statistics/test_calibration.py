"""A short form of benchmarks/calibration.py: false verdicts are as seldom as docs/verdicts.md says.

A few hundred tables cannot tell 5 % from 6 %, but they do tell it from the 18 and 58 % of a rule that forgets the
seeds. The simulation's own seed is fixed: the numbers are the same every time.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from benchmarks.calibration import FEW, MAIN, Setting, measure, null, other_claims, shares, simulate
from d3d.report.statistics.inference import accuracy_interval, difference, sample
from tests.report.fake_record import FakeRecord, point


def test_a_simulated_row_is_as_it_was_asked_for() -> None:
    setting = replace(MAIN[0], takes=3)
    rows = simulate(setting, 10, 100, np.random.default_rng(0))
    accuracies = rows[0].accuracies
    assert accuracies.mean() == pytest.approx(0.97, abs=0.003)
    assert 100 * np.sqrt(accuracies.var(axis=-1, ddof=1).mean()) == pytest.approx(2, rel=0.15)
    assert rows[0].takes == pytest.approx(setting.clips / 2, abs=1)
    with pytest.raises(ValueError, match="raise the spread"):
        shares(Setting(100, 0.1))


@pytest.mark.parametrize(
    "setting",
    [FEW, replace(FEW, spread=5, own=0.5, takes=3), replace(FEW, own=0.5, paired=True)],
    ids=lambda setting: setting.name,
)
def test_false_verdicts_are_seldom_and_intervals_hold(setting: Setting) -> None:
    rates = measure(setting, tables=400, seeds=(3, 10))
    for name in ("one of 6, 3", "one of 6, 10", "any of 4, 3", "any of 6, 3", "any of 6, 10", "any of 6, settle"):
        rate, half = rates.rate(name)
        assert rate - half <= 5, f"{name}: {rate:.1f} ± {half:.1f} %"
    for name in ("interval, 3", "interval, 10", "difference, 3", "difference, 10"):
        rate, half = rates.rate(name)
        assert rate + half >= 91, f"{name}: {rate:.1f} ± {half:.1f} %"


def test_a_true_difference_is_found_more_often_with_more_seeds() -> None:
    rates = measure(replace(FEW, behind=(0, 5, 5, 5, 5)), tables=100, seeds=(3, 10))
    few, many, settled = (rates.rate(f"holds of 6, {name}")[0] for name in ("3", "10", "settle"))
    assert 10 < few < many - 20
    assert settled > few


def test_claims_of_other_kinds_are_seldom_false() -> None:
    rates = other_claims(replace(FEW, own=0.5, takes=3), 400, 3)
    for name in ("level, holds", "level, fails", "by", "best", "published"):
        rate, half = rates.rate(name)
        assert rate - half <= 5, f"{name}: {rate:.1f} ± {half:.1f} %"


def test_what_several_folds_say_of_a_clip_counts_once() -> None:
    """Two rows of the same expected accuracy, clips in 1 to 3 of 3 folds and hard for a row in all alike."""
    generator = np.random.default_rng(0)
    tables, seeds, clips = 300, 6, 120
    clip, fold = np.nonzero(generator.random((clips, 3)) < 0.6)
    clip = np.unique(clip, return_inverse=True)[1].astype(np.int64)
    hard = generator.standard_normal((tables, 1, clips))
    rows = []
    for _ in range(2):
        own = hard + generator.standard_normal((tables, 1, clips))
        training = 0.1 * generator.standard_normal((tables, seeds, 3))
        noise = 0.5 * generator.standard_normal((tables, seeds, len(clip)))
        rows.append(own[..., clip] + training[..., fold] + noise > -1)
    expected = norm.cdf(1 / np.sqrt(1 + 1 + 0.1**2 + 0.5**2))

    def rates(takes: NDArray[np.int64], clips: NDArray[np.int64] | None) -> tuple[float, float]:
        """How often the rows differ at 5 %, and how often the interval of the first holds the expected accuracy."""
        left, right = (sample(row, takes, clips=clips) for row in rows)
        low, high = accuracy_interval(left)
        held = (low <= expected) & (expected <= high)
        return float((difference(left, right).apart() < 0.05).mean()), float(held.mean())

    false, held = rates(clip, clip)
    assert false < 0.08 and held > 0.92
    false, held = rates(np.arange(len(clip)), None)
    assert false > 0.1 and held < 0.89, "as if each test were of a clip of its own"


def test_the_null_of_a_record(record: FakeRecord, capsys: pytest.CaptureFixture[str]) -> None:
    generator = np.random.default_rng(0)
    points = [point("full", f"c{seed}", seed) for seed in range(24)]
    for each in points:
        record.finish(each["cell"], right=np.flatnonzero(generator.random(120) < 0.8).tolist())
    with pytest.raises(LookupError, match="no row has 6 finished seeds"):
        record.launch(points[:5], "0a")
        null(Path(record.storage))
    record.launch(points, "1a")
    null(Path(record.storage))
    first, once, ways = capsys.readouterr().out.splitlines()
    assert first.startswith("full: 24 trainings, ") and first.endswith("% of 120 clips")
    assert once.endswith("false of 28 verdicts")
    assert float(ways.split(": ")[1].split(" %")[0]) <= 5
