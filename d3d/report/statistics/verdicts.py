"""Tests the paper's claims on the measured rows and gives each a verdict.

A claim is one hypothesis with one p-value, even if it compares several pairs of rows. It holds only if all of its pairs
do, so the weakest pair decides (an intersection-union test, Berger 1982, which needs no correction). It fails if one
pair clearly contradicts it, with the strongest pair's p-value times the number of pairs. inference.py has the test of a
pair, multiple_claims.py the correction over the claims of a table.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from d3d.bench.declare.claims import Best, Claim, Comparison
from d3d.bench.declare.looks import looks_until
from d3d.report.rows import MISSING, Row, sample_of, takes_of
from d3d.report.statistics.inference import (
    LEAST_SEEDS,
    MOST_SEEDS,
    SIGNIFICANCE,
    Estimate,
    Numbers,
    difference,
    seeds_for,
)
from d3d.report.statistics.multiple_claims import Decisions, decide
from d3d.report.statistics.wording import difference_text, signed, too_few

Outcome = Literal["holds", "fails", "inconclusive", "not tested"]


@dataclass(frozen=True, eq=False)
class Pair:
    """Two rows that a claim compares, with the estimated difference of their accuracies."""

    name: str  # "a − b"
    estimate: Estimate  # of the difference, as a fraction
    bounds: tuple[float, float]  # the claim says that the difference lies between them
    sides: Literal[1, 2] = 2  # whether a claim with one bound is tested on one side or on two

    @property
    def holding(self) -> Numbers:
        """p-value, small if the difference clearly lies between the bounds; two bounds are each tested on one side."""
        low, high = self.bounds
        worst = np.maximum(self.estimate.above(low), self.estimate.below(high))
        return np.asarray(np.minimum(1, self._sides * worst))

    @property
    def failing(self) -> Numbers:
        """p-value, small if the difference clearly lies outside the bounds; always two-sided."""
        low, high = self.bounds
        return np.asarray(np.minimum(1, 2 * np.minimum(self.estimate.below(low), self.estimate.above(high))))

    @property
    def two_bounds(self) -> bool:
        """Whether the claim is that the rows are level."""
        return all(math.isfinite(bound) for bound in self.bounds)

    @property
    def inside(self) -> bool:
        """Whether the measured difference lies between the bounds."""
        return bool(self.bounds[0] < self.estimate.value < self.bounds[1])

    def seeds(self, level: float) -> int | None:
        """How many seeds would show on which side of a bound the difference lies, if it is as measured.

        None if more than a hundred are needed.
        """
        if self.inside:
            return seeds_for(self.estimate, self.bounds, level / self._sides)
        below = self.estimate.value <= self.bounds[0]
        return seeds_for(self.estimate, (-math.inf, self.bounds[0]) if below else (self.bounds[1], math.inf), level / 2)

    @property
    def _sides(self) -> int:
        return 1 if self.two_bounds else self.sides


@dataclass(frozen=True, eq=False)
class Evidence:
    """The pairs of rows that a claim is tested on, or the reason why it cannot be tested."""

    measured: str  # the numbers, in words
    pairs: tuple[Pair, ...] = ()
    seeds: int | None = None  # of the row with the fewest
    obstacle: str = ""  # why the claim cannot be tested with any number of seeds
    void: bool = False  # whether the claim compares a computation with itself, which no record can test
    lacking: str = ""  # which seeds are missing

    @property
    def holding(self) -> Numbers:
        """p-value of the claim, NaN if it cannot be tested and infinite if seeds are missing."""
        return np.asarray(np.maximum.reduce([pair.holding for pair in self.pairs])) if self.pairs else self._none

    @property
    def failing(self) -> Numbers:
        """p-value of the contrary of the claim, NaN or infinite like `holding`."""
        if not self.pairs:
            return self._none
        return np.asarray(np.minimum(1, len(self.pairs) * np.minimum.reduce([pair.failing for pair in self.pairs])))

    @property
    def _none(self) -> Numbers:
        return np.asarray(math.nan if self.obstacle else math.inf)

    def deciding(self, fails: bool) -> Pair:
        """The pair that decides: the strongest if the claim fails, otherwise the weakest."""
        if fails:
            return min(self.pairs, key=lambda pair: float(pair.failing))
        return max(self.pairs, key=lambda pair: float(pair.holding))

    def confidence(self, pair: Pair, level: float) -> float:
        """The confidence of the interval that contains a bound exactly if the test at this level is not significant."""
        if not pair.inside:
            return 1 - level / len(self.pairs)
        return 1 - level * (2 if pair.two_bounds else 1)

    def seeds_needed(self, level: float) -> int | None:
        """How many seeds of each row would settle the claim, if all differences are as measured.

        None if more than a hundred are needed.
        """
        against = [pair for pair in self.pairs if not pair.inside]
        if against:
            share = level / len(self.pairs)
            return min((needed for pair in against if (needed := pair.seeds(share))), default=None)
        wanted = [pair.seeds(level) for pair in self.pairs]
        return None if None in wanted else max(filter(None, wanted))


@dataclass(frozen=True)
class Verdict:
    """The verdict on one claim."""

    claim: str
    outcome: Outcome
    p_value: float | None  # of the pair that decides, corrected for all claims; None if it was not tested
    measured: str  # the numbers, in words
    seeds: int | None = None  # the smallest number of seeds of its rows when it was judged
    difference: str = ""  # of the pair that decides, with its interval at the level of the test, in points
    remark: str = ""  # why the claim was not tested, or what would settle it
    looks: int = 0  # the number of looks at which its rows had enough seeds
    lacking: bool = False  # whether it was not tested only because seeds are missing
    void: bool = False  # whether the claim compares a computation with itself, which no record can test

    @property
    def open(self) -> bool:
        """Whether more seeds may settle it."""
        return self.outcome == "inconclusive" or self.lacking


def judge(claims: Sequence[Claim], rows: Sequence[Row], settle: int | None = None) -> tuple[Verdict, ...]:
    """The verdicts on the claims of a table, with a chance of at most 5 % that any of them is false.

    `settle` is the largest number of seeds of a launch with `seeds=settle`. The claims are then judged look by look: at
    look k the first n_k seeds of each row count, and a settled claim stays settled. With None, the default, there is
    one look, at which all seeds count.
    """
    texts = [claim.text for claim in claims]
    if settle is None:
        return conclude(texts, [[examine(claim, rows) for claim in claims]], [SIGNIFICANCE])
    looks = looks_until(settle)
    taken = {look.seeds: [row.first(look.seeds) for row in rows] for look in looks}
    evidence = [[examine(claim, taken[look.seeds], rows) for claim in claims] for look in looks]
    return conclude(texts, evidence, [look.level for look in looks])


def conclude(
    claims: Sequence[str], evidence: Sequence[Sequence[Evidence]], levels: Sequence[float]
) -> tuple[Verdict, ...]:
    """The verdicts from `evidence[look][claim]`, with the significance level of each look."""
    if not claims:
        return ()
    decisions = decide(
        [[each.holding for each in look] for look in evidence],
        [[each.failing for each in look] for look in evidence],
        levels,
    )
    return tuple(
        _tested(claim, index, decisions, evidence)
        if any(look[index].pairs for look in evidence)
        else _not_tested(claim, evidence[0][index])
        for index, claim in enumerate(claims)
    )


def _tested(claim: str, index: int, decisions: Decisions, evidence: Sequence[Sequence[Evidence]]) -> Verdict:
    """The verdict on the claim at position `index`, at the look that settled it or else the last that tested it."""
    own, level = evidence[int(decisions.look[index])][index], float(decisions.level[index])
    outcome: Outcome = ("inconclusive", "holds", "fails")[int(decisions.outcome[index])]
    pair = own.deciding(outcome == "fails")
    text = difference_text(pair.estimate, own.confidence(pair, level))
    return Verdict(
        claim,
        outcome,
        float(decisions.p_value[index]),
        own.measured,
        own.seeds,
        difference=f"{pair.name}: {text}" if len(own.pairs) > 1 else text,
        remark=_open(own, pair, level) if outcome == "inconclusive" else "",
        looks=sum(bool(look[index].pairs) for look in evidence),
    )


def _not_tested(claim: str, evidence: Evidence) -> Verdict:
    remark, lacking = evidence.obstacle or evidence.lacking, bool(evidence.lacking)
    return Verdict(claim, "not tested", None, evidence.measured, remark=remark, lacking=lacking, void=evidence.void)


def examine(claim: Claim, rows: Sequence[Row], whole: Sequence[Row] | None = None) -> Evidence:
    """The evidence on a claim in the rows. `whole` are the same rows with all their seeds; None if `rows` have them."""
    lacking = _without_metric(claim, whole or rows)
    if lacking:
        return Evidence("", obstacle=lacking)
    rows, whole = ([row.of(claim.metric) or row for row in each] for each in (rows, whole or rows))
    by_label, complete = ({row.label: row for row in each} for each in (rows, whole))
    measured = _measured(claim, rows)
    absent = [label for label in claim.labels if label not in by_label]
    if absent:
        return Evidence(measured, obstacle=f"the table has no row {', '.join(absent)}")
    wanted = comparisons(claim, whole)
    if not wanted:
        return Evidence(measured, obstacle="its group has no other row that is a different computation")
    for left, right in ((complete[each.left], complete[each.right]) for each, _ in wanted):
        fault = obstacle(left, right)
        if fault:
            return Evidence(measured, obstacle=fault, void=left.same_training(right))
    involved = [by_label[label] for label in compared_labels(claim, rows)]
    unfinished = [row.label for row in involved if not row.counted]
    if unfinished:
        return Evidence(measured, lacking=f"not finished: {', '.join(unfinished)}")
    seeds = [len(row.counted) for row in involved if row.random]
    if not all(row.enough for row in involved):
        return Evidence(measured, lacking=too_few(min(seeds)))
    pairs = tuple(_pair(each, by_label[each.left], by_label[each.right], sides) for each, sides in wanted)
    return Evidence(measured, pairs, min(seeds, default=None))


def _without_metric(claim: Claim, rows: Sequence[Row]) -> str:
    """Why a claim about the verb or the noun cannot be tested, because rows do not predict it; empty if they do."""
    without = [row.label for row in rows if row.of(claim.metric) is None]
    if not any(row.of(claim.metric) for row in rows if row.cells):
        return f"the data has no {claim.metric}" if without else ""
    concerned = [label for label in without if claim.concerns(label)]
    return f"{', '.join(concerned)}: no {claim.metric} was predicted" if concerned else ""


def comparisons(claim: Claim, rows: Sequence[Row]) -> list[tuple[Comparison, Literal[1, 2]]]:
    """The pairs of rows that a claim compares, and on how many sides each is tested.

    The best row of a group is compared with each of its rivals. As all of these comparisons have to hold, one side is
    enough for each; with a single rival the claim is that of a pair and is tested on two sides.
    """
    found: list[tuple[Comparison, Literal[1, 2]]] = []
    for part in claim.parts:
        if isinstance(part, Comparison):
            found.append((part, 2))
        else:
            others = rivals(part, rows)
            found += [(Comparison(part.row, ">", other.label), 1 if len(others) > 1 else 2) for other in others]
    return found


def rivals(best: Best, rows: Sequence[Row]) -> list[Row]:
    """The other rows of a group, without those that are the same computation as the best row under another label."""
    group = [row for row in rows if best.has(row.label)]
    own = next((row for row in group if row.label == best.row), None)
    return [row for row in group if own is not None and row is not own and not row.same_training(own)]


def compared_labels(claim: Claim, rows: Sequence[Row]) -> list[str]:
    """The labels of the rows that a claim compares, each once, without labels that the table does not have."""
    pairs = [(each.left, each.right) for each, _ in comparisons(claim, rows)]
    there = {row.label for row in rows}
    return [label for label in dict.fromkeys(label for pair in pairs for label in pair) if label in there]


def obstacle(left: Row, right: Row) -> str:
    """Why two rows cannot be compared with any number of seeds; empty if they can."""
    if left.same_training(right):
        return f"{left.label} and {right.label} are one computation under two labels"
    if left.counted and right.counted:
        cells = [next(iter(row.counted.values())) for row in (left, right)]
        if cells[0].correct.keys() != cells[1].correct.keys():
            return f"{left.label} and {right.label} were tested on different clips"
        if len(set(takes_of(left, right).values())) < 2:
            return "all test clips are of one take"
    return ""


def row_difference(left: Row, right: Row) -> Estimate:
    """The difference of two comparable rows, `left` minus `right`; paired by seed if they test the same weights."""
    shared = left.same_weights(right)
    if len(shared) >= LEAST_SEEDS:
        left, right = left.only(shared), right.only(shared)
    takes = takes_of(left, right)
    return difference(sample_of(left, takes), sample_of(right, takes), paired=len(shared) >= LEAST_SEEDS)


def _pair(part: Comparison, left: Row, right: Row, sides: Literal[1, 2]) -> Pair:
    margin = part.margin / 100
    bounds = (margin, math.inf) if part.relation == ">" else (-margin, margin)
    return Pair(f"{part.left} − {part.right}", row_difference(left, right), bounds, sides)


def _open(evidence: Evidence, pair: Pair, level: float) -> str:
    """Which differences an inconclusive claim leaves possible, and what would settle it."""
    low, high = pair.estimate.interval(evidence.confidence(pair, level))
    needed = evidence.seeds_needed(level)
    way = (
        f"it takes more than {MOST_SEEDS} seeds a row or more test clips to settle it"
        if needed is None
        else f"about {needed} seeds a row would settle it"
    )
    return f"a difference from {signed(low)} to {signed(high)} is possible; if it is as measured, {way}"


def _measured(claim: Claim, rows: Sequence[Row]) -> str:
    by_label = {row.label: row for row in rows}
    text = "; ".join(f"{label} {_top1(by_label.get(label))}" for label in claim.labels)
    for part in claim.parts:
        if isinstance(part, Best):
            others = [row for row in rivals(part, rows) if row.accuracy]
            if others:
                highest = max(others, key=lambda row: row.accuracy.mean if row.accuracy else 0.0)
                text += f"; best of the others: {highest.label} {_top1(highest)}"
    return text


def _top1(row: Row | None) -> str:
    return f"{row.accuracy.mean:.2f}" if row and row.accuracy else MISSING
