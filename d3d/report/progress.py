"""How far each launch of the record is: which of its cells have finished, failed or begun."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from d3d.bench.record.schema import Launch
from d3d.report.record import CellState, Record

Outcome = Literal["finished", "failed", "begun", "to do"]
OUTCOMES: tuple[Outcome, ...] = ("finished", "failed", "begun", "to do")


@dataclass(frozen=True)
class Progress:
    """One launch of the record."""

    launch: Launch
    used: datetime  # when its command was last run, in local time
    cells: Mapping[Outcome, int]  # "begun" is running, or was interrupted: the record cannot tell
    reasons: Mapping[str, int]  # why cells failed → how many

    @property
    def total(self) -> int:
        """The number of its distinct cells."""
        return sum(self.cells.values())

    @property
    def complete(self) -> bool:
        """Whether every cell has finished."""
        return self.cells["finished"] == self.total


def progress(record: Record) -> tuple[Progress, ...]:
    """Every launch with a readable plan, the one that was run last first. Raises RecordError."""
    states = record.states()
    return tuple(
        Progress(
            launch,
            datetime.fromtimestamp(used / 1000).astimezone(),
            _count(states.get(cell) for cell in launch.cells),
            Counter(state.reason for cell in launch.cells if (state := states.get(cell)) and state.status == "FAILED"),
        )
        for launch, used in record.every_launch
    )


def _count(states: Iterable[CellState | None]) -> dict[Outcome, int]:
    named: dict[str, Outcome] = {"FINISHED": "finished", "FAILED": "failed"}
    counts = Counter("to do" if state is None else named.get(state.status, "begun") for state in states)
    return {outcome: counts[outcome] for outcome in OUTCOMES}
