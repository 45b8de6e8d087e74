"""Builds a table of what stride attention costs compared with full attention: measured, counted and by the formula."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from d3d.bench.declare.claims import LEVEL, Best, Comparison, parse_claim
from d3d.bench.record.schema import Launch, Metric
from d3d.report import Built, Document
from d3d.report.artefacts.claim_marks import claim_marks
from d3d.report.artefacts.files import write
from d3d.report.artefacts.registry import MODULE, PROVENANCE, Artefact
from d3d.report.artefacts.row_table import setting_text, value_text
from d3d.report.artefacts.verdict_section import kendall_text, tally, verdict_blocks, verdict_heading
from d3d.report.caveats import caveats
from d3d.report.document.blocks import Block, Grid, Notes, Text
from d3d.report.document.writers import csv_bytes
from d3d.report.made_by import command_of, made_by, provenance, recipe
from d3d.report.published import published
from d3d.report.record import Record
from d3d.report.rows import MISSING, Row, missing_lines, missing_note, rows_of, unfinished
from d3d.report.statistics.verdicts import Outcome, Verdict

ATTENTION, WINDOW = "measurement.attention", "measurement.window"
NUMBERS: tuple[str, ...] = (Metric.SCORE_PAIRS, Metric.PRINTED, Metric.FLOPS, Metric.SECONDS, Metric.MEMORY_MIB)
APART = ("score pairs", "printed", "counted / printed")  # columns that a narrow table has no room for
HOW = (
    "Operations are counted, not sampled, so there is no p-value: a > b holds if a does more operations, a ~ b if they "
    f"differ by at most {LEVEL:g} % of the larger, best(…) if no row of the group does more. A margin that a claim "
    "states is in per cent of the larger as well."
)


def build(record: Record, artefact: Artefact, launches: Sequence[Launch], folder: Path, partial: bool) -> Built:
    """Writes the table of the newest launch.

    Args:
        record: The record to read the cells from.
        artefact: The table to build.
        launches: Launches that ask for the table, newest first.
        folder: Where the files go.
        partial: Whether a row with only some of its cells finished still gets numbers.

    Raises RecordError if the record contradicts itself.
    """
    launch = launches[0]
    cells = record.cells(launch)
    rows = [row for row in rows_of(launch, cells, partial) if row.axes.get(MODULE) == artefact.module]
    notes = caveats(launch, {id: cells[id] for row in rows for id in row.asked.values() if id in cells})
    printed = published(artefact.name)
    verdicts = _verdicts(rows, launch)
    blocks: list[Block] = [
        Text(
            "The cost of one attention module on one clip: the query-key products of one head (counted, and by the "
            "paper's formula), the operations of a forward pass, the time of a forward and a backward pass, and the "
            "memory held between the two. "
            f"Width and heads of {recipe(launch)}. {made_by(launch)}"
        ),
        _grid(rows, verdicts),
        Notes((*missing_note(rows, command_of(launch)), *notes)),
        verdict_heading(),
        Text(f"The paper ({printed.section}) says: {printed.claim}. The formula is for one window."),
        *_findings(rows),
        *verdict_blocks(verdicts, (HOW,)),
    ]
    axes = dict.fromkeys(key for row in rows for key in row.axes)
    csv = csv_bytes(["row", *axes, *NUMBERS, "cells", *PROVENANCE], [_values(launch, row, axes) for row in rows])
    caption = (
        f"One attention module on one clip, with the width and heads of {recipe(launch)}: the operations of a forward "
        "pass, the time of a forward and a backward pass, and the memory held between the two.",
        *unfinished(rows),
    )
    tallies = (tally(artefact.name, "", verdicts),) if verdicts else ()
    document = Document(artefact.name, artefact.title, blocks, (launch,), {"": verdicts}, caption)
    missing = missing_lines(rows, launch.portable_command)
    return Built(write(document, folder, csv), missing, notes, tallies, documents=(document,))


def _grid(rows: Sequence[Row], verdicts: Sequence[Verdict]) -> Grid:
    axes = [key for key in dict.fromkeys(key for row in rows for key in row.axes) if key != MODULE]
    names = [key.rpartition(".")[2].replace("_", " ") for key in axes]
    header = (*names, "score pairs", "printed", "counted / printed", "MFLOPs", "of full", "ms", "MiB")
    lines = []
    for row in rows:
        numbers = {name: row.metric(name) for name in NUMBERS}
        pairs, formula, flops = numbers[Metric.SCORE_PAIRS], numbers[Metric.PRINTED], numbers[Metric.FLOPS]
        whole = full_attention(row, rows)
        share = _ratio(flops, whole.metric(Metric.FLOPS)) if whole else None
        lines.append(
            (
                *(value_text(row.axes[key]) if key in row.axes else "" for key in axes),
                _scaled(pairs, 1, "{:,.0f}"),
                _scaled(formula, 1, "{:,.0f}"),
                _scaled(_ratio(pairs, formula), 1, "{:.2f}"),
                _scaled(flops, 1e-6, "{:,.2f}"),
                "" if whole is None else _scaled(share, 100, "{:.0f} %"),
                _scaled(numbers[Metric.SECONDS], 1e3, "{:.2f}"),
                _scaled(numbers[Metric.MEMORY_MIB], 1, "{:.2f}"),
            )
        )
    narrow = tuple(number for number, name in enumerate(header) if name not in APART)
    marks = claim_marks({"": verdicts}, [[row.label] for row in rows])
    return Grid(header, tuple(lines), "r" * len(header), narrow, marks)


def full_attention(row: Row, rows: Sequence[Row]) -> Row | None:
    """The row of full attention over the same tokens as a row of stride attention; None if there is none."""
    if row.axes.get(ATTENTION) == "full":
        return None
    return next((other for other in rows if other.axes.get(ATTENTION) == "full" and _size(other) == _size(row)), None)


def _size(row: Row) -> dict[str, object]:
    return {key: value for key, value in row.axes.items() if key not in (ATTENTION, WINDOW)}


def _findings(rows: Sequence[Row]) -> list[Block]:
    """Where stride attention saves operations, and whether the formula orders the rows as their operations do."""
    shares = {}
    for row in rows:
        whole = full_attention(row, rows)
        share = _ratio(row.metric(Metric.FLOPS), whole.metric(Metric.FLOPS)) if whole else None
        if share is not None:
            shares[row.label] = share
    dearer = [f"{label} ({100 * share:.0f} %)" for label, share in shares.items() if share >= 1]
    there = [row for row in rows if row.counted]
    formula, flops = ([row.metric(name) or 0.0 for row in there] for name in (Metric.PRINTED, Metric.FLOPS))
    found: list[Block] = []
    if shares:
        exceptions = f"; it saves nothing in {'; '.join(dearer)}" if dearer else ""
        cheaper = len(shares) - len(dearer)
        found.append(
            Text(f"Stride attention does fewer operations than full in {cheaper} of {len(shares)} rows{exceptions}.")
        )
    return [*found, kendall_text("the printed formula and the operations counted", formula, flops)]


def _verdicts(rows: Sequence[Row], launch: Launch) -> list[Verdict]:
    """The verdicts on the claims whose rows are all in this table, judged by operations."""
    labels = {row.label for row in rows}
    flops = {row.label: row.metric(Metric.FLOPS) for row in rows}
    verdicts = []
    for claim in map(parse_claim, launch.claims):
        if claim.metric and set(claim.labels) <= labels:
            verdicts.append(Verdict(claim.text, "not tested", None, "", remark=f"a measurement has no {claim.metric}"))
        elif set(claim.labels) <= labels:
            measured = "; ".join(f"{label} {_scaled(flops[label], 1e-6, '{:,.2f}')} MFLOPs" for label in claim.labels)
            holds = [_holds(part, flops) for part in claim.parts]
            outcome: Outcome = "not tested" if None in holds else "holds" if all(holds) else "fails"
            missing = [label for label in claim.labels if flops[label] is None]
            remark = f"not finished: {', '.join(missing)}" if missing else ""
            verdicts.append(Verdict(claim.text, outcome, None, measured, remark=remark))
    return verdicts


def _holds(part: Comparison | Best, flops: dict[str, float | None]) -> bool | None:
    """Whether a part of a claim holds; None if a row is missing."""
    if isinstance(part, Best):
        group = [value for label, value in flops.items() if part.has(label)]
        own = flops[part.row]
        return None if own is None or None in group else own >= max(value for value in group if value is not None)
    left, right = flops[part.left], flops[part.right]
    if left is None or right is None:
        return None
    margin = part.margin / 100 * max(left, right)
    return left - right > margin if part.relation == ">" else abs(left - right) <= margin


def _values(launch: Launch, row: Row, axes: Iterable[str]) -> dict[str, str]:
    """Column → text of a row in the CSV."""
    numbers = {name: row.metric(name) for name in NUMBERS}
    shown = {name: "" if number is None else f"{number:.10g}" for name, number in numbers.items()}
    settings = {key: setting_text(row, key) for key in axes}
    made = provenance(launch, row.cells.values())
    return {"row": row.label, **settings, **shown, "cells": " ".join(row.asked.values()), **made}


def _ratio(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole


def _scaled(value: float | None, factor: float, form: str) -> str:
    return MISSING if value is None else form.format(value * factor)
