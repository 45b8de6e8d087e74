"""Whether a cell that was run again has the result that was recorded, and if not, what is different about it."""

from collections.abc import Iterator
from dataclasses import dataclass

from d3d.bench.record.schema import Metric
from d3d.report.contrast.contrast import changed
from d3d.report.contrast.selected import select
from d3d.report.record import Cell, Record
from d3d.text import aligned


@dataclass(frozen=True)
class Reproduced:
    """The outcome of running a cell again."""

    same: bool  # whether every clip has the prediction that was recorded
    lines: tuple[str, ...]  # that say so


def reproduced(id: str, recorded: Record, anew: Record) -> Reproduced:
    """Compares a finished cell of one record with the same cell of another. Raises RecordError."""
    rows = select(recorded, id).rows[0], select(anew, id).rows[0]
    (before,), (now,) = (row.cells.values() for row in rows)
    predicted, other = ({each.clip: each.predicted for each in cell.predictions} for cell in (before, now))
    apart = sum(other.get(clip) != label for clip, label in predicted.items())
    if not apart:
        text = f"the same: top-1 {_top1(now)} and all {len(predicted)} predictions"
        return Reproduced(True, (f"{text}{_probabilities(recorded, before, anew, now)}",))
    text = f"not the same: top-1 {_top1(now)}, recorded {_top1(before)}"
    line = f"{text}; {apart} of {len(predicted)} predictions are others"
    return Reproduced(False, (line, *_differences(changed(*rows))))


def _top1(cell: Cell) -> str:
    return f"{100 * cell.metric(Metric.TOP1):.2f} %"


def _probabilities(recorded: Record, before: Cell, anew: Record, now: Cell) -> str:
    """How far the probabilities are apart; empty where they were not recorded."""
    first = {each.clip: each.probabilities for each in recorded.probable(before)}
    second = {each.clip: each.probabilities for each in anew.probable(now)}
    if not all(first.values()):
        return ""
    most = max(abs(a - b) for clip in first for a, b in zip(first[clip], second[clip], strict=True))
    return f"; probabilities differ by at most {most:.1g}" if most else ", with the same probabilities to the last bit"


def _differences(differing: dict[str, tuple[str, str]]) -> Iterator[str]:
    if not differing:
        yield "code, versions, processor and threads are those that were recorded; a GPU adds in no fixed order"
        return
    yield from aligned([("differs", "recorded", "now"), *((name, *values) for name, values in differing.items())])
