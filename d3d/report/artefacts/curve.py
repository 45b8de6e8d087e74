"""Builds a figure of curves: top-1 against one key of an ablation, with a line for each value of another key if any."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from d3d.bench.declare.claims import Best, Comparison, parse_claim
from d3d.bench.record.schema import Launch
from d3d.errors import RecordError
from d3d.report import Built
from d3d.report.artefacts.claim_marks import claim_marks
from d3d.report.artefacts.curve_plot import Line, Number, Point, caption, draw
from d3d.report.artefacts.measured_rows import Measured, measure
from d3d.report.artefacts.registry import Artefact, Axis, is_number
from d3d.report.artefacts.row_table import finish, row_grid
from d3d.report.document.blocks import Block, Bold, Entry, Grid, Notes
from d3d.report.record import Record
from d3d.report.rows import MISSING, Row, parts_of


def build(record: Record, artefact: Artefact, launches: Sequence[Launch], folder: Path, partial: bool) -> Built:
    """Writes NAME.csv, .md, .tex, .png and .pdf for the newest launch, with the rows in ascending order of the axes.

    Args:
        record: The record to read the cells from.
        artefact: The figure to build.
        launches: Launches that ask for the figure, newest first.
        folder: Where the files go.
        partial: Whether a row with only some of its seeds finished still gets a number.

    Raises RecordError if the record contradicts itself, or if a row has no number on an axis.
    """
    measured = measure(record, artefact, launches[0], partial)
    lines = lines_of(measured)
    rows = tuple(point.row for line in lines for point in line.points)
    measured = replace(measured, recipe=replace(measured.recipe, rows=rows))
    shown: list[Block] = [row_grid(measured)]
    if artefact.lines:
        pivots = [_pivot(lines, measured, part) for part in ("", *parts_of(rows))]
        shown = [*pivots, _repeats(lines, artefact)]
    return finish(measured, folder, shown, caption(measured, lines), draw(measured, lines))


def lines_of(measured: Measured) -> list[Line]:
    """The rows as curves, in ascending order of both axes."""
    artefact, launch = measured.artefact, measured.launch
    assert artefact.x
    groups: dict[Number | None, list[tuple[Number, Row]]] = {}
    for row in measured.rows:
        value = _number(launch, row, artefact.lines) if artefact.lines else None
        groups.setdefault(value, []).append((_number(launch, row, artefact.x), row))
    ordered = sorted(groups.items(), key=lambda item: item[0] or 0)
    return [_line(value, sorted(group, key=lambda item: item[0]), launch) for value, group in ordered]


def _line(value: Number | None, group: list[tuple[Number, Row]], launch: Launch) -> Line:
    means = [round(row.accuracy.mean, 6) for _, row in group if row.accuracy]  # means that differ by rounding are ties
    highest = max(means) if len(means) == len(group) else None
    points = []
    for index, (x, row) in enumerate(group):
        repeats = any(row.same_training(other) for _, other in group[:index])
        best = row.accuracy is not None and round(row.accuracy.mean, 6) == highest
        points.append(Point(x, row, repeats, best))
    claimed = _claimed_best(launch)
    return Line(value, tuple(points), next((x for x, row in group if row.label in claimed), None))


def _claimed_best(launch: Launch) -> set[str]:
    """The rows that the claims place above other rows and below none."""
    claims = [parse_claim(text) for text in launch.claims]
    parts = [part for claim in claims if not claim.metric for part in claim.parts]
    higher = [part for part in parts if isinstance(part, Comparison) and part.relation == ">"]
    best = {part.row for part in parts if isinstance(part, Best)} | {part.left for part in higher}
    return best - {part.right for part in higher}


def _pivot(lines: Sequence[Line], measured: Measured, part: str) -> Grid:
    """The means as a table, with a line of the table for each curve and a column for each x.

    They are those of a part of the labels, such as the verb; with an empty part of the whole label, the best in bold.
    """
    artefact = measured.artefact
    assert artefact.x and artefact.lines
    across = sorted({point.x for line in lines for point in line.points})
    rows = []
    for line in lines:
        entries: dict[Number, Entry] = {}
        for point in line.points:
            row = point.row.of(part)
            text = f"{row.accuracy.mean:.2f}" if row and row.accuracy else MISSING
            entries[point.x] = Bold(text) if point.best and not part else text
        rows.append((str(line.value), *(entries.get(x, "") for x in across)))
    header = (
        f"{part}, {artefact.lines.name}" if part else artefact.lines.name,
        *(f"{artefact.x.name} {x}" for x in across),
    )
    shown = [[point.row.label for point in line.points] for line in lines]
    marks = () if part else claim_marks(measured.judged, shown)
    return Grid(header, tuple(rows), "r" * len(header), marks=marks)


def _repeats(lines: Sequence[Line], artefact: Artefact) -> Notes:
    """A note on which points of a line share one training."""
    assert artefact.x and artefact.lines
    shared = []
    for line in lines:
        groups: dict[tuple[str, ...], list[str]] = {}
        for point in line.points:
            groups.setdefault(tuple(point.row.asked.values()), []).append(str(point.x))
        place = f"{artefact.lines.name} {line.value}, {artefact.x.name}"
        shared += [f"{place} {', '.join(values)}" for values in groups.values() if len(values) > 1]
    said = ["Bold: the best of its line, ties included."]
    if shared:
        said.append(f"These compute the same and share one training: {'; '.join(shared)}.")
    return Notes(tuple(said))


def _number(launch: Launch, row: Row, axis: Axis) -> Number:
    value = row.axes.get(axis.key)
    if not is_number(value):
        fault = f"launch={launch.id}: {axis.key}={value} at row {row.label} of its plan"
        raise RecordError(f"{fault}; name another launch with launch=")
    return value
