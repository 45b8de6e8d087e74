"""Runs what the record does not have, and leaves no run of it RUNNING, however it ends."""

from contextlib import nullcontext

from rich.console import Console

from experiments.plan import Plan
from experiments.progress import Progress
from experiments.track import Record, finished_cells, prepare


def execute(plan: Plan, console: Console) -> tuple[Record, dict[str, str]]:
    """Runs the plan's unfinished cells. Returns the record, and the reason of each cell that failed, by id.

    Raises ScheduleError, before anything is recorded, where there is no Ray that can run them.
    """
    launch = plan.launch
    finished = finished_cells(launch.tracking_uri)
    todo = plan.unfinished(finished)
    if todo:
        from experiments import schedule  # Ray is not even imported where there is nothing to run
    progress = Progress(todo, len(plan.cells) - len(todo), console)
    with schedule.attached(launch) if todo else nullcontext() as share:
        record = prepare(launch.tracking_uri, launch.storage)
        with record.reports(plan):
            record.serve(plan, finished)
            try:
                if share:
                    schedule.run(plan, todo, share, progress)
            finally:
                record.end([cell.id for cell in todo], progress.failed)
    return record, progress.failed
