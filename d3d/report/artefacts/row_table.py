"""Builds the table of an ablation: measured and published top-1 of each row, and its difference from the reference."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from d3d.bench.declare.ablations import RECIPE, TUNED, Value
from d3d.bench.record.schema import Launch
from d3d.report import Built, Document
from d3d.report.artefacts import costs
from d3d.report.artefacts.baselines import chosen_notes
from d3d.report.artefacts.claim_marks import claim_marks
from d3d.report.artefacts.files import write
from d3d.report.artefacts.measured_rows import Measured, measure
from d3d.report.artefacts.movement import movement_notes
from d3d.report.artefacts.registry import ACCURACY, BY_CLASS, PROVENANCE, Artefact
from d3d.report.artefacts.tuned_section import (
    COLUMNS,
    tuned_entries,
    tuned_header,
    tuned_missing,
    tuned_notes,
    tuned_values,
)
from d3d.report.artefacts.verdict_section import how_judged, orderings, verdict_blocks
from d3d.report.artefacts.verdict_section import verdict_heading as heading
from d3d.report.document.blocks import Block, Bold, Entry, Grid, Heading, Notes, Text
from d3d.report.document.writers import csv_bytes
from d3d.report.made_by import command_of, made_by, provenance
from d3d.report.published import DOUBTFUL, doubts_said
from d3d.report.record import Record
from d3d.report.rows import (
    MISSING,
    Row,
    accuracy_text,
    accuracy_values,
    best_mean,
    chance_note,
    interval_heading,
    interval_note,
    interval_text,
    missing_lines,
    missing_note,
    parts_note,
    parts_of,
    seeds_note,
    setting,
    spread_text,
    unfinished,
)
from d3d.report.statistics.wording import difference_text, ordering, p_text, signed

REFERENCE = ("to_reference", "to_reference_low", "to_reference_high", "p_value")  # columns of the CSV
OF_PART = (*(name for name in ACCURACY if name != "clips"), "published")  # columns for each part of the labels
NARROW = ("row", "published", "measured", RECIPE, TUNED, "mean class accuracy")  # columns in a column of a page
PARAMS = {"model": "model.system"}  # key of a row → the parameter of its cells, where that has another name
AVERAGED = "finegym"  # data whose classes are so unequal in size that accuracy is averaged over classes too


def build(record: Record, artefact: Artefact, launches: Sequence[Launch], folder: Path, partial: bool) -> Built:
    """Writes the table of the newest launch.

    Args:
        record: The record to read the cells from.
        artefact: The table to build.
        launches: Launches that ask for the table, newest first.
        folder: Where the files go.
        partial: Whether a row with only some of its seeds finished still gets numbers.

    Raises RecordError if the record contradicts itself.
    """
    measured = measure(record, artefact, launches[0], partial)
    caption = (
        f"Top-1 in percent, mean ± standard deviation over seeds: {setting(measured.launch, measured.rows)}.",
        *unfinished(measured.rows),
        *tuned_notes(measured.launch, _tuned(measured))[:1],
        *_footnotes(measured),
        *_doubts(measured),
    )
    return finish(measured, folder, [row_grid(measured)], caption, {})


def finish(
    measured: Measured, folder: Path, shown: Sequence[Block], caption: Sequence[str], images: Mapping[str, bytes]
) -> Built:
    """Writes the CSV and the documents of a table or figure of rows.

    Args:
        measured: The rows and everything that is said about them.
        folder: Where the files go.
        shown: The blocks in the middle of the document, usually the table.
        caption: What a paper says below it.
        images: End of a file's name, such as ".png" → bytes; empty for a table.
    """
    artefact, launch, rows = measured.artefact, measured.launch, measured.rows
    blocks = [
        Text(f"Top-1 in percent, mean ± standard deviation over seeds: {setting(launch, rows)}. {made_by(launch)}"),
        *shown,
        Notes(tuple(_notes(measured))),
        heading(),
        *_verdict(measured),
    ]
    missing = (*missing_lines(rows, launch.portable_command), *tuned_missing(launch, _tuned(measured)))
    png = images.get(".png")
    document = Document(artefact.name, artefact.title, blocks, (launch,), measured.judged, caption, png)
    files = write(document, folder, _csv(measured), images)
    return Built(files, missing, measured.caveats, measured.tallies, documents=(document,))


def row_grid(measured: Measured) -> Grid:
    """The table of the document, with a line for each row and the highest mean in bold.

    Columns for published values, the reference and tuned rows are there only if the launch has them.
    """
    printed = measured.printed.rows
    launch = measured.launch
    best = best_mean(measured.rows)
    header = ["row", RECIPE if launch.tuned else "measured", interval_heading(measured.rows)]
    by_class = launch.data.startswith(AVERAGED)
    parts = parts_of(measured.rows)
    printed_parts = [part for part in parts if any(row.of(part) is not None for row in printed.values())]
    if printed:
        header[1:1] = ["in the paper", "published"]
        header.insert(4, "from published")
    if by_class:
        header.append("mean class accuracy")
    for part in parts:
        header += [f"{part}, published", part] if part in printed_parts else [part]
    if launch.reference:
        header += [f"less {launch.reference}", "p"]
    if launch.tuned:
        header += tuned_header(_tuned(measured))
    if measured.artefact.costs:
        header += costs.HEADER
    lines = []
    for row in measured.rows:
        numbers = _values(measured, row)
        measured_text = accuracy_text(row)
        entry: Entry = Bold(measured_text) if row.accuracy and round(row.accuracy.mean, 2) == best else measured_text
        line: list[Entry] = [row.label + _mark(measured, row), entry, interval_text(row)]
        if printed:
            theirs = printed.get(row.label)
            doubtful = DOUBTFUL if theirs and theirs.doubt else ""
            line[1:1] = [theirs.printed if theirs else "", numbers["published"] + doubtful]
            line.insert(4, _signed(numbers["difference"]))
        if by_class:
            line.append(spread_text(row.class_accuracy))
        for part in parts:
            if part in printed_parts:
                line.append(numbers[f"{part}_published"])
            line.append(spread_text(seen.accuracy if (seen := row.of(part)) else None))
        if launch.reference:
            line += _against_reference(measured, row)
        if launch.tuned:
            line += tuned_entries(launch, _tuned(measured), row.label)
        if measured.artefact.costs:
            line += costs.cost_entries(row)
        lines.append(tuple(line))
    align = "".join("l" if name in ("row", "in the paper", "budget", "reads") else "r" for name in header)
    narrow = tuple(number for number, name in enumerate(header) if name in (*NARROW, *parts))
    marks = claim_marks(measured.judged, [[row.label] for row in measured.rows], launch.reference)
    return Grid(tuple(header), tuple(lines), align, narrow, marks)


def value_text(value: Value) -> str:
    """A configuration value as YAML writes it."""
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)


def setting_text(row: Row, key: str) -> str:
    """What a row sets a key to, or else what its cells recorded of it; empty if it has none or none is finished."""
    if key in row.axes:
        return value_text(row.axes[key])
    recorded = next((cell.params.get(PARAMS.get(key, key), "") for cell in row.cells.values()), "")
    return {"None": "null", "True": "true", "False": "false"}.get(recorded, recorded)


def _csv(measured: Measured) -> bytes:
    columns = dict(measured.artefact.columns) or {key: key for key in _columns(measured.rows)}
    columns |= {f"{part}_{name}": f"{part}_{name}" for part in parts_of(measured.rows) for name in OF_PART}
    columns |= {key: key for key in COLUMNS if measured.launch.tuned}
    columns |= {key: key for key in costs.COSTS if measured.artefact.costs}
    columns |= {key: key for row in measured.rows for key in _of_folds(row)}
    columns |= {key: key for key in PROVENANCE}
    values = [_values(measured, row) for row in measured.rows]
    return csv_bytes(list(columns), [{column: row.get(key, "") for column, key in columns.items()} for row in values])


def _of_folds(row: Row) -> dict[str, float]:
    """Column → mean top-1 of a fold in percent, if the row is averaged over folds."""
    return {f"fold_{number}": value for number, value in row.of_folds.items()}


def _tuned(measured: Measured) -> tuple[Row, ...]:
    return measured.tuned.rows if measured.tuned else ()


def _columns(rows: Sequence[Row]) -> list[str]:
    axes = dict.fromkeys(key for row in rows for key in row.axes)
    return ["row", *axes, "seeds", *ACCURACY, BY_CLASS, "published", "difference", *REFERENCE, "cells"]


def _values(measured: Measured, row: Row) -> dict[str, str]:
    """Column → text of a row in the CSV."""
    printed = measured.printed.rows.get(row.label)
    difference = measured.recipe.differences.get(row.label)
    low, high = (difference and difference.interval) or (None, None)
    return {
        "row": row.label,
        **{key: setting_text(row, key) for other in measured.rows for key in other.axes},
        "seeds": str(len(row.cells)),
        **accuracy_values(row),
        "published": f"{printed.value:.1f}" if printed else "",
        "difference": f"{row.accuracy.mean - printed.value:.2f}" if printed and row.accuracy else "",
        "to_reference": _points(float(difference.estimate.value) if difference else None),
        "to_reference_low": _points(low),
        "to_reference_high": _points(high),
        "p_value": f"{difference.p_value:.3g}" if difference and difference.p_value is not None else "",
        "cells": " ".join(row.asked.values()),
        **{key: f"{value:.2f}" for key, value in _of_folds(row).items()},
        **{key: text for part in parts_of(measured.rows) for key, text in _part_values(measured, row, part).items()},
        **tuned_values(measured.launch, _tuned(measured), row.label),
        **costs.cost_values(row),
        **provenance(measured.launch, row.cells.values()),
    }


def _part_values(measured: Measured, row: Row, part: str) -> dict[str, str]:
    """Column → text of a row in the CSV, about one part of the labels."""
    seen, printed = row.of(part), measured.printed.rows.get(row.label)
    numbers = accuracy_values(seen) if seen else {}
    value = printed.of(part) if printed else None
    texts = {name: numbers.get(name, "") for name in OF_PART} | {"published": "" if value is None else f"{value:.1f}"}
    return {f"{part}_{name}": text for name, text in texts.items()}


def _notes(measured: Measured) -> Iterator[str]:
    """What a reader of the numbers has to know, ending with the accuracies of the classical baselines."""
    launch, rows = measured.launch, measured.rows
    yield from missing_note(rows, command_of(launch))
    yield from tuned_notes(launch, _tuned(measured))
    yield from _footnotes(measured)
    yield from _other_data(measured)
    yield from _doubts(measured)
    yield from measured.caveats
    yield from interval_note(rows)
    yield from parts_note(rows)
    if measured.recipe.differences and launch.reference:
        yield (
            f"Less {launch.reference}: the difference in points, with its 95 % interval; p is Holm-corrected over all "
            "pairs of rows that this table tests."
        )
    yield from seeds_note(rows)
    if measured.artefact.costs:
        yield costs.NOTE
    yield from movement_notes(rows)
    yield from chosen_notes(rows)
    yield from chance_note(rows)
    if measured.baselines:
        yield measured.baselines.note


def _other_data(measured: Measured) -> Iterator[str]:
    """A note where the published values are of other data than the rows."""
    theirs, ours = measured.printed.data, measured.launch.data
    if theirs and not ours.startswith(theirs):
        yield f"The published values are of {theirs}, these rows of {ours}: compare the order, not the numbers."


def _doubts(measured: Measured) -> Iterator[str]:
    return doubts_said({label: theirs.doubt for label, theirs in measured.printed.rows.items()})


def _verdict(measured: Measured) -> Iterator[Block]:
    """The orderings and the claims, with a search once for each part; how claims are judged comes once, at the end."""
    *_, last = measured.parts
    for part, judged in measured.parts.items():
        if part:
            yield Heading(part.capitalize(), minor=True)
        yield from _orderings(measured, judged.rows)
        family = "each of the two parts" if part else "this table"
        rules = (how_judged(family, measured.launch.settle),) if part == last and judged.verdicts else ()
        yield from verdict_blocks(judged.verdicts, rules)


def _orderings(measured: Measured, rows: Sequence[Row]) -> list[Block]:
    values = {label: row.value for label, row in measured.printed.rows.items()}
    means = {row.label: row.accuracy.mean for row in rows if row.accuracy}
    if values:
        return orderings(values, means)
    blocks: list[Block] = [Text(measured.printed.without_values)]
    return blocks if measured.artefact.lines else [*blocks, Text(f"Measured ordering: {ordering(means)}.")]


def _footnoted(measured: Measured) -> dict[str, str]:
    """Row → its footnote, for the rows with a footnote that applies to them, in the order of the table."""
    found = {}
    for row in measured.rows:
        params = [cell.params for cell in row.cells.values()]
        if texts := [each.text for each in measured.artefact.footnotes.get(row.label, ()) if each.applies(params)]:
            found[row.label] = texts[0]
    return found


def _mark(measured: Measured, row: Row) -> str:
    marked = list(_footnoted(measured))
    return f" [{'abcdefgh'[marked.index(row.label)]}]" if row.label in marked else ""


def _footnotes(measured: Measured) -> list[str]:
    texts = _footnoted(measured)
    return [f"{_mark(measured, row).strip()} {texts[row.label]}." for row in measured.rows if row.label in texts]


def _signed(difference: str) -> str:
    return f"{float(difference):+.2f}".replace("-", "−") if difference else MISSING


def _against_reference(measured: Measured, row: Row) -> tuple[str, str]:
    """The row's difference from the reference with its interval, and the p-value."""
    reference = next((other for other in measured.rows if other.label == measured.launch.reference), row)
    if row.same_training(reference):
        return "", ""
    difference = measured.recipe.differences.get(row.label)
    if difference is None:
        return MISSING, MISSING
    if difference.p_value is None:
        return signed(difference.estimate.value), MISSING
    return difference_text(difference.estimate), p_text(difference.p_value)


def _points(fraction: float | None) -> str:
    return "" if fraction is None else f"{100 * fraction:.2f}"
