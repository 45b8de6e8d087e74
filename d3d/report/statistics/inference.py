"""What a number in a table may claim, where both the training and the test clips could have been others.

A row is S trainings, each tested on the same N clips. Its accuracy varies with the training that one happens to get and
with the clips that the test set happens to have, so both are random (Clark 1973: what holds of these clips alone is no
finding). The variance of an accuracy, or of the difference of two, is the sum of two parts:

    V_seeds = s² / S          s² is the variance of the seeds' accuracies; of two rows the sum of both
    V_clips = max(0, V_takes − I)

V_takes is the variance of the seeds' mean over the takes of the clips. Clips of one take are not independent, and takes
have unequal numbers of clips while the accuracy is the mean over clips, so it is a ratio's linearised, cluster-robust
variance (Cochran 1977, section 6.4; Liang and Zeger 1986) with the factor G / (G − 1) for G takes. The interaction I of
seeds and takes is in V_seeds already and is taken away: it is the mean over seeds of each take's variance over seeds.
Where the two rows test the same trained weights the seeds are paired, and both parts are of the S differences.

Degrees of freedom are Satterthwaite's (1946), S − 1 for each V_seeds and G − 1 for V_clips. All functions take arrays
with any leading axes, so that a simulation can judge thousands of tables at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import kendalltau, nct, norm
from scipy.stats import t as student

from d3d.bench.declare.looks import LEAST

SIGNIFICANCE = 0.05
CONFIDENCE = 1 - SIGNIFICANCE
LEAST_SEEDS = LEAST  # below, the variance over seeds is hardly known at all
UNSEEN = 2  # clips that may have gone either way: what is not seen to vary is no certainty
POWER = 0.8
MOST_SEEDS = 100  # more are absurd to propose

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sample:
    """What the trainings of a row give on the test clips."""

    accuracies: Numbers  # …×S, fractions
    residuals: Numbers  # …×S×G: what each take adds to or takes from the accuracy of its seed; over takes they sum to 0
    clips: float  # N; of a mean over classes as many as would give the same variance, were all classes equally hard
    random: bool = True  # whether another seed is another training; nothing of a classical method is random

    @property
    def seeds(self) -> int:
        """S."""
        return int(self.accuracies.shape[-1])

    @property
    def takes(self) -> int:
        """G."""
        return int(self.residuals.shape[-1])


@dataclass(frozen=True, eq=False)
class Trainings:
    """One source of the variance over seeds."""

    variance: ArrayLike  # s², of a single training
    seeds: int  # S, over which it is averaged
    beside: ArrayLike = 0.0  # of a single training that the mean is set against, its variance in units of s²

    @property
    def share(self) -> Numbers:
        """What it adds to the variance of the estimate."""
        return np.asarray(self.variance) * (1 / self.seeds + np.asarray(self.beside))


@dataclass(frozen=True, eq=False)
class Estimate:
    """An accuracy or a difference, as a fraction, with where its variance comes from."""

    value: Numbers
    trainings: tuple[Trainings, ...]  # none where nothing is random
    clips: Numbers  # V_clips
    takes: int  # G
    least: float = 0.0  # variance: no estimate is more certain than that

    @cached_property
    def variance(self) -> Numbers:
        """V_seeds + V_clips."""
        return np.asarray(sum((each.share for each in self.trainings), np.maximum(self.clips, self.least)))

    @property
    def error(self) -> Numbers:
        """The standard error."""
        return np.sqrt(self.variance)

    @cached_property
    def freedom(self) -> Numbers:
        """Satterthwaite's degrees of freedom, those of the takes where nothing varies."""
        clips = np.maximum(self.clips, self.least)
        parts = sum((each.share**2 / (each.seeds - 1) for each in self.trainings), clips**2 / (self.takes - 1))
        known = parts > 0
        return np.asarray(np.where(known, self.variance**2 / np.where(known, parts, 1), self.takes - 1))

    def above(self, bound: float = 0.0) -> Numbers:
        """One-sided p-value of its being above a bound: small where it clearly is."""
        return np.asarray(student.sf((self.value - bound) / self.error, self.freedom))

    def below(self, bound: float = 0.0) -> Numbers:
        """One-sided p-value of its being below a bound."""
        return np.asarray(student.cdf((self.value - bound) / self.error, self.freedom))

    def apart(self, bound: float = 0.0) -> Numbers:
        """Two-sided p-value of its being another number."""
        return np.asarray(np.minimum(1, 2 * np.minimum(self.above(bound), self.below(bound))))

    def interval(self, confidence: float = CONFIDENCE) -> tuple[Numbers, Numbers]:
        """Its t interval, which contains `bound` where `apart(bound)` is at least 1 − confidence."""
        half = student.ppf((1 + confidence) / 2, self.freedom) * self.error
        return np.maximum(self.value - half, -1), np.minimum(self.value + half, 1)

    def with_seeds(self, seeds: int) -> "Estimate":
        """As it would be with so many seeds of the same spread."""
        return replace(self, trainings=tuple(replace(each, seeds=seeds) for each in self.trainings))


def sample(right: NDArray[np.bool_], takes: NDArray[np.int64], classes: NDArray[np.int64] | None = None) -> Sample:
    """…×S×N marks of S trainings on N clips, with the number of each clip's take, from 0.

    With the number of each clip's class the accuracy is the mean over classes of that within each, whose clips are then
    drawn within their classes; else it is the mean over clips.
    """
    classes = np.zeros_like(takes) if classes is None else classes
    counts = np.bincount(classes)
    weights = 1 / (len(counts) * counts[classes])  # of each clip in the accuracy
    shares = _sums(right, classes) / counts
    expected = np.zeros((len(counts), takes.max() + 1))  # of the accuracy of each class, what falls to each take
    np.add.at(expected, (classes, takes), weights)
    residuals = _sums(right * weights, takes) - shares @ expected
    return Sample(shares.mean(axis=-1), residuals, 1 / float((weights**2).sum()))


def accuracy(row: Sample) -> Estimate:
    """A row's expected accuracy, over other trainings and other clips."""
    trainings = _trainings(row)
    return Estimate(_mean(row), trainings, _clips(row.residuals, _interaction(row)), row.takes)


def difference(left: Sample, right: Sample, paired: bool = False) -> Estimate:
    """The expected accuracy of the left row less that of the right one, on the same clips and takes.

    `paired`: seed by seed both are tests of the same trained weights. However alike the rows are, the variance is not
    taken for less than that of two clips which had gone either way: where b clips are right in one row alone and none
    in the other, the p-value then stays near that of the exact test, and no difference on a few clips is no certainty
    (the two clips of Agresti and Coull 1998 on either side).
    """
    value = _mean(left) - _mean(right)
    least = (UNSEEN / left.clips) ** 2
    if paired:
        both = Sample(left.accuracies - right.accuracies, left.residuals - right.residuals, left.clips)
        clips = _clips(both.residuals, _interaction(both))
        return Estimate(value, _trainings(both), clips, left.takes, least)
    residuals = left.residuals.mean(axis=-2, keepdims=True) - right.residuals.mean(axis=-2, keepdims=True)
    interaction = _interaction(left) + _interaction(right)
    clips = _clips(residuals, interaction)
    return Estimate(value, (*_trainings(left), *_trainings(right)), clips, left.takes, least)


def beside_published(row: Sample, published: ArrayLike) -> Estimate:
    """A row's expected accuracy less a printed number, taken for one training of the same spread on clips of its own.

    The printed number may be of the same clips in name, but which of them it has right is not known, nor are they the
    same frames: its clips count as others, with V_clips once more. The variance of an accuracy p is taken to go with
    p (1 − p), so that a printed number further from 100 % spreads wider; it is never taken for less than the row's own.
    Without either, up to 9 % of null claims would be settled (docs/verdicts.md).
    """
    ours, printed = accuracy(row), np.asarray(published)
    ratio = printed * (1 - printed) / np.maximum(ours.value * (1 - ours.value), 1 / row.clips)
    wider = np.maximum(1, ratio)
    trainings = tuple(replace(each, beside=wider) for each in ours.trainings)
    return replace(
        ours,
        value=ours.value - printed,
        trainings=trainings,
        clips=(1 + wider) * ours.clips,
        least=(UNSEEN / row.clips) ** 2,
    )


def accuracy_interval(row: Sample, confidence: float = CONFIDENCE) -> tuple[Numbers, Numbers]:
    """Interval of a row's expected accuracy, as fractions within 0 and 1.

    Wilson's score interval (1927), p̂ ± q √(p (1 − p) / n) solved for p, with as many clips n as give p̂ its variance
    V_seeds + V_clips, and with Student's quantile q at its degrees of freedom. n is at most S · N, all trainings and
    clips being independent, and N where every clip was right or every one wrong. Of one training, or where nothing is
    random, it is Wilson's over takes: of these weights on other clips, n being N where each clip is its own take.
    """
    single = row.seeds == 1 or not row.random
    mean, estimate = _mean(row), accuracy(row)
    chance = mean * (1 - mean)
    if single:
        variance, most = (row.residuals**2).sum(axis=(-2, -1)), row.clips
        quantile = np.asarray(norm.ppf((1 + confidence) / 2))
    else:
        variance, most = estimate.variance, row.seeds * row.clips
        quantile = np.asarray(student.ppf((1 + confidence) / 2, estimate.freedom))
    varies = (chance > 0) & (variance > 0)
    count = np.where(chance > 0, np.minimum(most, chance / np.where(varies, variance, 1e-300)), row.clips)
    centre = (mean + quantile**2 / (2 * count)) / (1 + quantile**2 / count)
    half = quantile / (1 + quantile**2 / count) * np.sqrt(chance / count + quantile**2 / (4 * count**2))
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


def mean_and_std(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation (n − 1) over seeds, in the values' unit; NaN spread of a single seed."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


def holm(p_values: ArrayLike) -> Numbers:
    """…×n p-values corrected for their number, so that below α not one is a false alarm at 1 − α (Holm 1979).

    The k-th smallest is multiplied by the number of tests that are left, and none is smaller than the one before it.
    NaN stands for what is not tested, and is not counted.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = p.argsort(axis=-1)  # NaN last
    left = np.maximum(1, (~np.isnan(p)).sum(axis=-1, keepdims=True) - np.arange(p.shape[-1]))
    corrected = np.empty_like(p)
    steps = np.maximum.accumulate(np.take_along_axis(p, order, axis=-1) * left, axis=-1).clip(max=1)
    np.put_along_axis(corrected, order, steps, axis=-1)
    return corrected


def seeds_for(estimate: Estimate, bounds: tuple[float, float], level: float) -> int | None:
    """How many seeds a row show, with a power of 80 %, that an estimate lies strictly within bounds, at a level a side.

    A bound may be infinite. The estimate's value is taken for the truth; None where more than a hundred are needed.
    """

    def power(seeds: int) -> float:
        planned = estimate.with_seeds(seeds)
        error, freedom = planned.error, planned.freedom
        quantile = student.isf(level, freedom)
        missed = [
            nct.cdf(quantile, freedom, abs(estimate.value - bound) / error) for bound in bounds if np.isfinite(bound)
        ]
        return 1 - float(sum(missed))

    low, high = bounds
    if not low < estimate.value < high or power(MOST_SEEDS) < POWER:
        return None
    return next(seeds for seeds in range(LEAST_SEEDS, MOST_SEEDS + 1) if power(seeds) >= POWER)


def kendall_tau(published: Sequence[float], measured: Sequence[float]) -> float:
    """Kendall's τ-b between two orderings, 1 where they agree and −1 where one is the other reversed; NaN of ties."""
    return float(kendalltau(published, measured).statistic)


def _mean(row: Sample) -> Numbers:
    return np.asarray(row.accuracies.mean(axis=-1))


def _trainings(row: Sample) -> tuple[Trainings, ...]:
    return (Trainings(row.accuracies.var(axis=-1, ddof=1), row.seeds),) if row.random and row.seeds > 1 else ()


def _clips(residuals: Numbers, interaction: Numbers) -> Numbers:
    """V_clips: the variance of the seeds' mean over G takes, less the interaction."""
    takes = residuals.shape[-1]
    spread = takes / (takes - 1) * (residuals.mean(axis=-2) ** 2).sum(axis=-1)
    return np.asarray(np.maximum(0, spread - interaction))


def _interaction(row: Sample) -> Numbers:
    """I: what seeds × takes add to the variance of the seeds' mean; of one seed it is not known."""
    if not row.random or row.seeds == 1:
        return np.zeros(())
    return np.asarray(row.takes / (row.takes - 1) * row.residuals.var(axis=-2, ddof=1).sum(axis=-1) / row.seeds)


def _sums(values: NDArray[np.bool_] | Numbers, groups: NDArray[np.int64]) -> Numbers:
    """…×N values summed over the clips of each group, numbered from 0 without a gap."""
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    return np.asarray(np.add.reduceat(values[..., order], starts, axis=-1, dtype=np.float64))
