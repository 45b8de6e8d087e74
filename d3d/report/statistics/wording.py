"""How the numbers of a verdict are written for a reader."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from d3d.report.rows import MISSING
from d3d.report.statistics.inference import CONFIDENCE, LEAST_SEEDS, Estimate


def few(seeds: int, way: str = "`seeds=settle` runs as many as it takes") -> str:
    """Why so few seeds are no test, and the way out."""
    return f"{seeds} seed{'s' * (seeds != 1)}; {LEAST_SEEDS} are the least, {way}"


def difference_text(estimate: Estimate, confidence: float = CONFIDENCE) -> str:
    """A difference in points, with its interval."""
    low, high = estimate.interval(confidence)
    return f"{signed(estimate.value)} ({signed(low)} to {signed(high)})"


def signed(fraction: ArrayLike) -> str:
    """In points, with its sign."""
    return f"{100 * float(np.asarray(fraction)):+.2f}".replace("-", "−")


def p_text(p_value: float | None) -> str:
    """For a reader; four decimals say enough."""
    if p_value is None:
        return MISSING
    return "< 0.0001" if p_value < 0.0001 else f"{p_value:.4f}"


def ordering(values: Mapping[str, float]) -> str:
    """Labels from the highest value to the lowest; equal to two decimals is equal."""
    ranked = sorted(values.items(), key=lambda item: -round(item[1], 2))
    text = ""
    for index, (label, value) in enumerate(ranked):
        sign = "" if not index else " = " if round(value, 2) == round(ranked[index - 1][1], 2) else " > "
        text += sign + label
    return text
