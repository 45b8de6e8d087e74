"""Runs the cells that the record does not have. However a launch ends, none of its runs stays RUNNING."""

from collections.abc import Collection
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rich.console import Console

from d3d.bench.plan.planning import Plan
from d3d.bench.record.tracking import Record, finished_cells, prepare
from d3d.bench.run.progress import Ended, Progress
from d3d.bench.search.tuned_rows import with_tuned_rows

if TYPE_CHECKING:
    from d3d.bench.run.schedule import CellResources


def execute(plan: Plan, console: Console) -> tuple[Plan, Record, Ended]:
    """Runs the plan's unfinished cells, then the trials that its studies have left, then the cells they tuned.

    Returns the plan with the tuned cells, the record, and what to report about the cells. Raises ScheduleError, before
    anything is recorded, where no Ray can run them, and StorageError where a disk is full.
    """
    launch = plan.launch
    plan = with_tuned_rows(plan)  # another launch may have continued its studies since the plan was made
    busy = bool(plan.unfinished(plan.counted(finished_cells(plan))) or plan.trials_left)
    if busy:
        from d3d.bench.run import schedule  # Ray is not imported where there is nothing to run
    with schedule.attached(launch) if busy else nullcontext() as resources:
        record = prepare(launch.tracking_uri, launch.storage)
        with record.reports(plan):
            ended = _run(plan, record, resources, console)
            if resources and plan.trials_left:
                plan, searched = _search(plan, record, resources, console)
                ended |= searched
                ended |= _run(plan, record, resources, console, ended.failed)
            if plan.studies:
                _draw(plan, record)
    return plan, record, ended


def _run(
    plan: Plan, record: Record, resources: "CellResources | None", console: Console, failed: Collection[str] = ()
) -> Ended:
    """Runs the cells that are not finished, except those whose ids are in `failed`."""
    finished = finished_cells(plan)
    record.tag_finished(plan, finished)
    todo = [cell for cell in plan.unfinished(plan.counted(finished)) if cell.id not in failed]
    progress = Progress(todo, len(plan.cells) - len(todo), console)
    try:
        if resources and todo:
            from d3d.bench.run import schedule

            schedule.run(plan, todo, resources, progress)
    finally:
        record.end([cell.id for cell in todo], progress.failed)
    return progress.outcome


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
    try:
        run_studies(plan, record, resources, progress)
    finally:
        plan = with_tuned_rows(plan)
        record.log_plans(plan)
    return plan, Ended(notices=progress.notices)
