"""Trains what the record does not have, and leaves no run of it RUNNING, however it ends."""

from rich.console import Console

from experiments.plan import Plan
from experiments.progress import Progress
from experiments.track import Record


def train_cells(plan: Plan, record: Record, console: Console) -> dict[str, str]:
    """Trains the plan's unfinished cells. Returns the reason of each that failed, by id. Raises ScheduleError."""
    finished = record.finished()
    record.serve(plan.launch.ablation.name, [cell.id for cell in plan.cells if cell.id in finished])
    todo = [cell for cell in plan.cells if cell.id not in finished]
    if not todo:
        return {}
    from experiments import schedule  # Ray is not even imported where there is nothing to train

    progress = Progress(todo, len(plan.cells) - len(todo), console)
    try:
        schedule.run(plan, todo, progress)
    finally:
        record.end([cell.id for cell in todo], progress.failed)
    return progress.failed
