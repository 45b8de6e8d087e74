"""Draws the plot of a figure of curves with matplotlib."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from d3d.report.artefacts.measured_rows import Measured
from d3d.report.artefacts.plots import images, style
from d3d.report.rows import Row, interval_heading, setting

Number = int | float


@dataclass(frozen=True)
class Point:
    """One row as a point of a curve."""

    x: Number
    row: Row
    repeats: bool  # whether it shares its training with a point to its left
    best: bool  # whether it is the best of its line, ties included; False if a number of the line is missing


@dataclass(frozen=True)
class Line:
    """The points of one curve, from left to right."""

    value: Number | None  # of the key that varies from line to line; None if there is one line only
    points: tuple[Point, ...]
    claimed: Number | None  # the x at which the paper claims that the line is highest


COLOURS = ["#e8963a", "#cf4a5e", "#86408f", "#2c2c6c"]  # darker line by line, so that it also prints in grey
MARKERS = ["o", "s", "D", "^"]
TUNED: dict[str, Any] = {"marker": "*", "markersize": 7, "markerfacecolor": "white", "linestyle": "none", "zorder": 6}
SPREAD = 0.1  # horizontal distance between the error bars of neighbouring lines, in units of the axis


def draw(measured: Measured, lines: Sequence[Line]) -> dict[str, bytes]:
    """The images of the figure, as end of a file's name → bytes."""
    several = len(lines) > 1
    with style():
        figure, axes = _plot(measured, lines, (5.4, 4.0 if several else 3.4))
        title = f"{measured.launch.data}, preset {measured.launch.preset}"
        axes.set_title(title, loc="left", pad=20 if several else 8)
        said = "\n".join(line for text in caption(measured, lines) for line in wrap(text, 128))
        figure.supxlabel(said, x=0.012, ha="left", fontsize=6, linespacing=1.4, color="0.35")
        return images(figure, lambda width: _plot(measured, lines, (width, 2.8 if several else 2.4), 8)[0])


def _plot(
    measured: Measured, lines: Sequence[Line], size: tuple[float, float], smallest: float = 6
) -> tuple[Figure, Axes]:
    """The figure without title and caption, `size` inches wide and high, with letters of `smallest` points or more."""
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    for index, line in enumerate(lines):
        number = index if len(lines) > 1 else len(COLOURS) - 1  # one line alone is the darkest
        name = f"{measured.artefact.lines.name} {line.value}" if measured.artefact.lines else ""
        offset = (index - (len(lines) - 1) / 2) * SPREAD
        _draw_line(axes, line, number % len(COLOURS), offset, name)
        tuned = [(point.x + offset, _mean(row)) for point in line.points for row in _tuned(measured, point)]
        axes.plot(*_columns(tuned), color=COLOURS[number % len(COLOURS)], **TUNED)
    best = measured.baselines.best if measured.baselines else None
    if best:
        axes.axhline(_mean(best), color="0.45", linewidth=0.7, linestyle=(0, (5, 3)), zorder=1)
        place = axes.get_yaxis_transform()
        axes.text(1, _mean(best), best.label, transform=place, fontsize=smallest, color="0.45", ha="right", va="bottom")
    _label(axes, measured, lines, legend_columns=4 if size[0] > 5 else 2)
    return figure, axes


def _draw_line(axes: Axes, line: Line, index: int, offset: float, name: str) -> None:
    """Draws one line in colour `index`, moved right by `offset` units of the axis; `name` is empty for a single line.

    Filled markers are cells, hollow markers repeat the cell to their left, a ring marks the best point and a triangle
    the one that the paper claims to be best.
    """
    colour = COLOURS[index]
    marker: dict[str, Any] = {
        "color": colour,
        "marker": MARKERS[index] if name else "o",
        "markersize": 4.5,
        "zorder": 4,
    }
    everything = [(point.x + offset, _mean(point.row)) for point in line.points]
    own = [(point.x + offset, point.row) for point in line.points if not point.repeats]
    repeats = [(point.x + offset, _mean(point.row)) for point in line.points if point.repeats]
    axes.plot(*_columns(everything), color=colour, linewidth=0.9, linestyle=(0, (1, 1.5)), zorder=3)
    axes.plot(*_columns(repeats), markerfacecolor="white", **{**marker, "linestyle": "none"})
    axes.plot(*_columns([(x, _mean(row)) for x, row in own]), linewidth=1.4, label=name, **marker)
    for x, row in own:
        if row.accuracy:
            low, high = row.accuracy.mean - row.accuracy.low, row.accuracy.high - row.accuracy.mean
            bar: dict[str, Any] = {"ecolor": colour, "elinewidth": 0.8, "alpha": 0.3, "zorder": 2}
            axes.errorbar([x], [row.accuracy.mean], [[low], [high]], fmt="none", **bar)
            if not name and len(row.counted) > 1:
                seeds = [100 * correct / row.accuracy.clips for correct in row.correct]
                axes.plot([x] * len(seeds), seeds, "_", color=colour, markersize=6, alpha=0.6, zorder=3)
    rings = [(point.x + offset, _mean(point.row)) for point in line.points if point.best and not point.repeats]
    axes.plot(*_columns(rings), "o", markersize=10.5, markerfacecolor="none", markeredgecolor=colour, zorder=5)
    if line.claimed is not None:
        axes.plot([line.claimed], [0.025], "v", color=colour, markersize=6, transform=axes.get_xaxis_transform())


def _label(axes: Axes, measured: Measured, lines: Sequence[Line], legend_columns: int) -> None:
    """Labels the axes and the lines."""
    assert measured.artefact.x
    across = sorted({point.x for line in lines for point in line.points})
    axes.set_xticks(across)
    margin = 0.4 if len(across) < 2 else 0.05 * (across[-1] - across[0])
    axes.set_xlim(across[0] - margin, across[-1] + margin)
    axes.margins(y=0.08)
    if not any(row.accuracy for row in measured.rows):
        axes.set_ylim(0, 100)
    axes.set_xlabel(measured.artefact.x.label)
    axes.set_ylabel("top-1 accuracy (%)")
    axes.grid(axis="y")
    if len(lines) > 1:
        place = (-0.01, 0.99)
        axes.legend(loc="lower left", bbox_to_anchor=place, ncols=legend_columns, columnspacing=1.6, frameon=False)


def caption(measured: Measured, lines: Sequence[Line]) -> list[str]:
    """How the figure was measured, and what its markers and error bars mean."""
    several = len(lines) > 1
    marks = [f"Bars: {interval_heading(measured.rows)}."]
    if not several and any(len(row.counted) > 1 for row in measured.rows):
        marks.append("Dashes: single seeds.")
    if any(point.best for line in lines for point in line.points):
        marks.append("Ring: best of its line." if several else "Ring: the best.")
    if any(line.claimed is not None for line in lines):
        marks.append("Triangle: the best according to the paper.")
    if any(point.repeats for line in lines for point in line.points):
        marks.append("Hollow markers share the training of the filled one to their left.")
    if measured.tuned and any(row.accuracy for row in measured.tuned.rows):
        marks.append("Open stars: tuned, each point separately.")
    if measured.baselines and measured.baselines.best:
        name, frames = measured.baselines.best.label, measured.launch.frames
        marks.append(f"Dashed line: {name}, without deep learning, on the joints of {frames} frames alone.")
    said = [f"Measured: {setting(measured.launch, measured.rows)}.", " ".join(marks)]
    if measured.printed.claim:
        said.append(measured.printed.without_values)
    unfinished = sum(bool(row.missing) for row in measured.rows)
    if unfinished:
        said.append(f"Unfinished: {unfinished} of the {len(measured.rows)} points.")
    return said


def _tuned(measured: Measured, point: Point) -> list[Row]:
    """The point's row with tuned settings, if there is one."""
    return [row for row in measured.tuned.rows if row.label == point.row.label] if measured.tuned else []


def _mean(row: Row) -> float:
    return row.accuracy.mean if row.accuracy else math.nan


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]
