"""What no deep learning gives on the clips of a launch: its baselines, to stand below every table of accuracies."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from d3d.bench.record.schema import Launch, Metric
from d3d.report.record import BASELINES, Record
from d3d.report.rows import Row, rows_of

CHOSEN = (Metric.ALPHA, Metric.GAMMA)  # strength of the penalty, width of the kernel
APART = ("ablation=", "seeds=", "seeds.", "search=", "search.")  # what a launch of the baselines does not take over


@dataclass(frozen=True)
class Anchors:
    """The finished baselines on the data and the frames of a launch, and a note that says them."""

    rows: tuple[Row, ...]
    note: str

    @property
    def best(self) -> Row | None:
        """The most accurate, the first of equals."""
        return max(self.rows, key=lambda row: row.accuracy.mean if row.accuracy else 0.0, default=None)


def anchors_of(record: Record, launch: Launch) -> Anchors | None:
    """Those of the newest launch of the baselines that suits; None where the launch is one of baselines itself."""
    if launch.ablation == BASELINES:
        return None
    for other in record.baselines:
        if other.frames == launch.frames and set(other.data_digest.split("+")) & set(launch.data_digest.split("+")):
            rows = tuple(row for row in rows_of(other, record.cells(other), False) if row.accuracy)
            if rows:
                seen = f"the joints of {launch.frames} frames alone"
                return Anchors(rows, f"Without deep learning, from {seen}: {'; '.join(map(_said, rows))}.")
    return Anchors((), f"What no deep learning gives on these clips is not known; to know it: `{_command(launch)}`")


def _said(row: Row) -> str:
    assert row.accuracy
    accuracy = row.accuracy
    return f"{row.label} {accuracy.mean:.2f} (95 % interval {accuracy.low:.2f} to {accuracy.high:.2f})"


def _command(launch: Launch) -> str:
    """The launch's own, for the baselines."""
    words = shlex.split(launch.command)
    return shlex.join(
        [*words[:2], f"ablation={BASELINES}", *(word for word in words[2:] if not word.startswith(APART))]
    )


def chosen_notes(rows: Sequence[Row]) -> list[str]:
    """Of baselines: what was chosen by cross-validation, and how good it was there."""
    notes = []
    for row in rows:
        for cell in row.counted.values():
            if not cell.trained:
                chosen = " and ".join(f"{key} = {cell.metrics[key]:.3g}" for key in CHOSEN if key in cell.metrics)
                top1 = 100 * cell.metric(Metric.VALIDATION_TOP1)
                place = f"{row.label}, {chosen}" if chosen else row.label
                notes.append(f"{place}: {top1:.2f} in cross-validation of the training clips.")
    return notes
