"""How long a launch will take: from the record where it holds such trainings, else as the preset states it."""

from collections.abc import Mapping
from dataclasses import asdict
from statistics import median

from mlflow.entities import Run

from experiments.declarations import flatten
from experiments.machine import slots
from experiments.plan import Plan

COSTLESS = {"seed", "data.root", "data.missing"}
"""Keys that do not decide how long a training takes, beside those that the ablation varies."""


def estimate(plan: Plan, finished: Mapping[str, Run], todo: int) -> str:
    """The time `todo` more cells take, and the source of that number."""
    launch = plan.launch
    measured = [_seconds(run) for run in finished.values() if _alike(plan, run)]
    seconds = median(measured) if measured else launch.seconds
    if seconds is None:
        return f"no estimate, preset {launch.preset} states none for {launch.config.data.name}"
    source = f"the median of {len(measured)} in the record" if measured else f"as preset {launch.preset} states"
    each = f"{duration(seconds)} each, {source}"
    if launch.cluster.address is not None:
        return f"about {duration(todo * seconds)} of training in all ({each})"
    at_once = min(slots(launch), todo)
    return f"about {duration(todo * seconds / at_once)}, {at_once} at a time ({each})"


def duration(seconds: float) -> str:
    """A length of time for a reader: "40 s", "6 min", "3.5 h", "12 days"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 36 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.0f} days"


def _alike(plan: Plan, run: Run) -> bool:
    """Whether a finished training differs from the plan's at most in what the ablation varies."""
    ignored = COSTLESS | set(plan.launch.ablation.axes)
    ours = flatten(asdict(plan.cells[0].config))
    return all(run.data.params.get(key) == str(value) for key, value in ours.items() if key not in ignored)


def _seconds(run: Run) -> float:
    return float(run.info.end_time - run.info.start_time) / 1000
