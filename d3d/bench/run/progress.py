"""What a launch shows while it runs: a line for each cell that ends, below them a live table on a terminal."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from logging import DEBUG, INFO, WARNING
from statistics import fmean

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table

from d3d.bench.plan.cell import Cell
from d3d.bench.plan.estimate import duration
from d3d.bench.run.failures import AGAIN, Failure
from d3d.bench.run.launch_log import LAUNCH

INTERVAL = 10.0  # seconds between lines while no cell ends


@dataclass(frozen=True)
class Ended:
    """What to report at the end of a launch."""

    failed: Mapping[str, Failure] = field(default_factory=dict)  # by id of the cell
    notices: Sequence[str] = ()

    def __or__(self, later: "Ended") -> "Ended":
        return Ended({**self.failed, **later.failed}, (*self.notices, *later.notices))


@dataclass
class Running:
    """The state of a running cell."""

    cell: Cell
    begun: float  # seconds; when this attempt was started
    since: float  # when its last epoch ended, or the attempt was started
    epoch: int = 0
    top1: float | None = None  # of its last test

    def __str__(self) -> str:
        so_far = [
            *([f"epoch {self.epoch}/{self.cell.epochs}"] if self.epoch else []),
            *([f"{100 * self.top1:.1f} %"] if self.top1 is not None else []),
        ]
        return f"{self.cell.label}: {', '.join(so_far) or self.cell.kind.beginning}"


class Progress:
    """Counts the cells of a launch as they start and end. Use it as a context manager around their execution.

    Args:
        cells: to run.
        finished: the number of cells that are finished already.
        console: where the live table is shown, if that is a terminal.
        clock: returns seconds.
        expected: the number of cells that a search will propose while it runs.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        finished: int,
        console: Console,
        clock: Callable[[], float] = time.monotonic,
        *,
        expected: int = 0,
    ) -> None:
        self.waiting = {cell.id: cell for cell in cells}
        self.running: dict[str, Running] = {}
        self.finished = finished
        self.failed: dict[str, Failure] = {}  # by id of the cell
        self.notices: list[str] = []  # to be printed at the end
        self.pruned = 0  # how many of the finished cells were pruned
        self.expected = expected
        self.epochs = 0  # of a cell of the search, as far as is known
        self.total = finished + len(cells) + expected
        self.console = console
        self.clock = clock
        self.printed = clock()  # when a line was last said
        self.seconds: list[float] = []  # of each epoch of this launch, except the first of each cell
        self.at_once = 1  # the most cells that ran at the same time
        self.live = Live(get_renderable=self.table, console=console, refresh_per_second=2, transient=True)

    def __enter__(self) -> "Progress":
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()

    @property
    def outcome(self) -> Ended:
        """What to report at the end."""
        return Ended(self.failed, self.notices)

    def proposed(self, cell: Cell) -> None:
        """A search proposes a cell."""
        self.expected -= 1
        self.epochs = cell.epochs
        self.waiting[cell.id] = cell

    def awaits(self, cells: Iterable[Cell]) -> bool:
        """Whether one of these cells has not ended yet in this launch."""
        return any(cell.id in self.waiting or cell.id in self.running for cell in cells)

    def recalled(self) -> None:
        """A cell that a search proposed does not have to run: the record has its result, or it is not valid."""
        self.expected -= 1
        self.finished += 1

    def started(self, id: str) -> None:
        """A worker started the cell."""
        cell, now = self.waiting.pop(id), self.clock()
        self.running[id] = Running(cell, now, now)
        self.at_once = max(self.at_once, len(self.running))
        LAUNCH.debug(f"{cell.label} ({id}): given to a worker")

    def result(self, id: str, top1: float | None, epoch: int | None = None) -> None:
        """The cell finished an epoch of its training, or its test; `top1` is a fraction, None after no test."""
        running, now = self.running[id], self.clock()
        if running.epoch:  # the time of the first epoch includes the start of the worker
            self.seconds.append(now - running.since)
        running.epoch, running.since = epoch or 0, now
        running.top1 = running.top1 if top1 is None else top1
        if now - self.printed >= INTERVAL:
            self._say(self.line(), DEBUG if self.console.is_terminal else INFO)  # a terminal shows it in the table

    def noticed(self, id: str, notice: str) -> None:
        """Stores a notice about the cell, to be printed at the end."""
        self.notices.append(f"{self.running[id].cell.label} ({id}): {notice}")

    def interrupted(self, id: str, failure: Failure) -> None:
        """An attempt at the cell failed; it waits to be tried again."""
        cell = self.running.pop(id).cell
        self.waiting[id] = cell
        self._say(f"{cell.label}: {AGAIN[failure.kind]}: {failure.reason}", WARNING)

    def ended(self, id: str, failure: Failure | None = None, *, pruned: bool = False) -> None:
        """The cell finished, was pruned, or failed."""
        running = self.running.pop(id)
        if failure is None:
            self.finished += 1
            self.pruned += pruned
            outcome = f"{running.cell.label}: done" if running.top1 is None else str(running)
            outcome += f"{', pruned' * pruned}, {duration(self.clock() - running.begun)}"
        else:
            self.failed[id] = failure
            outcome = f"{running.cell.label}: failed, {failure.reason}"
        self._say(f"{outcome} ({self.counts()})", WARNING if failure else INFO)

    def counts(self) -> str:
        """The number of cells in each state, and the time that is left."""
        parts = [
            f"{self.finished}/{self.total} done",
            f"{len(self.running)} running",
            f"{len(self.waiting) + self.expected} waiting",
            *([f"{self.pruned} pruned"] if self.pruned else []),
            *([f"{len(self.failed)} failed"] if self.failed else []),
            *([f"about {duration(left)} left"] if (left := self.seconds_left()) else []),
        ]
        return ", ".join(parts)

    def line(self) -> str:
        """The counts and the running cells in one line."""
        return f"{self.counts()}: {'; '.join(map(str, self.running.values()))}"

    def seconds_left(self) -> float | None:
        """The time that is left at the pace of the epochs so far; None before the second epoch of any cell."""
        if not self.seconds:
            return None
        epochs = sum(cell.epochs for cell in self.waiting.values()) + self.expected * self.epochs
        epochs += sum(running.cell.epochs - running.epoch for running in self.running.values())
        return epochs * fmean(self.seconds) / self.at_once

    def table(self) -> RenderableType:
        """The counts, and a row for each running cell."""
        table = Table(box=None, padding=(0, 2, 0, 0))
        for heading in ("running", "epoch", "top-1"):
            table.add_column(heading, style="dim" if heading == "running" else None, justify="left")
        for running in list(self.running.values()):
            epochs = f"{running.epoch}/{running.cell.epochs}" if running.cell.epochs else ""
            table.add_row(running.cell.label, epochs, "" if running.top1 is None else f"{100 * running.top1:.1f} %")
        return Group(self.counts(), table)

    def _say(self, line: str, level: int) -> None:
        self.printed = self.clock()
        LAUNCH.log(level, line)
