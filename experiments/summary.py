"""What a launch says before it trains, and what it says at the end."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from mlflow.entities import Run
from rich.console import Console
from rich.table import Table

from experiments.declarations import Value
from experiments.estimate import estimate
from experiments.plan import Plan, Point


def describe(plan: Plan, finished: Mapping[str, Run]) -> str:
    """The plan in a few lines: what is asked for, what of it is there, and what the rest costs."""
    launch = plan.launch
    todo = sum(cell.id not in finished for cell in plan.cells)
    counts = [
        f"{len(plan.points)} point{'s' * (len(plan.points) != 1)}",
        f"{len(plan.cells)} distinct cell{'s' * (len(plan.cells) != 1)}",
        f"{len(plan.cells) - todo} finished",
        *(f"{count} shared with {name}" for name, count in plan.shared.items()),
    ]
    seeds = ", ".join(map(str, launch.seeds))
    lines = [
        f"{launch.ablation.name}: {launch.ablation.title}",
        f"preset {launch.preset}; data {launch.data}; seeds {seeds}; storage {launch.storage}",
        ", ".join(counts),
    ]
    if todo:
        lines.append(f"{todo} to train: {estimate(plan, finished, todo)}")
    return "\n".join(lines)


def summarise(
    plan: Plan, finished: Mapping[str, Run], failed: Mapping[str, str], notes: Sequence[str], paths: Sequence[Path]
) -> None:
    """Top-1 of every point, the mean of its seeds; what failed and why; doubts about the record; where everything is.

    A table of two axes where the ablation has two, else a row a point.
    """
    axes = plan.launch.ablation.axes
    two = len(axes) == 2 and all(point.axes.keys() == set(axes) for point in plan.points)
    console = Console(highlight=False)
    if two:
        down, across = (axis.rpartition(".")[2].replace("_", " ") for axis in axes)
        print(f"top-1 in %, {down} × {across}; * the best {across} of each {down}")
        console.print(_grid(plan, finished, *axes))
    else:
        print("top-1 in %")
        console.print(_rows(plan, finished))
    for cell in plan.cells:
        if cell.id in failed:
            print(f"failed: {cell.label} ({cell.id}): {failed[cell.id].strip().splitlines()[-1]}")
    for note in notes:
        print(f"note: {note}")
    for path in (*paths, plan.launch.storage / "mlflow.db"):
        print(path)


def _grid(plan: Plan, finished: Mapping[str, Run], down: str, across: str) -> Table:
    """The second axis across; the best of each row is marked."""
    columns = _values(plan.points, across)
    table = Table("")
    for value in columns:
        table.add_column(str(value), justify="right")
    for value in _values(plan.points, down):
        points = {other: [p for p in plan.points if p.axes == {down: value, across: other}] for other in columns}
        means = {other: _mean(asked, finished) for other, asked in points.items() if asked}
        best = max((mean for mean in means.values() if mean is not None), default=None)
        table.add_row(str(value), *(_entry(means[other], best) if other in means else "" for other in columns))
    return table


def _rows(plan: Plan, finished: Mapping[str, Run]) -> Table:
    table = Table("", "mean")
    for label in dict.fromkeys(point.label for point in plan.points):
        mean = _mean([point for point in plan.points if point.label == label], finished)
        table.add_row(label, _entry(mean, None))
    return table


def _entry(mean: float | None, best: float | None) -> str:
    if mean is None:
        return "–"
    return f"[bold]*{100 * mean:.2f}[/bold]" if mean == best else f"{100 * mean:.2f}"


def _mean(points: Iterable[Point], finished: Mapping[str, Run]) -> float | None:
    """None where a seed is missing."""
    top1 = [finished[point.cell].data.metrics["top1"] for point in points if point.cell in finished]
    return fmean(top1) if len(top1) == len(list(points)) else None


def _values(points: Iterable[Point], axis: str) -> list[Value]:
    return list(dict.fromkeys(point.axes[axis] for point in points))
