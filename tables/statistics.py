"""What a number in a table may claim: its spread over seeds, its interval over the test clips, what differs from it.

Two rows are compared on the same test clips and the same seeds. The test of a difference flips signs over clips: were
the two rows equally good, each clip's difference could as well have had the other sign. It needs no normality, is exact
however few clips differ, and for one seed it is McNemar's exact test. It says what other clips could have given, not
what other seeds could have: a difference must stand clear of the spread over seeds as well.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, binomtest, kendalltau, norm, ttest_1samp

SIGNIFICANCE = 0.05
LEVEL = 0.01  # a difference of at most one point of top-1 is none, where a paper says that nothing changes
STANDARD_ERRORS = 2.0  # over seeds, on either side of a mean difference


def mean_and_std(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation (n − 1) over seeds, in the values' unit; NaN spread of a single seed."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


def wilson_interval(correct: Sequence[int], clips: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of an accuracy over test clips, as fractions (Wilson 1927, no continuity correction).

    `correct` holds one count per seed, all over the same `clips` clips. The clips are drawn once whatever the number of
    seeds, so the interval is that of the mean count, rounded to a whole clip: more seeds do not narrow it. It says what
    another draw of test clips could have given; the spread over seeds says what another training could have.
    """
    interval = binomtest(round(float(np.mean(correct))), clips).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def class_interval(shares: Sequence[float], clips: Sequence[int]) -> tuple[float, float]:
    """95 % interval of a mean class accuracy over test clips, as fractions: of each class its share and its clips.

    Clips are drawn within their classes. Wilson's score interval for as many clips as would give a plain accuracy the
    same variance; each class gets one clip right and one wrong beside its own, so that small and perfect ones are no
    certainty.
    """
    mean, z = float(np.mean(shares)), float(norm.ppf(0.975))
    level = float(_smoothed(shares, clips).mean())
    count = level * (1 - level) / _class_variance(shares, clips)
    centre = (mean + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * math.sqrt(mean * (1 - mean) / count + z**2 / (4 * count**2))
    return centre - half, centre + half


def class_p_value(shares: Sequence[float], clips: Sequence[int], accuracy: float) -> float:
    """Two-sided p-value of a mean class accuracy against a number, by the normal law and the same variance."""
    return float(2 * norm.sf(abs(float(np.mean(shares)) - accuracy) / math.sqrt(_class_variance(shares, clips))))


def _class_variance(shares: Sequence[float], clips: Sequence[int]) -> float:
    smoothed = _smoothed(shares, clips)
    return float((smoothed * (1 - smoothed) / np.asarray(clips)).sum() / len(smoothed) ** 2)


def _smoothed(shares: Sequence[float], clips: Sequence[int]) -> NDArray[np.float64]:
    """As if each class had a clip more that is right and one that is wrong."""
    counts = np.asarray(clips, np.float64)
    return (np.asarray(shares, np.float64) * counts + 1) / (counts + 2)


def sign_flip_p_value(differences: NDArray[np.int64]) -> float:
    """Two-sided p-value of Σ d under Fisher's randomisation of signs, exact.

    `differences` has a whole number a clip: in how many more seeds the one row was right than the other. The n clips of
    one magnitude m add m · (2 · Binomial(n, ½) − n) to the sum, so that its distribution is a convolution of as many
    binomials as there are seeds; scipy's permutation_test gives the same by enumeration, and samples where clips are
    many.
    """
    distribution = np.ones(1)  # of the sum, from its least value to its greatest
    for magnitude, clips in zip(*np.unique(np.abs(differences[differences != 0]), return_counts=True), strict=True):
        part = np.zeros(2 * magnitude * clips + 1)
        part[:: 2 * magnitude] = binom.pmf(np.arange(clips + 1), clips, 0.5)
        distribution = np.convolve(distribution, part)
    sums = np.arange(len(distribution)) - len(distribution) // 2
    return min(1.0, float(distribution[np.abs(sums) >= abs(differences.sum())].sum()))


def level_p_value(differences: NDArray[np.float64], margin: float = LEVEL) -> float:
    """p-value of |mean| ≥ margin by two one-sided t tests over clips (Schuirmann 1987): small where rows are level.

    Two clips that differ are added on either side, as Agresti and Coull (1998) do, so that a few clips without any
    difference are no certainty: it takes some 330 of them to show a margin of one point.
    """
    padded = np.concatenate([differences, [1, 1, -1, -1]])
    above = ttest_1samp(padded, -margin, alternative="greater").pvalue
    below = ttest_1samp(padded, margin, alternative="less").pvalue
    return float(max(above, below))


def seed_band(differences: Sequence[float]) -> tuple[float, float]:
    """A mean difference, one value a seed, less and plus two standard errors; of a single seed itself, twice."""
    mean, std = mean_and_std(differences)
    margin = 0.0 if len(differences) == 1 else STANDARD_ERRORS * std / math.sqrt(len(differences))
    return mean - margin, mean + margin


def holm(p_values: Sequence[float]) -> list[float]:
    """Corrected for the number of tests, so that below 0.05 not one is a false alarm at 95 % (Holm 1979).

    The k-th smallest is multiplied by the number of tests that are left, and none is smaller than the one before it.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = p.argsort()
    corrected = np.empty_like(p)
    corrected[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1)
    return [float(value) for value in corrected]


def binomial_p_value(correct: Sequence[int], clips: int, accuracy: float) -> float:
    """p-value of a mean count, rounded to a whole clip, against an accuracy that is only known as a number."""
    return float(binomtest(round(float(np.mean(correct))), clips, accuracy).pvalue)


def kendall_tau(published: Sequence[float], measured: Sequence[float]) -> float:
    """Kendall's τ-b between two orderings, 1 where they agree and −1 where one is the other reversed; NaN of ties."""
    return float(kendalltau(published, measured).statistic)
