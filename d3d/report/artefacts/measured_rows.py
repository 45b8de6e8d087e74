"""Collects what the record holds of a launch: its rows and tuned rows, their differences and the verdicts on claims."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from d3d.bench.declare.ablations import RECIPE, TUNED
from d3d.bench.declare.claims import Claim, parse_claim
from d3d.bench.record.schema import Launch
from d3d.report import Tally
from d3d.report.artefacts.baselines import BaselineAccuracies, baseline_accuracies
from d3d.report.artefacts.registry import Artefact
from d3d.report.artefacts.verdict_section import tally
from d3d.report.caveats import caveats
from d3d.report.published import Published, published
from d3d.report.record import Record
from d3d.report.rows import Row, rows_of, tuned_rows
from d3d.report.statistics.inference import Estimate, holm
from d3d.report.statistics.verdicts import Verdict, comparisons, judge, obstacle, row_difference


@dataclass(frozen=True, eq=False)
class Difference:
    """The difference of a row from the reference row."""

    estimate: Estimate  # a fraction
    p_value: float | None  # two-sided, corrected for all pairs of rows that the table tests; None with too few seeds

    @property
    def interval(self) -> tuple[float, float] | None:
        """The uncorrected 95 % interval, as fractions; None with too few seeds."""
        if self.p_value is None:
            return None
        low, high = self.estimate.interval()
        return float(low), float(high)


@dataclass(frozen=True)
class JudgedRows:
    """Rows with their differences from the reference and their verdicts on the claims."""

    rows: tuple[Row, ...]
    differences: Mapping[str, Difference]  # by row, without the rows that cannot be compared
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True)
class Measured:
    """An ablation's rows, measured with the same recipe and, after a search, each with its own tuned settings."""

    artefact: Artefact
    printed: Published
    launch: Launch
    recipe: JudgedRows
    tuned: JudgedRows | None  # None without a search
    baselines: BaselineAccuracies | None
    caveats: tuple[str, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows of the same recipe."""
        return self.recipe.rows

    @property
    def parts(self) -> dict[str, JudgedRows]:
        """Name in the verdict → the rows judged under it; without a search there is one part, with an empty name."""
        return {"": self.recipe} if self.tuned is None else {RECIPE: self.recipe, TUNED: self.tuned}

    @property
    def judged(self) -> dict[str, tuple[Verdict, ...]]:
        """The verdicts of each of the parts."""
        return {part: each.verdicts for part, each in self.parts.items()}

    @property
    def tallies(self) -> tuple[Tally, ...]:
        """The counts of verdicts, for each part with claims."""
        return tuple(
            tally(self.artefact.name, part, each.verdicts) for part, each in self.parts.items() if each.verdicts
        )


def measure(record: Record, artefact: Artefact, launch: Launch, partial: bool) -> Measured:
    """Reads and judges the rows of a launch.

    Args:
        record: The record that holds the launch.
        artefact: The table or figure that the rows are for.
        launch: The launch.
        partial: Whether a row with only some of its seeds finished still gets numbers.

    Tuned rows, and the rows of a figure whose CSV has no p-value, are tested for the claims but not against the
    reference. Raises RecordError if the record contradicts itself.
    """
    cells = record.cells(launch)
    return Measured(
        artefact=artefact,
        printed=published(artefact.name),
        launch=launch,
        recipe=judge_rows(launch, rows_of(launch, cells, partial), None if artefact.columns else launch.reference),
        tuned=judge_rows(launch, tuned_rows(launch, cells, partial)) if launch.tuned else None,
        baselines=baseline_accuracies(record, launch),
        caveats=caveats(launch, cells),
    )


def judge_rows(launch: Launch, rows: tuple[Row, ...], reference: str | None = None) -> JudgedRows:
    """Judges the rows of one part of a launch; its claims are one family of tests, its differences another."""
    claims = [parse_claim(text) for text in launch.claims]
    return JudgedRows(rows, differences(rows, reference, claims), judge(claims, rows, launch.settle))


def differences(rows: Sequence[Row], reference: str | None, claims: Sequence[Claim]) -> dict[str, Difference]:
    """Row → its difference from the reference. Holm's correction counts the pairs of the claims too, each pair once."""
    by_label = {row.label: row for row in rows}
    if reference not in by_label:
        return {}
    against = [(row.label, reference) for row in rows if row.label != reference]
    claimed = [(claim.metric, each.left, each.right) for claim in claims for each, _ in comparisons(claim, rows)]
    pairs = {
        (metric, frozenset(pair)): pair
        for metric, *pair in reversed([*(("", *pair) for pair in against), *claimed])
        if by_label.keys() >= set(pair)
    }
    estimates = {}
    for key, pair in pairs.items():
        ours, theirs = (by_label[label].of(key[0]) for label in pair)
        if ours and theirs and ours.counted and theirs.counted and not obstacle(ours, theirs):
            estimates[key] = row_difference(ours, theirs)
    tested = [key for key in estimates if all(by_label[label].enough for label in key[1])]
    p_values = dict(zip(tested, holm([float(estimates[key].apart()) for key in tested]).tolist(), strict=True))
    keys = {label: ("", frozenset(pair)) for pair in against for label in pair[:1]}
    return {label: Difference(estimates[key], p_values.get(key)) for label, key in keys.items() if key in estimates}
