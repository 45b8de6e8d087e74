"""Formats the numbers of a verdict for readers."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from d3d.report.rows import MISSING
from d3d.report.statistics.inference import CONFIDENCE, LEAST_SEEDS, Estimate


def too_few(seeds: int, way_out: str = "`seeds=settle` runs as many as are needed") -> str:
    """Why so few seeds cannot be tested, and how to get more."""
    return f"{seeds} seed{'s' * (seeds != 1)}, a test needs at least {LEAST_SEEDS}; {way_out}"


def difference_text(estimate: Estimate, confidence: float = CONFIDENCE) -> str:
    """A difference in points, with its interval."""
    low, high = estimate.interval(confidence)
    return f"{signed(estimate.value)} ({signed(low)} to {signed(high)})"


def signed(fraction: ArrayLike) -> str:
    """A fraction in percentage points, with its sign."""
    return f"{100 * float(np.asarray(fraction)):+.2f}".replace("-", "−")


def p_text(p_value: float | None) -> str:
    """A p-value with four decimals."""
    if p_value is None:
        return MISSING
    return "< 0.0001" if p_value < 0.0001 else f"{p_value:.4f}"


def ordering(values: Mapping[str, float]) -> str:
    """The labels from the highest value to the lowest; values that agree to two decimals are equal."""
    ranked = sorted(values.items(), key=lambda item: -round(item[1], 2))
    text = ""
    for index, (label, value) in enumerate(ranked):
        sign = "" if not index else " = " if round(value, 2) == round(ranked[index - 1][1], 2) else " > "
        text += sign + label
    return text
