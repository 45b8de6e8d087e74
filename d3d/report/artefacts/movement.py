"""How far the points of 3D deformable attention moved: a search that moves nowhere only resamples."""

from collections.abc import Iterator, Sequence
from statistics import fmean

from d3d.bench.record.schema import Metric
from d3d.report.rows import Row

AXES = ("t", "y", "x")
MOVED = (Metric.MOVED_T, Metric.MOVED_Y, Metric.MOVED_X)
STILL = 0.001  # tokens: a point that moves less reads what it would have read anyway
NAMED = 3  # rows at most whose numbers are said one by one; of more the ranges are


def movement_notes(rows: Sequence[Row]) -> Iterator[str]:
    """The mean movement in the rows that recorded it, and a warning of those that do not move along an axis."""
    moved = {row.label: tokens for row in rows if (tokens := _movement(row))}
    if not moved:
        return
    if len(moved) <= NAMED:
        said = "; ".join(f"{label} {', '.join(f'{value:.2f}' for value in tokens)}" for label, tokens in moved.items())
    else:
        ranges = [f"{min(values):.2f} to {max(values):.2f}" for values in zip(*moved.values(), strict=True)]
        said = f"{', '.join(ranges)} over {len(moved)} rows"
    yield f"3D deformable attention moved its points by so many tokens in t, y and x, in the mean: {said}."
    still: dict[str, list[str]] = {}
    for row in rows:
        if axes := [axis for axis in AXES if row.label in moved and _is_still(row, axis, moved[row.label])]:
            still.setdefault(" and ".join(axes), []).append(row.label)
    for where, labels in still.items():
        yield (
            f"Warning: 3D deformable attention does not move in {where} in {'; '.join(labels)}: there it is a plain "
            "resampling of the tokens."
        )


def _movement(row: Row) -> tuple[float, ...]:
    """Mean |Δp| in tokens along each axis, over the counted seeds; empty where it is not recorded."""
    cells = row.counted.values()
    if not cells or any(name not in cell.metrics for cell in cells for name in MOVED):
        return ()
    return tuple(fmean(cell.metrics[name] for cell in cells) for name in MOVED)


def _is_still(row: Row, axis: str, tokens: Sequence[float]) -> bool:
    """A single token leaves nowhere to go. Only time can have one: the smallest crop has two tokens on a side."""
    frames = {cell.params.get("training.frames") for cell in row.counted.values()}
    return tokens[AXES.index(axis)] < STILL and not (axis == "t" and frames == {"1"})
