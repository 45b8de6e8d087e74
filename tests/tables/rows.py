"""Rows that stand on predictions, without a record."""

from collections.abc import Iterable

from d3d.prediction import Prediction
from tables.record import Cell
from tables.rows import Row


def cell(id: str, right: Iterable[bool], **metrics: float) -> Cell:
    """A finished cell that has those of its clips right."""
    marks = list(right)
    predictions = tuple(Prediction(f"{i:04d}", 1, int(mark)) for i, mark in enumerate(marks))
    top1 = {"top1": sum(marks) / len(marks)} if marks else {}
    return Cell(id, f"run of {id}", {**top1, **metrics}, {}, "c0de", "da7a", 1, lambda: predictions)


def row(label: str, *seeds: Iterable[bool] | None, partial: bool = False, shared: str = "") -> Row:
    """A row with one list of marks a seed, None where its training is missing; `shared` is another row's label."""
    asked = {seed: f"{shared or label} {seed}" for seed in range(len(seeds))}
    cells = {seed: cell(asked[seed], marks) for seed, marks in enumerate(seeds) if marks is not None}
    return Row(label, {}, asked, cells, partial)


def marks(right: int, clips: int) -> list[bool]:
    """The first clips right."""
    return [index < right for index in range(clips)]
