"""Builds a table of methods: all published rows, and the measured row of each system on each dataset that was run."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from d3d.bench.declare.ablations import options
from d3d.bench.declare.claims import Comparison, parse_claim
from d3d.bench.record.schema import Launch
from d3d.report import Built, Document
from d3d.report.artefacts.baselines import baseline_accuracies
from d3d.report.artefacts.claim_marks import claim_marks, labels_of
from d3d.report.artefacts.files import write
from d3d.report.artefacts.registry import ACCURACY, BY_CLASS, PROVENANCE, Artefact
from d3d.report.artefacts.verdict_section import OUTCOMES, orderings, tally, verdict_blocks, verdict_heading
from d3d.report.caveats import caveats
from d3d.report.document.blocks import Block, Bold, Entry, Grid, Notes, Text
from d3d.report.document.writers import csv_bytes
from d3d.report.made_by import command_of, made_by, provenance
from d3d.report.published import DOUBTFUL, Column, Method, Published, doubts_said, published
from d3d.report.record import Record
from d3d.report.rows import (
    MISSING,
    Accuracy,
    Row,
    accuracy_values,
    chance_note,
    missing_lines,
    missing_note,
    rows_of,
    seeds_note,
    setting,
    spread_text,
    unfinished,
)
from d3d.report.statistics.inference import LEAST_SEEDS, SIGNIFICANCE, Sample, beside_published
from d3d.report.statistics.verdicts import Evidence, Pair, Verdict, conclude
from d3d.report.statistics.wording import too_few

OURS = "Ours"
COLUMNS = ("method", "modality", "pretrained", "dataset", "data", "preset", "seeds", *ACCURACY, BY_CLASS, "published")
MEASURED = (
    "Measured: mean ± standard deviation over seeds; in brackets the difference from the published number of the same "
    "method, which for the paper's own model is the row Ours."
)
HOW = (
    "Only the printed number of another method is known. It is treated as a single training with the same spread as "
    "this model's, tested on other clips: p is of a t test whose variance has a part for the seeds, for that training, "
    f"and for the takes of both, Holm-corrected over the claims of this table. {OUTCOMES} The other method was "
    "not run on these frames: the verdict is about the numbers of this record, not about the two methods."
)


@dataclass(frozen=True)
class Run:
    """The measured row of one system on the dataset of one column."""

    column: str
    launch: Launch
    row: Row
    method: Method | None  # the published row of the same system; None if the paper has none
    modality: str  # R, P or R+P
    metric: Literal["top1", "mean_class_accuracy"]

    @property
    def accuracy(self) -> Accuracy | None:
        """The row's accuracy in the metric of the column."""
        return self.row.accuracy if self.metric == "top1" else self.row.class_accuracy

    @property
    def sample(self) -> Sample | None:
        """The row's sample in the metric of the column."""
        return self.row.sample if self.metric == "top1" else self.row.class_sample

    @property
    def name(self) -> str:
        """The row's name in the table."""
        who = "" if self.ours else f"{self.row.label} on "
        return f"measured: {who}{self.launch.data}, preset {self.launch.preset}"

    @property
    def ours(self) -> bool:
        """Whether the system is the paper's own model; the claims are about that model only."""
        return self.method is not None and self.method.method == OURS


def build(record: Record, artefact: Artefact, launches: Sequence[Launch], folder: Path, partial: bool) -> Built:
    """Writes the table of the newest launch on each dataset.

    Args:
        record: The record to read the cells from.
        artefact: The table to build.
        launches: The newest launch on each dataset that asks for the table.
        folder: Where the files go.
        partial: Whether a row with only some of its seeds finished still gets numbers.

    Raises RecordError if the record contradicts itself.
    """
    printed = published(artefact.name)
    runs: list[Run] = []
    notes: list[str] = []
    for name, column in printed.columns.items():
        for launch in launches:
            if launch.data.startswith(column.data):
                cells = record.cells(launch)
                runs += _runs(printed, name, column, launch, rows_of(launch, cells, partial))
                notes += caveats(launch, cells)
    verdicts = _verdicts(printed, runs)
    blocks: list[Block] = [
        Text(f"{printed.caption} ({printed.section}): the published rows, then the measured rows of this record."),
        _grid(printed, runs, verdicts),
        Notes((*_footnotes(printed, runs), *notes, *_baseline_notes(record, runs))),
        verdict_heading(),
        *(block for run in runs for block in _orderings(printed, run)),
        *verdict_blocks(verdicts, (HOW,)),
    ]
    columns = dict.fromkeys([*COLUMNS, "difference", "cells", *PROVENANCE])
    csv = csv_bytes(list(columns), _csv(printed, runs))
    launches = _launches(runs)
    pretrained = [each.method for each in printed.methods if each.pretrained]
    caption = (
        *([MEASURED] if runs else []),
        *_doubts(printed),
        *([f"Pre-trained: {', '.join(pretrained)}."] if pretrained else []),
        *(f"Setting: {_setting(launch, runs)}." for launch in launches),
        *unfinished([run.row for run in runs]),
    )
    missing = tuple(line for run in runs for line in missing_lines([run.row], run.launch.portable_command))
    tallies = (tally(artefact.name, "", verdicts),) if verdicts else ()
    document = Document(artefact.name, artefact.title, blocks, launches, {"": verdicts}, caption)
    return Built(write(document, folder, csv), missing, tuple(notes), tallies, documents=(document,))


def _runs(printed: Published, name: str, column: Column, launch: Launch, rows: Sequence[Row]) -> Iterator[Run]:
    """The rows of a launch in the column `name`. The launch's reference is the paper's own model."""
    own = next((row for row in rows if row.label == launch.reference), rows[0])
    for row in rows:
        recorded = next((cell.modality for cell in row.cells.values() if cell.modality), "")
        named = ((each.method == OURS) if row is own else each.is_of(row.label, recorded) for each in printed.methods)
        method = next((each for each, is_it in zip(printed.methods, named, strict=True) if is_it), None)
        modality = recorded or (method.modality if method else "")
        yield Run(name, launch, row, method, modality, column.metric)


def _launches(runs: Sequence[Run]) -> list[Launch]:
    """The launches of the runs, each once, in the order of the runs."""
    return list({run.launch.id: run.launch for run in runs}.values())


def _grid(printed: Published, runs: Sequence[Run], verdicts: Sequence[Verdict]) -> Grid:
    """One line for each method and one column for each dataset; below them the measured rows with their differences."""
    names = list(printed.columns)
    lines: list[tuple[Entry, ...]] = []
    for each in printed.methods:
        doubtful = DOUBTFUL if each.doubt else ""
        texts: list[str] = [each.method, each.modality, "✓" if each.pretrained else ""]
        texts += ["" if value is None else f"{value:.1f}{doubtful}" for value in each.values]
        lines.append(tuple(Bold(text) if text and each.method == OURS else text for text in texts))
    for run in runs:
        numbers = ["" if name != run.column else _measured_text(run, _printed_value(printed, run)) for name in names]
        lines.append((run.name, run.modality, "", *numbers))
    methods = [*([each.method] for each in printed.methods), *([] for _ in runs)]
    marks = claim_marks({"": verdicts}, methods, OURS, lambda claim: labels_of(claim.partition(": ")[2]))
    header = ("method", "modality", "pre-trained", *names)
    narrow = tuple(number for number, name in enumerate(header) if name != "pre-trained")
    return Grid(header, tuple(lines), "lll" + "r" * len(names), narrow, marks)


def _measured_text(run: Run, value: float | None) -> str:
    if run.accuracy is None:
        return MISSING
    difference = "" if value is None else f" ({run.accuracy.mean - value:+.2f})".replace("-", "−")
    return spread_text(run.accuracy) + difference


def _footnotes(printed: Published, runs: Sequence[Run]) -> Iterator[str]:
    if runs:
        yield MEASURED
    yield from _doubts(printed)
    for launch in _launches(runs):
        own = [run for run in runs if run.launch.id == launch.id]
        rows = [run.row for run in own]
        yield f"{launch.data}, preset {launch.preset}: {_setting(launch, runs)}. {made_by(launch)}"
        yield from (f"{run.name}: {said}" for run in own if (said := _top1_beside(run)))
        yield from (f"{launch.data}: {note}" for note in chance_note(rows))
        yield from missing_note(rows, command_of(launch))
        yield from seeds_note(rows)
    for name, column in printed.columns.items():
        if all(run.column != name for run in runs):
            yield f"{name}: not run. {_how_to_run(column)}"


def _doubts(printed: Published) -> Iterator[str]:
    return doubts_said({each.method: each.doubt for each in printed.methods})


def _setting(launch: Launch, runs: Sequence[Run]) -> str:
    return setting(launch, [run.row for run in runs if run.launch.id == launch.id])


def _top1_beside(run: Run) -> str:
    """The top-1 of a run that is compared by its mean class accuracy; empty for other runs."""
    if run.metric == "top1" or run.accuracy is None:
        return ""
    interval = f"{run.accuracy.low:.2f} to {run.accuracy.high:.2f}"
    return f"mean class accuracy, 95 % interval {interval}; top-1 is {spread_text(run.row.accuracy)}."


def _baseline_notes(record: Record, runs: Sequence[Run]) -> Iterator[str]:
    """The accuracies of the classical baselines on the data of each run."""
    for launch in _launches(runs):
        baselines = baseline_accuracies(record, launch)
        if baselines:
            yield f"{launch.data}: {baselines.note}"


def _how_to_run(column: Column) -> str:
    """How to run a dataset that was not run."""
    data = column.launch.split()[0].removeprefix("data=")
    if data in options("data"):
        return f"To run: `python orchestrate.py ablation=comparison {column.launch} data.root=DIR`"
    return f"This project does not read {data} yet."


def _orderings(printed: Published, run: Run) -> list[Block]:
    """The order of this model among the other methods, as published and as measured."""
    if run.accuracy is None or not run.ours:
        return []
    values = {each.method: _value(printed, each, run.column) for each in printed.methods}
    there = {method: value for method, value in values.items() if value is not None}
    measured = {**there, OURS: run.accuracy.mean}
    return [Text(f"{run.column}, {run.launch.data}:"), *orderings(there, measured)]


def _verdicts(printed: Published, runs: Sequence[Run]) -> tuple[Verdict, ...]:
    """The verdict on each claim for each dataset."""
    judged: list[tuple[str, Evidence]] = []
    for column, claims in printed.claims.items():
        here = [run for run in runs if run.column == column and run.row.accuracy and run.ours]
        for text in claims:
            name = f"{column}: {text}"
            judged += [(name, _evidence(printed, run, text)) for run in here]
            if not here:
                judged.append((name, Evidence("", obstacle="not run")))
    return conclude([text for text, _ in judged], [[evidence for _, evidence in judged]], [SIGNIFICANCE])


def _evidence(printed: Published, run: Run, text: str) -> Evidence:
    """This model compared with the printed number of another method; the claim may name either of them first."""
    claim = parse_claim(text)
    (part,) = claim.parts
    assert isinstance(part, Comparison) and not claim.metric and run.accuracy and run.sample
    other = part.left if part.right == OURS else part.right
    value = _value(printed, next(each for each in printed.methods if each.method == other), run.column)
    if value is None:
        return Evidence("", obstacle=f"no number of {other} is printed")
    measured = f"{run.accuracy.mean:.2f} ({run.launch.data}) against {value:.1f}"
    if run.sample.takes < 2:
        return Evidence(measured, obstacle="all test clips are of one take")
    if not run.row.enough:
        return Evidence(measured, lacking=too_few(len(run.row.counted), f"`seeds={LEAST_SEEDS}` runs them"))
    margin = part.margin / 100
    bounds = (margin, math.inf) if part.left == OURS else (-math.inf, -margin)
    if part.relation == "~":
        bounds = (-margin, margin)
    pair = Pair(f"{OURS} − {other}", beside_published(run.sample, value / 100), bounds)
    return Evidence(measured, (pair,), len(run.row.counted))


def _csv(printed: Published, runs: Sequence[Run]) -> Iterator[dict[str, str]]:
    """One line for each method and dataset, with the measured ones last."""
    for each in printed.methods:
        for name in printed.columns:
            value = _value(printed, each, name)
            if value is not None:
                yield {**_who(each), "dataset": name, "published": f"{value:.1f}"}
    for run in runs:
        value, accuracy = _printed_value(printed, run), run.accuracy
        yield {
            "modality": run.modality,
            "pretrained": "false",
            "method": "measured" if run.ours else f"measured: {run.row.label}",
            "dataset": run.column,
            "seeds": str(len(run.row.cells)),
            **accuracy_values(run.row),
            "published": "" if value is None else f"{value:.1f}",
            "difference": "" if value is None or accuracy is None else f"{accuracy.mean - value:.2f}",
            "cells": " ".join(run.row.asked.values()),
            **provenance(run.launch, run.row.cells.values()),
        }


def _who(method: Method) -> dict[str, str]:
    return {
        "method": method.method,
        "modality": method.modality,
        "pretrained": "true" if method.pretrained else "false",
    }


def _printed_value(printed: Published, run: Run) -> float | None:
    """The published number of the system of a run."""
    return None if run.method is None else _value(printed, run.method, run.column)


def _value(printed: Published, method: Method, column: str) -> float | None:
    return method.values[list(printed.columns).index(column)]
