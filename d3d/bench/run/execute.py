"""Runs the cells that the record does not have. However a launch ends, none of its runs stays RUNNING."""

from collections.abc import Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rich.console import Console

from d3d.bench.plan.planning import Plan
from d3d.bench.record.access import at_the_end
from d3d.bench.record.tracking import Record, finished_cells, prepare
from d3d.bench.run.progress import Ended, Progress
from d3d.bench.search.tuned_rows import with_tuned_rows

if TYPE_CHECKING:
    from mlflow.entities import Run

    from d3d.bench.run.schedule import CellResources


@dataclass(frozen=True)
class Execution:
    """A launch after its cells have run."""

    plan: Plan  # with the cells that the searches tuned
    record: Record
    ended: Ended  # what to report about the cells
    finished: Mapping[str, "Run"]  # cell → its run


def execute(plan: Plan, finished: Mapping[str, "Run"], console: Console) -> Execution:
    """Runs the plan's unfinished cells, then the trials that its studies have left, then the cells they tuned.

    `finished` are the cells of the plan that the record has. Raises ScheduleError, before anything is recorded, where
    no Ray can run the others, and StorageError where a disk is full.
    """
    launch, planned = plan.launch, len(plan.cells)
    plan = with_tuned_rows(plan)  # another launch may have continued its studies since the plan was made
    if len(plan.cells) > planned:
        finished = finished_cells(plan)
    busy = bool(plan.unfinished(plan.counted(finished)) or plan.trials_left)
    if busy:
        from d3d.bench.run import schedule  # Ray is not imported where there is nothing to run
    with schedule.attached(launch) if busy else nullcontext() as resources:
        record = prepare(launch.tracking_uri, launch.storage)
        with record.reports(plan):
            ended, finished = _run(plan, finished, record, resources, console)
            if resources and plan.trials_left and not _blocked(plan, ended):
                plan, searched = _search(plan, record, resources, console)
                tuned, finished = _run(plan, finished_cells(plan), record, resources, console, ended.failed)
                ended |= searched | tuned
            if plan.studies:
                _draw(plan, record)
    return Execution(plan, record, ended, finished)


def _run(
    plan: Plan,
    finished: Mapping[str, "Run"],
    record: Record,
    resources: "CellResources | None",
    console: Console,
    failed: Collection[str] = (),
) -> tuple[Ended, Mapping[str, "Run"]]:
    """Runs the cells that are not finished, except those whose ids are in `failed`. Returns what is finished then."""
    record.tag_finished(plan, finished)
    todo = [cell for cell in plan.unfinished(plan.counted(finished)) if cell.id not in failed]
    progress = Progress(todo, len(plan.cells) - len(todo), console)
    with at_the_end(lambda: record.end([cell.id for cell in todo], progress.failed)):
        if resources and todo:
            from d3d.bench.run import schedule

            schedule.run(plan, todo, resources, progress)
    return progress.outcome, {**finished, **finished_cells(plan, todo)}


def _blocked(plan: Plan, ended: Ended) -> bool:
    """Whether a cell has failed that the trials of a study start from: they would all fail, and count as trials."""
    return any(start.id in ended.failed for study in plan.studies for start in study.starts)


def _draw(plan: Plan, record: Record) -> None:
    """Draws the searches in every launch: nothing records whether an earlier one, killed since, drew them."""
    from d3d.bench.search.plots import draw_searches

    for report in plan.reports:
        with TemporaryDirectory() as folder:
            own = list(report.studies.values())
            record.log_search(report, draw_searches(own, plan.launch.storage, Path(folder)))


def _search(plan: Plan, record: Record, resources: "CellResources", console: Console) -> tuple[Plan, Ended]:
    """Runs the trials that are left. Returns the plan with their results, which plan.json gets even after an error.

    Failed trials count as trials of their study and are not tried again.
    """
    from d3d.bench.search.search_runner import run_studies

    ended = sum(each.trials for each in plan.study_progress.values())
    progress = Progress([], ended, console, expected=plan.trials_left)
    with at_the_end(lambda: record.log_plans(with_tuned_rows(plan))):
        run_studies(plan, record, resources, progress)
    return with_tuned_rows(plan), Ended(notices=progress.notices)
