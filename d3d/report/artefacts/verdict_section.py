"""Writes the verdict section that ends every table and figure: its claims, their verdicts and how they were judged."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import get_args

from d3d.bench.declare.looks import looks_until
from d3d.report import Tally
from d3d.report.document.blocks import Block, Grid, Heading, Notes, Text
from d3d.report.statistics.inference import SIGNIFICANCE, kendall_tau
from d3d.report.statistics.verdicts import Outcome, Verdict
from d3d.report.statistics.wording import ordering, p_text

OUTCOMES = (
    f"A claim holds if p < {SIGNIFICANCE} in its favour, fails if p < {SIGNIFICANCE} against it, and is inconclusive "
    "otherwise; the interval of the difference, in points, then shows which differences are still possible."
)


def orderings(published: Mapping[str, float], measured: Mapping[str, float]) -> list[Block]:
    """The published and the measured ordering, and Kendall's τ between them over the rows that have both numbers."""
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
    """A sentence with Kendall's τ between what `between` names."""
    if len(published) < 2:
        return Text("Kendall's τ needs two rows with a published and a measured number; here there are fewer.")
    tau = kendall_tau(published, measured)
    value = "is not defined: all values of one side are equal" if math.isnan(tau) else f"= {tau:.2f}".replace("-", "−")
    return Text(f"Kendall's τ between {between}, over {len(published)} rows, {value}.")


def verdict_blocks(verdicts: Sequence[Verdict], notes: Sequence[str] = ()) -> list[Block]:
    """The claims as a table, followed by the notes."""
    if not verdicts:
        return [Text("The ablation declares no claims.")]
    counts = Counter(each.outcome for each in verdicts)
    summary = "; ".join(f"{outcome}: {counts[outcome]}" for outcome in get_args(Outcome) if counts[outcome])
    columns = {
        "claim": [each.claim for each in verdicts],
        "verdict": [each.outcome for each in verdicts],
        "p": [p_text(each.p_value) for each in verdicts],
        "measured": [each.measured for each in verdicts],
    }
    where_any = {
        "seeds": ["" if each.seeds is None else str(each.seeds) for each in verdicts],
        "difference": [each.difference for each in verdicts],
        "remark": [each.remark for each in verdicts],
    }
    columns |= {name: values for name, values in where_any.items() if any(values)}
    align = "".join({"verdict": "l", "p": "r", "seeds": "r"}.get(name, "w") for name in columns)
    said = Text(f"Of {len(verdicts)} claim{'s' * (len(verdicts) > 1)} — {summary}.")
    return [said, Grid(tuple(columns), tuple(zip(*columns.values(), strict=True)), align), Notes(tuple(notes))]


def tally(artefact: str, part: str, verdicts: Sequence[Verdict]) -> Tally:
    """Counts the outcomes of claims, with the common reason if no claim was tested.

    A claim that compares a computation with itself is ignored in finding that reason, since no record can test it.
    """
    counts = Counter(each.outcome for each in verdicts)
    reasons = {each.remark for each in verdicts if not each.void} or {each.remark for each in verdicts}
    reason = reasons.pop() if set(counts) == {"not tested"} and len(reasons) == 1 else ""
    return Tally(artefact, part, {outcome: counts[outcome] for outcome in get_args(Outcome) if counts[outcome]}, reason)


def verdict_heading() -> Heading:
    """The heading of the verdict section."""
    return Heading("Verdict")


def how_judged(family: str, settle: int | None = None) -> str:
    """The note on how claims are judged.

    `family` names the claims that are corrected together. `settle` is the largest number of seeds of a launch with
    `seeds=settle`, else None.
    """
    looks = (
        ""
        if settle is None
        else " Claims were tested after "
        + ", ".join(f"{look.seeds} (α = {look.level:g})" for look in looks_until(settle))
        + " seeds, each time at that α, and a settled claim was not tested again; `seeds` is the number it took."
    )
    return (
        "Both the trainings and the takes of the test clips are random samples: p is of a t test whose variance has a "
        f"part for each, Holm-corrected over the claims of {family}. {OUTCOMES}{looks}"
    )
