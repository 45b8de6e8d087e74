"""What the record holds of a launch: its rows, compared and judged, tuned too where it searched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from experiments.claims import Claim, parse_claim
from tables import Tally
from tables.anchors import Anchors, anchors_of
from tables.artefacts import Artefact
from tables.published import Published, published
from tables.record import Launch, Record, doubts
from tables.rows import Row, rows_of, tuned_rows
from tables.verdicts import Difference, Pair, Verdict, compare, judge, tally


@dataclass(frozen=True)
class Judged:
    """Rows as one family of tests, corrected for all that is tested of them."""

    rows: tuple[Row, ...]
    differences: Mapping[Pair, Difference]
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
        return {"": self.recipe} if self.tuned is None else {"same recipe": self.recipe, "tuned": self.tuned}

    @property
    def tallies(self) -> tuple[Tally, ...]:
        """How many claims came out how."""
        return tuple(
            tally(self.artefact.name, part, each.verdicts) for part, each in self.parts.items() if each.verdicts
        )


def measure(record: Record, artefact: Artefact, launch: Launch, partial: bool) -> Measured:
    """What there is. Figures whose CSV shows no p-value, and tuned rows, are tested for their claims alone."""
    cells = record.cells(launch)
    claims = [parse_claim(text) for text in launch.claims]
    recipe = _judged(rows_of(launch, cells, partial), None if artefact.columns else launch.reference, claims)
    tuned = _judged(tuned_rows(launch, cells, partial), None, claims) if launch.tuned else None
    printed = published(artefact.name)
    return Measured(artefact, printed, launch, recipe, tuned, anchors_of(record, launch), doubts(launch, cells))


def _judged(rows: tuple[Row, ...], reference: str | None, claims: Sequence[Claim]) -> Judged:
    found = compare(rows, reference, claims)
    return Judged(rows, found, tuple(judge(claim, rows, found) for claim in claims))
