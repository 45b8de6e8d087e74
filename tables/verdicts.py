"""What the measured rows say of the paper's claims.

Every claim is about pairs of rows. A pair is told apart where the sign-flip test over clips, Holm-corrected within the
table, gives p < 0.05 and the difference stands clear of the spread over seeds. A claim holds where all of its pairs do,
fails where one is told apart the other way, and else cannot be told at this number of seeds and clips.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from experiments.claims import Best, Claim, Comparison
from tables import Tally
from tables.document import Block, Grid, Heading, Notes, Text
from tables.rows import MISSING, Row, differences
from tables.statistics import (
    LEVEL,
    SIGNIFICANCE,
    holm,
    kendall_tau,
    level_p_value,
    seed_band,
    sign_flip_p_value,
)

Outcome = Literal["holds", "fails", "cannot be told apart", "cannot be judged"]


@dataclass(frozen=True)
class Difference:
    """The left row of a pair less the right one; p-values are Holm-corrected within the table."""

    points: float  # of top-1
    p_value: float  # small: they differ
    level_p_value: float  # small: they are level
    clear: bool  # of zero, with two standard errors over seeds
    level: bool  # within the margin, with two standard errors over seeds

    def outcome(self, relation: Literal[">", "~"]) -> tuple[Outcome, float]:
        """Whether the left row is > or ~ the right one, with the p-value that decides."""
        apart = self.p_value < SIGNIFICANCE and self.clear
        if relation == ">":
            return ("holds" if self.points > 0 else "fails") if apart else "cannot be told apart", self.p_value
        if self.level_p_value < SIGNIFICANCE and self.level:
            return "holds", self.level_p_value
        return ("fails", self.p_value) if apart else ("cannot be told apart", self.level_p_value)


@dataclass(frozen=True)
class Verdict:
    """A claim, judged."""

    claim: str
    outcome: Outcome
    p_value: float | None  # of the pair that decides: the weakest where the claim holds, the strongest where it fails
    measured: str  # the numbers it was judged by


Pair = tuple[str, str]


def compare(rows: Sequence[Row], reference: str | None, claims: Sequence[Claim]) -> dict[Pair, Difference]:
    """Each row less the reference, and each pair of a claim; absent where a pair cannot be compared.

    One family of tests: what a table shows is corrected for all that it shows.
    """
    by_label = {row.label: row for row in rows}
    against = [(row.label, reference) for row in rows if reference in by_label and reference is not None]
    asked = [(left, right) for claim in claims for left, _, right in pairs(claim, rows)]
    arrays = {}
    for left, right in dict.fromkeys([*against, *asked]):
        if (right, left) not in arrays and not by_label[left].same_training(by_label[right]):
            array = differences(by_label[left], by_label[right])
            if array is not None:
                arrays[left, right] = array
    level = [pair for pair in arrays if pair in _level_pairs(claims)]
    raw = [sign_flip_p_value(array.sum(axis=0)) for array in arrays.values()]
    raw += [level_p_value(arrays[pair].mean(axis=0)) for pair in level]
    corrected = holm(raw)
    level_p = dict(zip(level, corrected[len(arrays) :], strict=True))
    found: dict[Pair, Difference] = {}
    for (left, right), p_value in zip(arrays, corrected, strict=False):
        array = arrays[left, right]
        points = 100 * float(array.mean())
        low, high = seed_band(array.mean(axis=1).tolist())
        shared = (p_value, level_p.get((left, right), 1.0), low > 0 or high < 0, low >= -LEVEL and high <= LEVEL)
        found[left, right], found[right, left] = Difference(points, *shared), Difference(-points, *shared)
    return found


def pairs(claim: Claim, rows: Sequence[Row]) -> list[tuple[str, Literal[">", "~"], str]]:
    """The comparisons a claim comes to; none of rows that the table does not have."""
    by_label = {row.label: row for row in rows}
    found: list[tuple[str, Literal[">", "~"], str]] = []
    for part in claim.parts:
        if isinstance(part, Comparison):
            found.append((part.left, part.relation, part.right))
        else:
            found += [(part.row, ">", other.label) for other in rivals(part, rows)]
    return [pair for pair in found if pair[0] in by_label and pair[2] in by_label]


def rivals(best: Best, rows: Sequence[Row]) -> list[Row]:
    """The other rows of a group, without those that are the best row's own training under another label."""
    group = [row for row in rows if best.has(row.label)]
    own = next((row for row in group if row.label == best.row), None)
    return [row for row in group if own is not None and not row.same_training(own)]


def judge(claim: Claim, rows: Sequence[Row], found: Mapping[Pair, Difference]) -> Verdict:
    """The claim's verdict. Pairs of one training under two labels differ by nothing."""
    by_label = {row.label: row for row in rows}
    wanted = pairs(claim, rows)
    measured = _measured(claim, rows)
    outcomes = []
    for left, relation, right in wanted:
        if by_label[left].same_training(by_label[right]):
            outcomes.append(Difference(0.0, 1.0, 0.0, False, True).outcome(relation))
        elif (left, right) in found:
            outcomes.append(found[left, right].outcome(relation))
        else:
            return Verdict(claim.text, "cannot be judged", None, measured)
    if not outcomes or not set(claim.labels) <= set(by_label):
        return Verdict(claim.text, "cannot be judged", None, measured)
    failing = [p for outcome, p in outcomes if outcome == "fails"]
    if failing:
        return Verdict(claim.text, "fails", min(failing), measured)
    open_ones = [p for outcome, p in outcomes if outcome != "holds"]
    outcome: Outcome = "cannot be told apart" if open_ones else "holds"
    return Verdict(claim.text, outcome, max(open_ones or [p for _, p in outcomes]), measured)


def ordering(values: Mapping[str, float]) -> str:
    """Labels from the highest value to the lowest; equal to two decimals is equal."""
    ranked = sorted(values.items(), key=lambda item: -round(item[1], 2))
    text = ""
    for index, (label, value) in enumerate(ranked):
        sign = "" if not index else " = " if round(value, 2) == round(ranked[index - 1][1], 2) else " > "
        text += sign + label
    return text


def orderings(published: Mapping[str, float], measured: Mapping[str, float]) -> list[Block]:
    """Both orderings, and Kendall's τ between them over the rows that have both numbers."""
    measured = {label: round(value, 2) for label, value in measured.items()}  # as it is shown
    both = [label for label in published if label in measured]
    tau = kendall_text("them", [published[label] for label in both], [measured[label] for label in both])
    if len(both) < 2:
        return [tau]
    return [
        Text(f"Published ordering: {ordering(published)}."),
        Text(f"Measured ordering: {ordering({label: measured[label] for label in both})}."),
        tau,
    ]


def kendall_text(between: str, published: Sequence[float], measured: Sequence[float]) -> Text:
    """Kendall's τ in a sentence."""
    if len(published) < 2:
        return Text("Kendall's τ needs two rows with a published and a measured number; here there are fewer.")
    tau = kendall_tau(published, measured)
    value = "is not defined: all values of one side are equal" if math.isnan(tau) else f"= {tau:.2f}".replace("-", "−")
    return Text(f"Kendall's τ between {between}, over {len(published)} rows, {value}.")


def verdict_blocks(verdicts: Sequence[Verdict], notes: Sequence[str] = ()) -> list[Block]:
    """The claims as a table, and how they were judged."""
    if not verdicts:
        return [Text("No claim is declared for it.")]
    counts = Counter(each.outcome for each in verdicts)
    summary = "; ".join(f"{outcome}: {counts[outcome]}" for outcome in get_args(Outcome) if counts[outcome])
    rows = tuple((each.claim, each.outcome, p_text(each.p_value), each.measured) for each in verdicts)
    said = Text(f"Of {len(verdicts)} claim{'s' * (len(verdicts) > 1)} — {summary}.")
    return [said, Grid(("claim", "verdict", "p", "measured"), rows, "wlrw"), Notes(tuple(notes))]


def tally(artefact: str, part: str, verdicts: Sequence[Verdict]) -> Tally:
    """Counts, in the order in which outcomes are named."""
    counts = Counter(each.outcome for each in verdicts)
    return Tally(artefact, part, {outcome: counts[outcome] for outcome in get_args(Outcome) if counts[outcome]})


def verdict_heading() -> Heading:
    """What every artefact ends with."""
    return Heading("Verdict")


def how(family: str) -> str:
    """How claims are judged; `family` is what is corrected together."""
    return (
        f"a > b holds or fails where the paired sign-flip test over test clips, Holm-corrected within {family}, gives "
        f"p < {SIGNIFICANCE} and the difference is more than twice its standard error over seeds; a ~ b holds where "
        f"two one-sided tests, and twice that error, put the difference within {100 * LEVEL:.0f} point; best(…) is "
        "a > b against every other row of its group. Else the claim cannot be told apart at this number of seeds and "
        "clips."
    )


def p_text(p_value: float | None) -> str:
    """For a reader; four decimals say enough."""
    if p_value is None:
        return MISSING
    return "< 0.0001" if p_value < 0.0001 else f"{p_value:.4f}"


def _level_pairs(claims: Sequence[Claim]) -> set[Pair]:
    parts = [part for claim in claims for part in claim.parts if isinstance(part, Comparison) and part.relation == "~"]
    return {pair for part in parts for pair in ((part.left, part.right), (part.right, part.left))}


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
