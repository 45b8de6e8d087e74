"""What the system of a row reads and what it costs, as it was recorded with the row's trainings."""

from statistics import fmean

from d3d.bench.record.schema import Metric
from d3d.report.rows import MISSING, Row

HEADER = ("reads", "parameters", "frozen", "GMACs", "ms, training", "ms, test")
COSTS = ("modality", "parameters", "frozen_parameters", "gmacs", "training_ms", "test_ms")  # the same in the CSV
NOTE = (
    "Reads: P joints, R frames. Parameters: those that are trained, and those that are frozen. GMACs: billions of "
    "multiply-accumulates of one clip, counted. Milliseconds: of one clip in the last epoch of the trainings and in "
    "the test after it, a mean over seeds; they are of the machine and of what else it did. Only a training has them."
)


def costs_of(row: Row) -> dict[str, float]:
    """The recorded costs of a row: column of the CSV → mean over its seeds; without those that a seed lacks."""
    found = {
        "parameters": _mean(row, Metric.PARAMETERS),
        "frozen_parameters": _mean(row, Metric.FROZEN),
        "gmacs": _mean(row, Metric.GMACS),
        "training_ms": _milliseconds(row, Metric.CLIPS_PER_SECOND),
        "test_ms": _milliseconds(row, Metric.EVAL_CLIPS_PER_SECOND),
    }
    return {column: value for column, value in found.items() if value is not None}


def cost_values(row: Row) -> dict[str, str]:
    """Column → text of a row in the CSV; empty where nothing is recorded."""
    costs = costs_of(row)
    counts = {column: f"{costs[column]:.0f}" for column in COSTS[1:3] if column in costs}
    measured = {column: f"{costs[column]:.4g}" for column in COSTS[3:] if column in costs}
    return dict.fromkeys(COSTS, "") | {"modality": modality_of(row)} | counts | measured


def cost_entries(row: Row) -> list[str]:
    """The entries of a row in the document, below HEADER."""
    values = cost_values(row)
    return [f"{int(text):,}".replace(",", " ") if text.isdecimal() else text or MISSING for text in values.values()]


def modality_of(row: Row) -> str:
    """What the row's system reads: R, P or R+P; empty where no finished cell says it."""
    return next((cell.modality for cell in row.counted.values() if cell.modality), "")


def _mean(row: Row, metric: Metric) -> float | None:
    values = [cell.metrics.get(metric) for cell in row.counted.values()]
    there = [value for value in values if value is not None]
    return fmean(there) if there and len(there) == len(values) else None


def _milliseconds(row: Row, clips_per_second: Metric) -> float | None:
    speed = _mean(row, clips_per_second)
    return 1000 / speed if speed else None
