import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from d3d.bench.declare.launch import Launch
from d3d.bench.plan.cell import Cell
from d3d.bench.plan.planning import Plan
from d3d.bench.record.tracking import Record, finished_cells
from d3d.bench.run import schedule
from d3d.bench.run.execute import execute
from d3d.bench.run.progress import Ended, Progress
from d3d.bench.run.schedule import CellResources
from d3d.errors import ScheduleError
from d3d.prediction import Prediction

SILENT = Console(file=io.StringIO())
TAGS = {"code_digest": "c0de"}


@contextmanager
def attached(launch: Launch) -> Iterator[CellResources]:
    yield CellResources(1.0, 0.0, 1.0, 1)


def runs(monkeypatch: pytest.MonkeyPatch) -> list[list[Cell]]:
    """Replaces Ray: the first cell finishes, and the launch is interrupted in the second."""
    asked: list[list[Cell]] = []

    def run(plan: Plan, cells: Sequence[Cell], resources: CellResources, progress: Progress) -> None:
        asked.append(list(cells))
        record = Record(plan.launch.tracking_uri)
        for number, cell in enumerate(cells):
            progress.started(cell.id)
            begun = record.begin(cell, TAGS)
            if number:
                raise KeyboardInterrupt
            begun.finish([Prediction("0001", 1, 1)])
            progress.ended(cell.id)

    monkeypatch.setattr(schedule, "attached", attached)
    monkeypatch.setattr(schedule, "run", run)
    return asked


def test_what_is_finished_is_left_out_and_nothing_is_left_running(
    plan: Callable[..., Plan], record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = runs(monkeypatch)
    three = plan("ablation=full", "seeds=3")
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            execute(three, finished_cells(three), SILENT)
        statuses = [run.info.status for run in record.client.search_runs(record.experiments)]
        assert "RUNNING" not in statuses
    execute(three, finished_cells(three), SILENT)
    first, second, third = three.cells
    assert asked == [[first, second, third], [second, third], [third]]
    again = execute(three, finished_cells(three), SILENT)
    assert again.finished.keys() == {first.id, second.id, third.id}
    assert again.ended == Ended(notices=[])
    assert len(asked) == 3, "Ray is not asked for where nothing is to be done"


def test_where_ray_is_refused_nothing_is_recorded(
    plan: Callable[..., Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def refused(launch: Launch) -> Iterator[CellResources]:
        raise ScheduleError("cluster.address=auto: no cluster")
        yield

    monkeypatch.setattr(schedule, "attached", refused)
    with pytest.raises(ScheduleError):
        execute(plan("ablation=full"), {}, SILENT)
    assert not list(tmp_path.iterdir())
