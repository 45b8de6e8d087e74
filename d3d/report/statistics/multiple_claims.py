"""Decides a family of claims with Holm's correction, at one look at the rows or at several with `seeds=settle`.

Until the first false verdict, all m claims whose null hypothesis is true are open. For the first of them to be settled
falsely at look k, its p-value has to be below α_k / m, and the chance that this happens to any of the m is at most α_k.
Over all looks these chances add up to 0.05. The bound holds although earlier looks determine which claims are still
open, and although the looks share their first seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from d3d.report.statistics.inference import Numbers, holm


@dataclass(frozen=True, eq=False)
class Decisions:
    """The decisions on the m claims of a family; all arrays are …×m."""

    outcome: NDArray[np.int64]  # 1 the claim holds, −1 it fails, 0 it is still open
    look: NDArray[np.int64]  # the look that settled the claim; for an open claim the last that tested it
    p_value: Numbers  # Holm-corrected at that look; NaN if the claim was never tested
    level: Numbers  # α_k of that look, divided by the number of claims in Holm's step


def decide(holding: ArrayLike, failing: ArrayLike, levels: Sequence[float]) -> Decisions:
    """Decides a family of claims at one or more looks.

    `holding` and `failing` are looks×…×m p-values of each claim and of its contrary, and `levels` the α_k of each look.
    A claim that cannot be tested has NaN and is not part of the family. A claim that lacks seeds at a look has an
    infinite p-value there: it counts in the family, so that no verdict changes once its seeds are there. A settled
    claim stays settled, and is not part of the family at later looks.
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
