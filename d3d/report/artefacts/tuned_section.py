"""Adds the tuned rows of a search to a table: their accuracies, their settings and the cost of finding them."""

from collections.abc import Sequence
from dataclasses import replace

from d3d.bench.record.schema import Launch, Study
from d3d.report.document.blocks import Bold, Entry
from d3d.report.made_by import command_of
from d3d.report.rows import (
    MISSING,
    Row,
    accuracy_text,
    accuracy_values,
    best_mean,
    interval_heading,
    interval_text,
    missing_lines,
)

NUMBERS = ("mean", "std", "low", "high")
COLUMNS = tuple(f"tuned_{name}" for name in ("seeds", *NUMBERS, "trials", "epochs", "cells"))  # in the CSV


def tuned_header(tuned: Sequence[Row]) -> tuple[str, str, str]:
    """The headings of the columns that `tuned_entries` fills."""
    return "tuned", interval_heading(tuned), "budget"


def tuned_values(launch: Launch, tuned: Sequence[Row], label: str) -> dict[str, str]:
    """Column → text of a row in the CSV, with empty texts for a row without a study or without a number."""
    if launch.tuned is None:
        return {}
    values = dict.fromkeys(COLUMNS, "")
    study = launch.tuned.studies.get(label)
    if study:
        values |= {"tuned_trials": str(study.trials), "tuned_epochs": str(study.epochs)}
    for row in tuned:
        if row.label == label:
            numbers = accuracy_values(row)
            values |= {f"tuned_{name}": numbers[f"top1_{name}"] for name in NUMBERS}
            values |= {"tuned_seeds": str(len(row.cells)), "tuned_cells": " ".join(row.asked.values())}
    return values


def tuned_entries(launch: Launch, tuned: Sequence[Row], label: str) -> tuple[Entry, ...]:
    """A row's entries in the columns of `tuned_header`."""
    study = launch.tuned.studies.get(label) if launch.tuned else None
    if study is None:
        return "", "", ""
    row = next((row for row in tuned if row.label == label), None)
    if row is None or row.accuracy is None:
        return MISSING, MISSING, budget(study)
    text = accuracy_text(row)
    best = round(row.accuracy.mean, 2) == best_mean(tuned)
    return Bold(text) if best else text, interval_text(row), budget(study)


def budget(study: Study) -> str:
    """What the search for one row's settings cost, in words."""
    ended = [f"{count} {how}" for count, how in ((study.pruned, "pruned"), (study.failed, "failed")) if count]
    within = f" ({', '.join(ended)})" if ended else ""
    return f"{study.trials} trial{'s' * (study.trials != 1)}{within}, {study.epochs} epoch{'s' * (study.epochs != 1)}"


def tuned_notes(launch: Launch, tuned: Sequence[Row]) -> list[str]:
    """Notes on how the tuned rows were made, which of them are unfinished, and the settings of each."""
    if launch.tuned is None:
        return []
    then = (
        "then trained on all of them; the test clips were not looked at"
        if launch.split != "validation"
        else "and judged here by the clips of that same split, which the search has seen"
    )
    notes = [
        f"Tuned: each row with the settings that its study of the search {launch.tuned.search} found most accurate on "
        f"a validation split of the training clips, {then}. The budget is the number of trials of the study, and of "
        "epochs trained in all of them together."
    ]
    unfinished = [label for label in launch.tuned.studies if label not in {row.label for row in tuned}]
    unfinished += [row.label for row in tuned if row.missing]
    if unfinished:
        notes.append(f"{MISSING} not tuned yet: {'; '.join(unfinished)}. To fill: `{command_of(launch)}`")
    for label, study in launch.tuned.studies.items():
        if study.settings is not None and study.validation_top1 is not None:
            settings = ", ".join(f"{key} = {_value(value)}" for key, value in study.settings.items())
            notes.append(f"{label}, tuned: {settings}; {study.validation_top1:.2f} on the validation split.")
    return notes


def tuned_missing(launch: Launch, tuned: Sequence[Row]) -> tuple[str, ...]:
    """One line for each row whose study is unfinished, and for unfinished tuned cells."""
    if launch.tuned is None:
        return ()
    there = {row.label for row in tuned}
    studies = [
        f"{label}, tuned: its study is unfinished ({budget(study)}); run: {launch.portable_command}"
        for label, study in launch.tuned.studies.items()
        if label not in there
    ]
    return *studies, *missing_lines(
        [replace(row, label=f"{row.label}, tuned") for row in tuned], launch.portable_command
    )


def _value(value: object) -> str:
    """A setting with four significant digits, which are enough for a randomly drawn number."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
