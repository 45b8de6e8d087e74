"""Rows that stand on predictions, without a record."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from d3d.bench.record.schema import Launch, Point
from d3d.prediction import PartPrediction, Prediction, of_part, top1
from d3d.report.record import Cell
from d3d.report.rows import Row


def cell(id: str, right: Iterable[bool], takes: Sequence[str] = (), weights: str = "", **metrics: float) -> Cell:
    """A finished cell that has those of its clips right."""
    marks = list(right)
    predictions = tuple(Prediction(f"{i:04d}", 1, int(mark), takes[i] if takes else "") for i, mark in enumerate(marks))
    top1 = {"top1": sum(marks) / len(marks)} if marks else {}
    values = {**top1, **metrics}
    return Cell(id, f"run of {id}", values, {}, "c0de", "da7a", 1, lambda: predictions, weights or id)


def row(
    label: str,
    *seeds: Iterable[bool] | None,
    partial: bool = False,
    shared: str = "",
    tested: str = "",
    takes: Sequence[str] = (),
) -> Row:
    """A row with one list of marks a seed, None where its training is missing.

    `shared` is another row's label, whose cells it has; `tested` one whose trainings' weights it tests.
    """
    asked = {seed: f"{shared or label} {seed}" for seed in range(len(seeds))}
    cells = {
        seed: cell(asked[seed], marks, takes, f"{tested} {seed}" if tested else "")
        for seed, marks in enumerate(seeds)
        if marks is not None
    }
    return Row(label, {}, asked, cells, partial)


def launch(*points: Point) -> Launch:
    """A launch of these points."""
    return Launch("a", ("a",), "A", "3", (), "quick", "synthetic", "da7a", 12, points, "run it", id="1a")


def with_verbs(row: Row, *seeds: Iterable[bool]) -> Row:
    """The row with one list of marks a seed of the verbs too."""
    cells = {}
    for (seed, cell), right in zip(row.cells.items(), seeds, strict=True):
        predictions = tuple(
            replace(each, parts=(PartPrediction("verb", 1, int(mark)),))
            for each, mark in zip(cell.predictions, right, strict=True)
        )
        cells[seed] = _predicting(cell, predictions)
    return replace(row, cells=cells)


def _predicting(cell: Cell, predictions: tuple[Prediction, ...]) -> Cell:
    metrics = {**cell.metrics, "verb_top1": top1(of_part(predictions, "verb"))}
    return replace(cell, metrics=metrics, read_predictions=lambda: predictions)


def marks(right: int, clips: int) -> list[bool]:
    """The first clips right."""
    return [index < right for index in range(clips)]


def noisy(label: str, share: float, seeds: int = 3, clips: int = 1000, spread: float = 0.0, start: int = 0) -> Row:
    """Trainings that have clips right at random, with a standard deviation of their own if so asked."""
    generator = np.random.default_rng([start, *label.encode()])
    shares = share + spread * generator.standard_normal(seeds)
    return row(label, *((generator.random(clips) < each).tolist() for each in shares))
