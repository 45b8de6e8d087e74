"""A table of an ablation's rows: top-1 of each beside the published one, and whether it differs from the reference."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.claims import parse_claim
from experiments.declarations import Value
from tables import Built
from tables.artefacts import ACCURACY, Artefact
from tables.document import Block, Bold, Entry, Grid, Notes, Text, latex, markdown
from tables.published import Published, published
from tables.record import Launch, Record, doubts
from tables.rows import MISSING, Row, missing_lines, missing_note, rows_of, seeds_note, setting
from tables.verdicts import HOW, Difference, Pair, Verdict, compare, judge, ordering, orderings, p_text, verdict_blocks
from tables.verdicts import verdict_heading as heading
from tables.writers import csv_bytes, write_files


@dataclass(frozen=True)
class Measured:
    """An ablation's rows, compared and judged."""

    artefact: Artefact
    printed: Published
    launch: Launch
    rows: tuple[Row, ...]
    differences: Mapping[Pair, Difference]
    verdicts: tuple[Verdict, ...]
    doubts: tuple[str, ...]


def build(record: Record, artefact: Artefact, launches: Sequence[Launch], folder: Path, partial: bool) -> Built:
    """Write NAME.csv, .md and .tex of the newest launch. Raises RecordError where the record contradicts itself."""
    measured = measure(record, artefact, launches[0], partial)
    return finish(measured, folder, [row_grid(measured)], {})


def measure(record: Record, artefact: Artefact, launch: Launch, partial: bool) -> Measured:
    """What the record holds of a launch. Figures whose CSV shows no p-value are tested for their claims alone."""
    cells = record.cells(launch)
    rows = rows_of(launch, cells, partial)
    claims = [parse_claim(text) for text in launch.claims]
    reference = None if artefact.columns else launch.reference
    found = compare(rows, reference, claims)
    verdicts = tuple(judge(claim, rows, found) for claim in claims)
    return Measured(artefact, published(artefact.name), launch, rows, found, verdicts, doubts(launch, cells))


def finish(measured: Measured, folder: Path, shown: Sequence[Block], images: Mapping[str, bytes]) -> Built:
    """Write the CSV, the document around what is shown, and the images by kind."""
    name, launch, rows = measured.artefact.name, measured.launch, measured.rows
    title = measured.artefact.title
    blocks = [
        Text(f"Top-1 in percent, mean ± standard deviation over seeds: {setting(launch, rows)}."),
        *shown,
        Notes((*missing_note(rows, launch.command), *_footnotes(measured), *measured.doubts, *seeds_note(rows))),
        heading(),
        *_orderings(measured),
        *verdict_blocks(measured.verdicts, (HOW,)),
    ]
    columns = measured.artefact.columns or {key: key for key in _columns(rows)}
    values = [_values(measured, row) for row in rows]
    contents = {
        f"{name}.csv": csv_bytes(
            list(columns), [{column: row[key] for column, key in columns.items()} for row in values]
        ),
        f"{name}.md": markdown(title, blocks),
        f"{name}.tex": latex(title, blocks),
        **{f"{name}.{kind}": image for kind, image in images.items()},
    }
    return Built(write_files(folder, contents), missing_lines(rows, launch.command), measured.doubts)


def row_grid(measured: Measured) -> Grid:
    """A line a row, the highest mean bold. Published value and difference stand beside the measured one, if any."""
    printed = measured.printed.rows
    reference = measured.launch.reference
    best = max((round(row.accuracy.mean, 2) for row in measured.rows if row.accuracy), default=None)
    header = ["row", "measured", "95 % interval"]
    if printed:
        header[1:1] = ["in the paper", "published"]
        header.insert(4, "difference")
    if reference:
        header.append(f"p against {reference}")
    lines = []
    for row in measured.rows:
        numbers = _values(measured, row)
        measured_text = accuracy_text(row)
        entry: Entry = Bold(measured_text) if row.accuracy and round(row.accuracy.mean, 2) == best else measured_text
        line: list[Entry] = [row.label + _mark(measured, row), entry, _interval(row)]
        if printed:
            line[1:1] = [printed[row.label].printed if row.label in printed else "", numbers["published"]]
            line.insert(4, _signed(numbers["difference"]))
        if reference:
            line.append(_p_entry(measured, row))
        lines.append(tuple(line))
    align = "".join("l" if name in ("row", "in the paper") else "r" for name in header)
    return Grid(tuple(header), tuple(lines), align)


def accuracy_text(row: Row) -> str:
    """Mean ± standard deviation; one seed has no spread."""
    if row.accuracy is None:
        return MISSING
    spread = "" if math.isnan(row.accuracy.std) else f" ± {row.accuracy.std:.2f}"
    return f"{row.accuracy.mean:.2f}{spread}"


def value_text(value: Value) -> str:
    """As YAML writes it."""
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)


def accuracy_values(row: Row) -> dict[str, str]:
    """The CSV's numbers of a row; percent with two decimals, empty where there is none."""
    if row.accuracy is None:
        return dict.fromkeys(ACCURACY, "")
    accuracy = row.accuracy
    numbers = (accuracy.mean, accuracy.std, accuracy.low, accuracy.high)
    texts = ["" if math.isnan(number) else f"{number:.2f}" for number in numbers]
    return dict(zip(ACCURACY, [*texts, str(accuracy.clips)], strict=True))


def _columns(rows: Sequence[Row]) -> list[str]:
    axes = dict.fromkeys(key for row in rows for key in row.axes)
    return ["row", *axes, "seeds", *ACCURACY, "published", "difference", "p_value", "cells"]


def _values(measured: Measured, row: Row) -> dict[str, str]:
    """Column → text, for the CSV."""
    printed = measured.printed.rows.get(row.label)
    difference = measured.differences.get((row.label, measured.launch.reference or ""))
    return {
        "row": row.label,
        **dict.fromkeys((key for other in measured.rows for key in other.axes), ""),
        **{key: value_text(value) for key, value in row.axes.items()},
        "seeds": str(len(row.cells)),
        **accuracy_values(row),
        "published": f"{printed.value:.1f}" if printed else "",
        "difference": f"{row.accuracy.mean - printed.value:.2f}" if printed and row.accuracy else "",
        "p_value": f"{difference.p_value:.3g}" if difference else "",
        "cells": " ".join(row.asked.values()),
    }


def _orderings(measured: Measured) -> list[Block]:
    values = {label: row.value for label, row in measured.printed.rows.items()}
    means = {row.label: row.accuracy.mean for row in measured.rows if row.accuracy}
    if values:
        return orderings(values, means)
    claim, section = measured.printed.claim, measured.printed.section
    said = (
        f"The paper ({section}) prints no values and claims: {claim}." if claim else "The paper prints no values of it."
    )
    return [Text(said), *([] if measured.artefact.lines else [Text(f"Measured ordering: {ordering(means)}.")])]


def _mark(measured: Measured, row: Row) -> str:
    marked = [label for label in measured.artefact.footnotes if any(row.label == label for row in measured.rows)]
    return f" [{'abcdefgh'[marked.index(row.label)]}]" if row.label in marked else ""


def _footnotes(measured: Measured) -> list[str]:
    texts = measured.artefact.footnotes
    return [f"{_mark(measured, row).strip()} {texts[row.label]}." for row in measured.rows if row.label in texts]


def _interval(row: Row) -> str:
    return f"{row.accuracy.low:.2f} to {row.accuracy.high:.2f}" if row.accuracy else MISSING


def _signed(difference: str) -> str:
    return f"{float(difference):+.2f}".replace("-", "−") if difference else MISSING


def _p_entry(measured: Measured, row: Row) -> str:
    reference = next((other for other in measured.rows if other.label == measured.launch.reference), row)
    if row.same_training(reference):
        return ""
    difference = measured.differences.get((row.label, reference.label))
    return p_text(difference.p_value if difference else None)
