"""How a family of claims is decided: Holm's correction at one look at the rows, or at several with `seeds=settle`.

Up to the first false verdict all m claims whose null hypothesis is true are open. The first to be settled falsely at
look k needs a p-value below α_k / m, and one of m has that with a chance of at most α_k; over the looks these chances
add up to 0.05. So it does no harm that which claims are still open depends on the looks before, or that the looks share
their first seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from d3d.report.statistics.inference import Numbers, holm


@dataclass(frozen=True, eq=False)
class Decisions:
    """Of each claim of a family, …×m."""

    outcome: NDArray[np.int64]  # 1 it holds, −1 it fails, 0 it is still open
    look: NDArray[np.int64]  # at which it was settled; of an open one the last that tested it
    p_value: Numbers  # Holm-corrected at that look; NaN of what is no test
    level: Numbers  # α_k of that look, divided among as many claims as Holm's step there counts


def decide(holding: ArrayLike, failing: ArrayLike, levels: Sequence[float]) -> Decisions:
    """Looks×…×m p-values of each claim and of its contrary, at each look's level α_k.

    A claim that cannot be tested is NaN and no part of the family. One that lacks seeds at a look is infinite there: it
    counts in the family, so that no verdict changes when they are there. What is settled stays so, and is no part of
    the family at later looks.
    """
    holding, failing = np.asarray(holding, np.float64), np.asarray(failing, np.float64)
    shape = holding.shape[1:]
    outcome, look = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    p_value, level = np.full(shape, np.nan), np.ones(shape)
    for number, (claim, contrary, alpha) in enumerate(zip(holding, failing, levels, strict=True)):
        still = (outcome == 0) & ~np.isnan(claim)
        raw = np.where(still, np.minimum(claim, contrary), np.nan)
        corrected = holm(raw)
        settled = still & (corrected < alpha)
        ranks = raw.argsort(axis=-1).argsort(axis=-1)
        steps = np.minimum(ranks, settled.sum(axis=-1, keepdims=True))
        counted = np.maximum(1, still.sum(axis=-1, keepdims=True) - steps)
        tested = still & np.isfinite(claim)
        p_value, level = np.where(tested, corrected, p_value), np.where(tested, alpha / counted, level)
        look = np.where(tested, number, look)
        outcome = np.where(settled, np.where(claim <= contrary, 1, -1), outcome)
    return Decisions(outcome, look, p_value, level)
