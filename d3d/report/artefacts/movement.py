"""Notes how far 3D deformable attention moved its sampling points, and warns if it did not move them at all."""

from collections.abc import Iterator, Sequence
from statistics import fmean

from d3d.bench.record.schema import Metric
from d3d.report.rows import Row

AXES = ("t", "y", "x")
MOVED = (Metric.MOVED_T, Metric.MOVED_Y, Metric.MOVED_X)
STILL = 0.001  # tokens; a point that moves less than this reads the same values as one that does not move
NAMED = 3  # with more rows than this, the note gives ranges over the rows instead of single numbers


def movement_notes(rows: Sequence[Row]) -> Iterator[str]:
    """The mean movement of the rows that recorded it, and a warning for rows that do not move along an axis."""
    moved = {row.label: tokens for row in rows if (tokens := _movement(row))}
    if not moved:
        return
    if len(moved) <= NAMED:
        said = "; ".join(f"{label} {', '.join(f'{value:.2f}' for value in tokens)}" for label, tokens in moved.items())
    else:
        ranges = [f"{min(values):.2f} to {max(values):.2f}" for values in zip(*moved.values(), strict=True)]
        said = f"{', '.join(ranges)} over {len(moved)} rows"
    yield f"Mean distance by which 3D deformable attention moved its points, in tokens along t, y and x: {said}."
    still: dict[str, list[str]] = {}
    for row in rows:
        if axes := [axis for axis in AXES if row.label in moved and _is_still(row, axis, moved[row.label])]:
            still.setdefault(" and ".join(axes), []).append(row.label)
    for where, labels in still.items():
        yield (
            f"Warning: 3D deformable attention does not move its points along {where} in {'; '.join(labels)}: there it "
            "only resamples the tokens at fixed places."
        )


def _movement(row: Row) -> tuple[float, ...]:
    """Mean |Δp| in tokens along each axis, over the counted seeds; empty if it was not recorded."""
    cells = row.counted.values()
    if not cells or any(name not in cell.metrics for cell in cells for name in MOVED):
        return ()
    return tuple(fmean(cell.metrics[name] for cell in cells) for name in MOVED)


def _is_still(row: Row, axis: str, tokens: Sequence[float]) -> bool:
    """Whether points do not move along an axis that has more than one token.

    Only time can have a single token: the smallest crop has two tokens on a side.
    """
    frames = {cell.params.get("training.frames") for cell in row.counted.values()}
    return tokens[AXES.index(axis)] < STILL and not (axis == "t" and frames == {"1"})
