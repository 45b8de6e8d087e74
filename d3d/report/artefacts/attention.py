"""Builds a figure of attention, and judges what the paper says about it over all test clips."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from d3d.bench.record.schema import Launch
from d3d.report import Built, Document
from d3d.report.artefacts.attention_plot import clips_said, draw
from d3d.report.artefacts.claim_marks import claim_marks
from d3d.report.artefacts.files import write
from d3d.report.artefacts.registry import PROVENANCE, Artefact
from d3d.report.artefacts.verdict_section import how_judged, tally, verdict_blocks, verdict_heading
from d3d.report.caveats import caveats
from d3d.report.document.blocks import Block, Entry, Grid, Notes, Text
from d3d.report.document.writers import csv_bytes
from d3d.report.made_by import command_of, made_by, provenance
from d3d.report.record import Record
from d3d.report.rows import MISSING, Row, missing_lines, missing_note, rows_of, setting, takes_of, unfinished
from d3d.report.statistics.inference import (
    LEAST_SEEDS,
    SIGNIFICANCE,
    Estimate,
    Sample,
    difference,
    mean_and_std,
    sample,
)
from d3d.report.statistics.verdicts import Evidence, Pair, Verdict, conclude
from d3d.report.statistics.wording import difference_text, too_few

Seeds = Sequence[Mapping[str, Mapping[str, float]]]  # of each seed: clip → number → value
NOTHING = ""  # the number that is zero in every clip


@dataclass(frozen=True)
class Question:
    """Something that a paper says of attention, as two numbers of each clip of which the first should be higher."""

    claim: str
    own: str  # one of NUMBERS in d3d/attention_maps.py
    others: tuple[str, ...]  # `own` should be above each of them


QUESTIONS = {
    "deformable": (
        Question("a frame is attended more, the more moves in it", "frames", (NOTHING, "frames_exchanged")),
        Question(
            "hiding the tokens that are attended most costs more than hiding random ones",
            "tokens_random_hidden",
            ("tokens_most_hidden",),
        ),
    ),
    "joint": (
        Question("a joint is attended more, the more it moves", "joints", (NOTHING, "joints_exchanged")),
        Question(
            "hiding the joints that are attended most costs more than hiding random ones",
            "joints_random_hidden",
            ("joints_most_hidden",),
        ),
    ),
}
SAID = {
    "deformable": 'The paper (section 4.2) says: "The activation is relatively low in inactive scenes, but, on the '
    'contrary, high activation occurs at a large transition among sequences."',
    "joint": 'The paper (section 4.2) says of a sample video that "the joints that move the most" are attended most: '
    '"the attention was largely activated according to this action flow".',
}
SHOWN = {
    "deformable": "The figure has the attention that is given to sampled tokens, splatted back to the token grid, the "
    "mean over blocks, on one scale a clip; dots are the points of the last block with the most attention.",
    "joint": "The figure has the attention on each joint, the mean over blocks; a white joint is a key of no window.",
}
NAMES = {
    NOTHING: "attention shuffled within the clip",
    "frames": "correlation of attention and motion over frames",
    "frames_exchanged": "the same with the attention in other clips",
    "joints": "correlation of attention and speed over joints",
    "joints_exchanged": "the same with the attention in other clips",
    "tokens_random_hidden": "top-1 without random tokens",
    "tokens_most_hidden": "top-1 without the most attended tokens",
    "joints_random_hidden": "top-1 without random joints",
    "joints_most_hidden": "top-1 without the most attended joints",
}
HOW = (
    "Everything is shown times 100. A correlation is Spearman's within a clip, the mean over clips; that of shuffled "
    "attention is 0. Attention that lies on the same frames or joints in every clip correlates as well with the motion "
    "of another clip as with its own, so that the claim has to hold against both. The clips without a correlation, in "
    "which nothing moves or too little is visible, are left out."
)


def build(record: Record, artefact: Artefact, launches: Sequence[Launch], folder: Path, partial: bool) -> Built:
    """Writes the figure of the newest launch; the maps are those of its first row and seed.

    Args:
        record: The record to read the cells from.
        artefact: The figure to build.
        launches: Launches that ask for the figure, newest first.
        folder: Where the files go.
        partial: Whether a row with only some of its seeds finished still gets numbers.

    Raises RecordError if the record contradicts itself.
    """
    launch = launches[0]
    cells = record.cells(launch)
    rows = rows_of(launch, cells, partial)
    numbers = {row.label: [record.attention(cell) for cell in row.counted.values()] for row in rows}
    questions = QUESTIONS[artefact.module]
    notes = caveats(launch, cells)
    verdicts = _verdicts(rows, numbers, questions)
    blocks: list[Block] = [
        Text(f"Where the model looks: {setting(launch, rows)}. {made_by(launch)}"),
        Text(SHOWN[artefact.module]),
        _grid(rows, numbers, questions, verdicts),
        Notes((*missing_note(rows, command_of(launch)), HOW, *notes)),
        verdict_heading(),
        Text(SAID[artefact.module]),
        *verdict_blocks(verdicts, (how_judged("this figure"),)),
    ]
    shown = next((cell for row in rows for cell in row.counted.values()), None)
    maps = record.maps(shown) if shown else None
    images = draw(maps, artefact.module) if maps else {}
    caption = (
        SHOWN[artefact.module],
        *([clips_said(maps, artefact.module)] if maps and images else []),
        f"Measured: {setting(launch, rows)}; numbers times 100, mean ± standard deviation over seeds.",
        *unfinished(rows),
    )
    png = images.get(".png")
    document = Document(artefact.name, artefact.title, blocks, (launch,), {"": verdicts}, caption, png)
    files = write(document, folder, _csv(launch, rows, numbers, questions), images)
    missing = missing_lines(rows, launch.portable_command)
    tallies = (tally(artefact.name, "", verdicts),)
    return Built(files, missing, notes, tallies, documents=(document,))


def samples(row: Row, seeds: Seeds, *names: str) -> tuple[Sample, ...]:
    """The samples of numbers on the clips that have all of them in every seed; empty without such a clip."""
    wanted = [name for name in names if name != NOTHING]
    clips = [
        clip
        for clip in sorted(seeds[0])
        if all(math.isfinite(seed.get(clip, {}).get(name, math.nan)) for seed in seeds for name in wanted)
    ]
    takes = takes_of(row)
    if len({takes[clip] for clip in clips}) < 2:
        return ()
    numbered = np.unique([takes[clip] for clip in clips], return_inverse=True)[1]
    return tuple(
        sample(np.array([[seed[clip].get(name, 0.0) for clip in clips] for seed in seeds]), numbered) for name in names
    )


def _verdicts(rows: Sequence[Row], numbers: Mapping[str, Seeds], questions: Sequence[Question]) -> list[Verdict]:
    claims, evidence = [], []
    for row in rows:
        for question in questions:
            claims.append(_claim(row, question, rows))
            evidence.append(_evidence(row, numbers[row.label], question))
    return list(conclude(claims, [evidence], [SIGNIFICANCE]))


def _evidence(row: Row, seeds: Seeds, question: Question) -> Evidence:
    if not seeds:
        return Evidence("", lacking=f"not finished: {row.label}")
    found = {other: samples(row, seeds, question.own, other) for other in question.others}
    if not all(found.values()):
        return Evidence("", obstacle="fewer than two takes have these numbers")
    first = next(iter(found.values()))[0]
    told = [(question.own, first), *((other, pair[1]) for other, pair in found.items() if other != NOTHING)]
    measured = "; ".join(f"{NAMES[name]} {_mean(each)}" for name, each in told)
    if len(seeds) < LEAST_SEEDS:
        return Evidence(measured, lacking=too_few(len(seeds), f"`seeds={LEAST_SEEDS}` runs them"))
    pairs = tuple(Pair(f"less {NAMES[other]}", _difference(*pair), (0.0, math.inf)) for other, pair in found.items())
    return Evidence(measured, pairs, len(seeds))


def _grid(
    rows: Sequence[Row], numbers: Mapping[str, Seeds], questions: Sequence[Question], verdicts: Sequence[Verdict]
) -> Grid:
    header = ("row", "measured", "", "beside", "", "difference", "clips")
    lines: list[tuple[Entry, ...]] = []
    claims = []
    for row, question in ((row, question) for row in rows for question in questions):
        for other in question.others:
            pair = samples(row, numbers[row.label], question.own, other) if numbers[row.label] else ()
            values = [_spread(each) for each in pair] or [MISSING, MISSING]
            less = difference_text(_difference(*pair)) if pair and pair[0].seeds >= LEAST_SEEDS else MISSING
            clips = f"{pair[0].clips:.0f}" if pair else MISSING
            lines.append((row.label, NAMES[question.own], values[0], NAMES[other], values[1], less, clips))
            claims.append([_claim(row, question, rows)])
    narrow = (0, 1, 2, 3, 4)[len(rows) == 1 :]
    marks = claim_marks({"": verdicts}, claims, named=lambda claim: [claim])
    return Grid(header, tuple(lines), "lwrwrrr", narrow, marks)


def _claim(row: Row, question: Question, rows: Sequence[Row]) -> str:
    return f"{row.label}: {question.claim}" if len(rows) > 1 else question.claim


def _difference(left: Sample, right: Sample) -> Estimate:
    return difference(left, right, paired=True)


def _mean(each: Sample) -> str:
    return f"{100 * each.accuracies.mean():.2f}".replace("-", "−")


def _spread(each: Sample) -> str:
    mean, std = mean_and_std([100 * value for value in each.accuracies.tolist()])
    return (f"{mean:.2f}" if math.isnan(std) else f"{mean:.2f} ± {std:.2f}").replace("-", "−")


def _csv(launch: Launch, rows: Sequence[Row], numbers: Mapping[str, Seeds], questions: Sequence[Question]) -> bytes:
    """A line for each row and number: the mean over seeds of the mean over clips, as it was recorded."""
    lines = []
    for row in rows:
        names = dict.fromkeys(name for each in questions for name in (each.own, *each.others) if name != NOTHING)
        for name in names:
            found = samples(row, numbers[row.label], name) if numbers[row.label] else ()
            shown = {
                "row": row.label,
                "number": name,
                "seeds": str(len(row.counted)),
                "cells": " ".join(row.asked.values()),
                **provenance(launch, row.cells.values()),
            }
            for own in found:
                mean, std = mean_and_std(own.accuracies.tolist())
                shown |= {"mean": f"{mean:.10g}", "std": "" if math.isnan(std) else f"{std:.10g}"}
                shown["clips"] = f"{own.clips:.0f}"
            lines.append({"mean": "", "std": "", "clips": "", **shown})
    return csv_bytes(["row", "number", "seeds", "mean", "std", "clips", "cells", *PROVENANCE], lines)
