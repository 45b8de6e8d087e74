"""From a launch to its cells, each of them once, and to what each ablation wants to know of them."""

import shlex
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from d3d.checkpoint import FILE
from d3d.config import Config, DataConfig
from d3d.data import Dataset, check_frames, open_dataset
from d3d.errors import ConfigError
from experiments.cell import KINDS, Cell, make_cell
from experiments.compose import ALL, Launch, configure
from experiments.declarations import Ablation, Row, Value, ablations
from experiments.identity import short_hash

Datasets = Mapping[DataConfig, Dataset]


@dataclass(frozen=True)
class Point:
    """One row of an ablation with one seed, as asked for, and the cell that answers it."""

    row: str
    axes: dict[str, Value]
    seed: int
    cell: str


@dataclass(frozen=True)
class Report:
    """What one ablation of a launch asks for: its points, several of which may share a cell, and its cells."""

    launch: Launch
    ablation: Ablation
    points: tuple[Point, ...]
    cells: tuple[Cell, ...]  # with the trainings whose weights it tests
    reference: str | None  # the row that the others are compared with

    @property
    def id(self) -> str:
        """Its name in the record: the same for the same command, and whether it is launched alone or with others."""
        cells = sorted(cell.id for cell in self.cells)
        return short_hash([self.ablation.name, self.launch.preset, self.launch.data, cells])

    @property
    def data_digest(self) -> str:
        """Of all datasets of its cells; empty where it needs none."""
        return "+".join(sorted({cell.data_digest for cell in self.cells}))

    @property
    def command(self) -> str:
        """What to type to run it, which is also how it is continued."""
        arguments = list(self.launch.arguments)
        if self.launch.name == ALL:
            arguments = [f"ablation={self.ablation.name}", *(a for a in arguments if not a.startswith("ablation="))]
        return f"python orchestrate.py {shlex.join(arguments)}"

    def as_json(self) -> dict[str, Any]:
        """plan.json: all that tables/ must know to put the cells where they belong."""
        launch, ablation = self.launch, self.ablation
        return {
            "ablation": ablation.name,
            "artefacts": list(ablation.artefacts),
            "title": ablation.title,
            "section": ablation.section,
            "claims": list(ablation.claims),
            "reference": self.reference,
            "command": self.command,
            "preset": launch.preset,
            "data": launch.data,
            "data_digest": self.data_digest,
            "seeds": list(launch.seeds),
            "frames": launch.config.training.frames,
            "points": [vars(point) for point in self.points],
        }


@dataclass(frozen=True)
class Plan:
    """All that a launch asks for."""

    launch: Launch
    reports: tuple[Report, ...]
    shared: dict[str, int]  # another ablation → how many of these cells it asks for as well

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Each once, in the order in which they are run: a test comes after the training of its weights."""
        distinct = {cell.id: cell for report in reversed(self.reports) for cell in report.cells}
        asked = dict.fromkeys(cell.id for report in self.reports for cell in report.cells)
        return tuple(sorted((distinct[id] for id in asked), key=lambda cell: KINDS.index(cell.kind)))

    @property
    def artefacts(self) -> tuple[str, ...]:
        """The tables and figures of all its ablations."""
        return tuple(name for report in self.reports for name in report.ablation.artefacts)

    def ablations_of(self, cell: str) -> tuple[str, ...]:
        """The ablations of this launch that a cell serves."""
        return tuple(r.ablation.name for r in self.reports if any(each.id == cell for each in r.cells))

    def unfinished(self, finished: Collection[str]) -> tuple[Cell, ...]:
        """What is to be run where these cells are finished, in order.

        A finished training is run again where its weights are gone and a test needs them.
        """
        waiting = {cell.id: cell for cell in self.cells if cell.id not in finished}
        wanted = {cell.trained.id for cell in waiting.values() if cell.trained}
        folder = self.launch.storage / "cells"
        gone = {id for id in wanted if not (folder / id / FILE).exists()}
        return tuple(cell for cell in self.cells if cell.id in waiting or cell.id in gone)


def make_plan(launch: Launch) -> Plan:
    """The launch's plan. Makes the synthetic dataset where it is not there yet. Raises ConfigError and DataError."""
    rows = {each.name: [(row, configure(launch.config, row)) for row in each.rows] for each in launch.ablations}
    trained = [config for each in rows.values() for _, config in each if config.measurement.module is None]
    datasets = {data: open_dataset(data, launch.storage / "data") for data in {config.data for config in trained}}
    for config in trained:
        check_frames(datasets[config.data], config.training.frames)
        if config.evaluation.frames is not None:
            check_frames(datasets[config.data], config.evaluation.frames, "evaluation.frames")
    reports = tuple(_report(launch, ablation, rows[ablation.name], datasets) for ablation in launch.ablations)
    return Plan(launch, reports, _shared(launch, reports, datasets))


def _report(launch: Launch, ablation: Ablation, rows: list[tuple[Row, Config]], datasets: Datasets) -> Report:
    points: dict[tuple[str, int], Point] = {}
    cells: dict[str, Cell] = {}
    for seed in launch.seeds:
        for row, config in rows:
            cell = _cell(f"{ablation.name}: {row.label}", replace(config, seed=seed), datasets)
            cells.setdefault(cell.id, cell)
            number = cell.config.seed  # a measurement has no seed and is asked for once
            points.setdefault((row.label, number), Point(row.label, row.settings, number, cell.id))
    for cell in list(cells.values()):
        if cell.trained:
            cells.setdefault(cell.trained.id, cell.trained)
    asked = tuple(points.values())
    return Report(launch, ablation, asked, tuple(cells.values()), _reference(launch, asked, datasets))


def _reference(launch: Launch, points: Sequence[Point], datasets: Datasets) -> str | None:
    """The row called full; else the one that is the launch's own configuration, if there is one."""
    if any(point.row == "full" for point in points):
        return "full"
    if launch.config.data not in datasets:
        return None
    own = _cell("", replace(launch.config, seed=launch.seeds[0]), datasets).id
    return next((point.row for point in points if point.cell == own), None)


def _shared(launch: Launch, reports: Sequence[Report], datasets: Datasets) -> dict[str, int]:
    """How many of the cells the project's other ablations ask for, by ablation."""
    cells = {cell.id for report in reports for cell in report.cells}
    counts = {}
    for other in ablations().values():
        if other not in launch.ablations:
            counts[other.name] = len(cells & _ids(launch, other, datasets))
    return {name: count for name, count in counts.items() if count}


def _ids(launch: Launch, ablation: Ablation, datasets: Datasets) -> set[str]:
    """The cells an ablation asks for on the datasets that are open, as far as its rows suit the launch."""
    ids = set()
    for row in ablation.rows:
        with suppress(ConfigError):  # an override of this launch may not go with a row of that ablation
            config = configure(launch.config, row)
            if config.measurement.module is not None or config.data in datasets:
                cells = [_cell("", replace(config, seed=seed), datasets) for seed in launch.seeds]
                ids |= {each.id for cell in cells for each in (cell, cell.trained) if each}
    return ids


def _cell(label: str, config: Config, datasets: Datasets) -> Cell:
    return make_cell(label, config, None if config.measurement.module is not None else datasets[config.data])
