"""Finds the accuracies of the classical baselines on the clips of a launch, which are noted below every table."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from d3d.bench.record.schema import Launch, Metric
from d3d.report.made_by import command_of
from d3d.report.record import BASELINES, Record
from d3d.report.rows import Row, parts_of, rows_of, spread_text

CHOSEN = (Metric.ALPHA, Metric.GAMMA)  # strength of the penalty, width of the kernel
DROPPED = ("ablation=", "seeds=", "seeds.", "search=", "search.")  # arguments that a launch of the baselines lacks


@dataclass(frozen=True)
class BaselineAccuracies:
    """The finished baselines on the same data and number of frames as a launch, and a note with their accuracies."""

    rows: tuple[Row, ...]
    note: str

    @property
    def best(self) -> Row | None:
        """The most accurate baseline; the first of them if several are."""
        return max(self.rows, key=lambda row: row.accuracy.mean if row.accuracy else 0.0, default=None)


def baseline_accuracies(record: Record, launch: Launch) -> BaselineAccuracies | None:
    """The baselines of the newest launch on the same data and frames; None if `launch` is one of baselines itself.

    Without such a launch there are no rows, and the note gives the command that runs the baselines.
    """
    if launch.ablation == BASELINES:
        return None
    for other in record.baselines:
        same = other.frames == launch.frames and other.folds == launch.folds
        if same and set(other.data_digest.split("+")) & set(launch.data_digest.split("+")):
            rows = tuple(row for row in rows_of(other, record.cells(other), False) if row.accuracy)
            if rows:
                accuracies = "; ".join(map(_accuracy_with_interval, rows))
                note = f"Without deep learning, from the joints of {launch.frames} frames alone: {accuracies}."
                return BaselineAccuracies(rows, note)
    note = f"The accuracy without deep learning is not known for these clips; to measure it: `{_command(launch)}`"
    return BaselineAccuracies((), note)


def _accuracy_with_interval(row: Row) -> str:
    assert row.accuracy
    accuracy = row.accuracy
    text = f"{row.label} {accuracy.mean:.2f} (95 % interval {accuracy.low:.2f} to {accuracy.high:.2f})"
    parts = {part: row.of(part) for part in parts_of([row])}
    return text + "".join(f", {part} {spread_text(seen.accuracy)}" for part, seen in parts.items() if seen)


def _command(launch: Launch) -> str:
    """The launch's own command, changed to run the baselines."""
    words = shlex.split(command_of(launch))
    return shlex.join(
        [*words[:2], f"ablation={BASELINES}", *(word for word in words[2:] if not word.startswith(DROPPED))]
    )


def chosen_notes(rows: Sequence[Row]) -> list[str]:
    """A note for each row of baselines: the hyper-parameters chosen by cross-validation, and their accuracy in it."""
    notes = []
    for row in rows:
        for cell in row.counted.values():
            if not cell.trained:
                chosen = " and ".join(f"{key} = {cell.metrics[key]:.3g}" for key in CHOSEN if key in cell.metrics)
                top1 = 100 * cell.metric(Metric.VALIDATION_TOP1)
                place = f"{row.label}, {chosen}" if chosen else row.label
                notes.append(f"{place}: {top1:.2f} in cross-validation of the training clips.")
    return notes
