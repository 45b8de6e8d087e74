"""What the measured rows say of the paper's claims.

A claim is one hypothesis with one p-value, however many pairs of rows it speaks of. It holds only where all of its
pairs do, so that the weakest pair decides (an intersection-union test, Berger 1982, which needs no correction). It
fails where one of them is clearly the other way round: at the strongest pair's p-value times the number of pairs.
inference.py has the test of a pair, multiple_claims.py decides the family of a table's claims.
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
from d3d.report.statistics.multiple_claims import decide
from d3d.report.statistics.wording import difference_text, few, signed

Outcome = Literal["holds", "fails", "inconclusive", "not tested"]


@dataclass(frozen=True, eq=False)
class Pair:
    """Two rows that a claim compares."""

    name: str  # "a − b"
    estimate: Estimate  # of the difference, as a fraction
    bounds: tuple[float, float]  # the claim says that it lies between them
    sides: Literal[1, 2] = 2  # on how many sides it is tested whether it lies beyond a bound

    @property
    def holding(self) -> Numbers:
        """p-value, small where it clearly lies between the bounds; of two bounds each is tested on one side."""
        low, high = self.bounds
        worst = np.maximum(self.estimate.above(low), self.estimate.below(high))
        return np.asarray(np.minimum(1, self._sides * worst))

    @property
    def failing(self) -> Numbers:
        """p-value, small where it clearly does not; always on two sides."""
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
        """How many seeds would show on which side of its bounds it is, were it as measured; None above a hundred."""
        if self.inside:
            return seeds_for(self.estimate, self.bounds, level / self._sides)
        below = self.estimate.value <= self.bounds[0]
        return seeds_for(self.estimate, (-math.inf, self.bounds[0]) if below else (self.bounds[1], math.inf), level / 2)

    @property
    def _sides(self) -> int:
        return 1 if self.two_bounds else self.sides


@dataclass(frozen=True, eq=False)
class Evidence:
    """The pairs of a claim, and the rows it was taken from; or why there is none."""

    measured: str
    pairs: tuple[Pair, ...] = ()
    seeds: int | None = None  # of the row that has the fewest
    obstacle: str = ""  # why it cannot be tested, whatever the number of seeds
    void: bool = False  # whether it compares a computation with itself: no record can test it
    lacking: str = ""  # which seeds are missing

    @property
    def holding(self) -> Numbers:
        """p-value of the claim, NaN where it cannot be tested and infinite where seeds are missing."""
        return np.asarray(np.maximum.reduce([pair.holding for pair in self.pairs])) if self.pairs else self._none

    @property
    def failing(self) -> Numbers:
        """p-value of its contrary."""
        if not self.pairs:
            return self._none
        return np.asarray(np.minimum(1, len(self.pairs) * np.minimum.reduce([pair.failing for pair in self.pairs])))

    @property
    def _none(self) -> Numbers:
        return np.asarray(math.nan if self.obstacle else math.inf)

    def deciding(self, fails: bool) -> Pair:
        """The strongest pair of a claim that fails, else the weakest."""
        if fails:
            return min(self.pairs, key=lambda pair: float(pair.failing))
        return max(self.pairs, key=lambda pair: float(pair.holding))

    def confidence(self, pair: Pair, level: float) -> float:
        """Of the interval that holds a bound as long as the test at this level does not tell the difference from it."""
        if not pair.inside:
            return 1 - level / len(self.pairs)
        return 1 - level * (2 if pair.two_bounds else 1)

    def seeds_needed(self, level: float) -> int | None:
        """How many seeds of each row would settle it, were all differences as measured; None above a hundred."""
        against = [pair for pair in self.pairs if not pair.inside]
        if against:
            share = level / len(self.pairs)
            return min((needed for pair in against if (needed := pair.seeds(share))), default=None)
        wanted = [pair.seeds(level) for pair in self.pairs]
        return None if None in wanted else max(filter(None, wanted))


@dataclass(frozen=True)
class Verdict:
    """A claim, judged."""

    claim: str
    outcome: Outcome
    p_value: float | None  # of the pair that decides, corrected for all claims; None where nothing was tested
    measured: str  # the numbers it was judged by
    seeds: int | None = None  # that each row had, at least, when it was judged
    difference: str = ""  # of the pair that decides, with its interval at the level of the test, in points
    remark: str = ""  # why it was not tested, or what would settle it
    looks: int = 0  # at which its rows had their seeds
    lacking: bool = False  # whether more seeds would make it a test
    void: bool = False  # whether it compares a computation with itself: no record can test it

    @property
    def open(self) -> bool:
        """Whether more seeds may settle it."""
        return self.outcome == "inconclusive" or self.lacking


def judge(claims: Sequence[Claim], rows: Sequence[Row], settle: int | None = None) -> tuple[Verdict, ...]:
    """The verdicts on the claims of a table: a family, of which one is false with a chance of at most 5 %.

    With `settle`, the most seeds a row may have, they are taken look by look from the rows: at look k the first n_k
    seeds count, and of a settled claim's rows no more are needed. Without, one look counts all seeds.
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
    """The verdicts, from the evidence on each claim at each look."""
    if not claims:
        return ()
    decisions = decide(
        [[each.holding for each in look] for look in evidence],
        [[each.failing for each in look] for look in evidence],
        levels,
    )
    verdicts = []
    for index, claim in enumerate(claims):
        looks = sum(bool(look[index].pairs) for look in evidence)
        if not looks:
            own = evidence[0][index]
            remark, lacking = own.obstacle or own.lacking, bool(own.lacking)
            verdicts.append(
                Verdict(claim, "not tested", None, own.measured, remark=remark, lacking=lacking, void=own.void)
            )
            continue
        own, level = evidence[int(decisions.look[index])][index], float(decisions.level[index])
        outcome: Outcome = ("inconclusive", "holds", "fails")[int(decisions.outcome[index])]
        pair = own.deciding(outcome == "fails")
        text = difference_text(pair.estimate, own.confidence(pair, level))
        remark = _open(own, pair, level) if outcome == "inconclusive" else ""
        if len(own.pairs) > 1:
            text = f"{pair.name}: {text}"
        p_value = float(decisions.p_value[index])
        verdicts.append(Verdict(claim, outcome, p_value, own.measured, own.seeds, text, remark, looks))
    return tuple(verdicts)


def examine(claim: Claim, rows: Sequence[Row], whole: Sequence[Row] | None = None) -> Evidence:
    """The evidence on a claim in the rows; `whole` are the rows with all their seeds, where these have some of them."""
    by_label, complete = ({row.label: row for row in each} for each in (rows, whole or rows))
    measured = _measured(claim, rows)
    absent = [label for label in claim.labels if label not in by_label]
    if absent:
        return Evidence(measured, obstacle=f"the table has no row {', '.join(absent)}")
    wanted = comparisons(claim, whole or rows)
    if not wanted:
        return Evidence(measured, obstacle="its group has no other row, or none that is another computation")
    for left, right in ((complete[each.left], complete[each.right]) for each, _ in wanted):
        fault = obstacle(left, right)
        if fault:
            return Evidence(measured, obstacle=fault, void=left.same_training(right))
    involved = [by_label[label] for label in named(claim, rows)]
    unfinished = [row.label for row in involved if not row.counted]
    if unfinished:
        return Evidence(measured, lacking=f"not finished: {', '.join(unfinished)}")
    seeds = [len(row.counted) for row in involved if row.random]
    if not all(row.enough for row in involved):
        return Evidence(measured, lacking=few(min(seeds)))
    pairs = tuple(_pair(each, by_label[each.left], by_label[each.right], sides) for each, sides in wanted)
    return Evidence(measured, pairs, min(seeds, default=None))


def comparisons(claim: Claim, rows: Sequence[Row]) -> list[tuple[Comparison, Literal[1, 2]]]:
    """The pairs a claim comes to, and on how many sides each is tested.

    The best row of a group is above each of its rivals, which all have to be shown: one side is enough, unless there is
    but one rival and the claim is that of a pair.
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
    """The other rows of a group, without those that are the best row's own computation under another label."""
    group = [row for row in rows if best.has(row.label)]
    own = next((row for row in group if row.label == best.row), None)
    return [row for row in group if own is not None and row is not own and not row.same_training(own)]


def named(claim: Claim, rows: Sequence[Row]) -> list[str]:
    """The labels of all rows a claim speaks of, each once; none that the table does not have."""
    pairs = [(each.left, each.right) for each, _ in comparisons(claim, rows)]
    there = {row.label for row in rows}
    return [label for label in dict.fromkeys(label for pair in pairs for label in pair) if label in there]


def obstacle(left: Row, right: Row) -> str:
    """Why two rows cannot be compared, whatever the number of their seeds; empty where they can."""
    if left.same_training(right):
        return f"{left.label} and {right.label} are one computation under two labels"
    if left.counted and right.counted:
        cells = [next(iter(row.counted.values())) for row in (left, right)]
        if cells[0].correct.keys() != cells[1].correct.keys():
            return f"{left.label} and {right.label} were tested on different clips"
        if len(set(takes_of(left, right).values())) < 2:
            return "all test clips are of one take"
    return ""


def compared(left: Row, right: Row) -> Estimate:
    """The difference of two rows that can be compared; seed by seed where they test the same trained weights."""
    shared = left.same_weights(right)
    if len(shared) >= LEAST_SEEDS:
        left, right = left.only(shared), right.only(shared)
    takes = takes_of(left, right)
    return difference(sample_of(left, takes), sample_of(right, takes), paired=len(shared) >= LEAST_SEEDS)


def _pair(part: Comparison, left: Row, right: Row, sides: Literal[1, 2]) -> Pair:
    margin = part.margin / 100
    bounds = (margin, math.inf) if part.relation == ">" else (-margin, margin)
    return Pair(f"{part.left} − {part.right}", compared(left, right), bounds, sides)


def _open(evidence: Evidence, pair: Pair, level: float) -> str:
    """Which difference an inconclusive claim leaves open, and what would settle it."""
    low, high = pair.estimate.interval(evidence.confidence(pair, level))
    needed = evidence.seeds_needed(level)
    way = (
        f"it takes more than {MOST_SEEDS} seeds a row or more test clips to settle it"
        if needed is None
        else f"about {needed} seeds a row would settle it"
    )
    return f"a difference from {signed(low)} to {signed(high)} may hide; if it is as measured, {way}"


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
