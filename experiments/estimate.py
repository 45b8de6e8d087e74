"""How long trainings will take: from the record where it holds their like, else as the preset states it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from math import ceil
from statistics import median
from typing import Any

from mlflow.entities import Run

from experiments.cell import Cell
from experiments.compose import Launch
from experiments.declarations import flatten
from experiments.machine import slots

Settings = frozenset[tuple[str, str]]

COSTLESS = {
    "seed",
    "data.root",
    "data.annotations",
    "data.missing",
}  # keys that do not decide how long a training takes


def estimate(launch: Launch, finished: Mapping[str, Run], trainings: Sequence[Cell]) -> str:
    """The time these trainings take, and the source of that number.

    The like of a training differs from it in its seed alone; where there is none, also in what the launch varies.
    """
    varied = COSTLESS.union(*(ablation.axes for ablation in launch.ablations))
    if launch.search:
        varied |= {"data.split", *launch.search.space}
    others = {"trained", "baseline"}  # of tests and baselines
    measured = [run for run in finished.values() if "top1" in run.data.metrics and not others & run.data.tags.keys()]
    same, alike = _by_settings(measured, COSTLESS), _by_settings(measured, varied)
    known = []
    for cell in trainings:
        settings = {key: str(value) for key, value in flatten(asdict(cell.config)).items()}
        known.append(same.get(_without(settings, COSTLESS)) or alike.get(_without(settings, varied)))
    seconds = [launch.seconds if each is None else median(each) for each in known]
    stated = [each is None for each in known]
    total = sum(each for each in seconds if each is not None)
    if None in seconds:
        return f"no estimate, preset {launch.preset} states none for {launch.config.data.name}"
    source = f"as preset {launch.preset} states" if all(stated) else "from the record"
    if 0 < sum(stated) < len(stated):
        source += f" and, for {sum(stated)}, as preset {launch.preset} states"
    mean = total / len(trainings)
    each = f"{duration(mean)} each, {source}"
    if launch.cluster.address is not None:
        return f"about {duration(total)} of training in all ({each})"
    at_once = min(slots(launch), len(trainings))
    rounds = ceil(len(trainings) / at_once)
    return f"about {duration(rounds * mean)}, {at_once} at a time ({each})"


def duration(seconds: float) -> str:
    """A length of time for a reader: "40 s", "6 min", "3.5 h", "12 days"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 36 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.0f} days"


def _by_settings(runs: Sequence[Run], ignored: Collection[str]) -> dict[Settings, list[float]]:
    """The seconds that finished trainings took, by their settings."""
    seconds: dict[Settings, list[float]] = {}
    for run in runs:
        took = (run.info.end_time - run.info.start_time) / 1000
        seconds.setdefault(_without(run.data.params, ignored), []).append(took)
    return seconds


def _without(settings: Mapping[str, Any], ignored: Collection[str]) -> Settings:
    return frozenset((key, value) for key, value in settings.items() if key not in ignored)
