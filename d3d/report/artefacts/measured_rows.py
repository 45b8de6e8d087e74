"""What the record holds of a launch: its rows, compared and judged, tuned too where it searched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from d3d.bench.declare.ablations import RECIPE, TUNED
from d3d.bench.declare.claims import Claim, parse_claim
from d3d.bench.record.schema import Launch
from d3d.report import Tally
from d3d.report.artefacts.baselines import Anchors, anchors_of
from d3d.report.artefacts.registry import Artefact
from d3d.report.artefacts.verdict_section import tally
from d3d.report.published import Published, published
from d3d.report.record import Record, doubts
from d3d.report.rows import Row, rows_of, tuned_rows
from d3d.report.statistics.inference import Estimate, holm
from d3d.report.statistics.verdicts import Verdict, compared, comparisons, judge, obstacle


@dataclass(frozen=True, eq=False)
class Difference:
    """A row less the reference."""

    estimate: Estimate  # a fraction
    p_value: float | None  # two-sided, corrected for all pairs of rows that the table tests; None of too few seeds

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 %, not corrected; None of too few seeds."""
        if self.p_value is None:
            return None
        low, high = self.estimate.interval()
        return float(low), float(high)


@dataclass(frozen=True)
class Judged:
    """Rows, how each differs from the reference, and what they say of the claims."""

    rows: tuple[Row, ...]
    differences: Mapping[str, Difference]  # by row; none of a row that cannot be compared
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True)
class Measured:
    """An ablation's rows, all of one recipe, and with a search tuned each on its own."""

    artefact: Artefact
    printed: Published
    launch: Launch
    recipe: Judged
    tuned: Judged | None  # None without a search
    anchors: Anchors | None
    doubts: tuple[str, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """Of the one recipe."""
        return self.recipe.rows

    @property
    def parts(self) -> dict[str, Judged]:
        """What is judged, by the name it has in the verdict; without a search it needs none."""
        return {"": self.recipe} if self.tuned is None else {RECIPE: self.recipe, TUNED: self.tuned}

    @property
    def tallies(self) -> tuple[Tally, ...]:
        """How many claims came out how."""
        return tuple(
            tally(self.artefact.name, part, each.verdicts) for part, each in self.parts.items() if each.verdicts
        )


def measure(record: Record, artefact: Artefact, launch: Launch, partial: bool) -> Measured:
    """What there is. Figures whose CSV shows no p-value, and tuned rows, are tested for their claims alone."""
    cells = record.cells(launch)
    recipe = judged(launch, rows_of(launch, cells, partial), None if artefact.columns else launch.reference)
    tuned = judged(launch, tuned_rows(launch, cells, partial)) if launch.tuned else None
    printed = published(artefact.name)
    return Measured(artefact, printed, launch, recipe, tuned, anchors_of(record, launch), doubts(launch, cells))


def judged(launch: Launch, rows: tuple[Row, ...], reference: str | None = None) -> Judged:
    """The rows of one part of a launch, its claims and its differences each a family."""
    claims = [parse_claim(text) for text in launch.claims]
    return Judged(rows, differences(rows, reference, claims), judge(claims, rows, launch.settle))


def differences(rows: Sequence[Row], reference: str | None, claims: Sequence[Claim]) -> dict[str, Difference]:
    """Each row less the reference. Holm's correction counts the pairs of the claims too, each pair once."""
    by_label = {row.label: row for row in rows}
    if reference not in by_label:
        return {}
    against = [(row.label, reference) for row in rows if row.label != reference]
    claimed = [(each.left, each.right) for claim in claims for each, _ in comparisons(claim, rows)]
    pairs = {frozenset(pair): pair for pair in reversed([*against, *claimed]) if by_label.keys() >= set(pair)}
    estimates = {}
    for key, (left, right) in pairs.items():
        ours, theirs = by_label[left], by_label[right]
        if ours.counted and theirs.counted and not obstacle(ours, theirs):
            estimates[key] = compared(ours, theirs)
    tested = [key for key in estimates if all(by_label[label].enough for label in key)]
    p_values = dict(zip(tested, holm([float(estimates[key].apart()) for key in tested]).tolist(), strict=True))
    keys = {label: frozenset(pair) for pair in against for label in pair[:1]}
    return {label: Difference(estimates[key], p_values.get(key)) for label, key in keys.items() if key in estimates}
