"""How long trainings will take: the clips that they process, times the seconds a clip takes.

The seconds are taken from the record where it has a training of the same cost; epochs, seed and learning rate may
differ. Otherwise one batch is trained to measure them (timing.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from math import ceil
from statistics import fmean, median
from typing import Any

from mlflow.entities import Run

from d3d.bench.declare.ablations import flatten
from d3d.bench.declare.launch import Launch
from d3d.bench.plan.cell import Cell
from d3d.bench.plan.machine import gpus_per_cell, slots
from d3d.bench.plan.planning import Plan
from d3d.bench.plan.timing import seconds_per_clip
from d3d.bench.record.schema import Metric, Tag

Settings = frozenset[tuple[str, str]]

COSTLY = (
    *("model.", "augmentation."),
    *("data.name", "data.frames", "data.view", "data.resize", "data.crop"),
    *("training.frames", "training.batch_size", "training.mixup", "training.average"),
)  # prefixes of the keys that decide how long a clip takes
FORWARD = 1 / 3  # a test clip's time, relative to a training clip's: a backward pass costs two forward passes
TIMINGS = 4  # the most settings that are timed; the others are assumed to take the average


def estimate(plan: Plan, known: Mapping[str, Run], trainings: Sequence[Cell]) -> str:
    """A sentence with the time these trainings take, and where that number comes from.

    `known` are finished cells, by id, whose speed the record has.
    """
    launch = plan.launch
    recorded = _recorded(launch, known.values())
    asked = {cell.id: _settings(flatten(asdict(cell.config))) for cell in trainings}
    unknown = {asked[cell.id]: cell for cell in trainings if asked[cell.id] not in recorded}
    timed = _timed(plan, _spread([*unknown.values()])) if unknown else {}
    if unknown and not timed:
        where = "a GPU" if _on_gpu(launch) else "clips as large"
        return f"no estimate: the record has no training like these, and {where} cannot be timed beforehand"
    spare = fmean(timed.values()) if timed else 0.0
    rates = [recorded.get(asked[cell.id], timed.get(asked[cell.id], spare)) for cell in trainings]
    seconds = [rate * _clips(plan, cell) for rate, cell in zip(rates, trainings, strict=True)]
    new = sum(asked[cell.id] in unknown for cell in trainings)
    source = "from the record" if not new else "timed just now"
    if 0 < new < len(trainings):
        source = f"from the record and, for {new}, timed just now"
    if len(timed) < len(unknown):
        source += f", {len(timed)} of {len(unknown)} settings"
    shortest, longest = duration(min(seconds)), duration(max(seconds))
    each = f"{longest if shortest == longest else f'{shortest} to {longest}'} each, {source}"
    total = sum(seconds)
    if launch.cluster.address is not None:
        return f"about {duration(total)} of training in all ({each})"
    at_once = min(slots(launch), len(trainings))
    rounds = ceil(len(trainings) / at_once) / len(trainings)  # with trainings of one length, the last may run alone
    return f"about {duration(max(total * rounds, *seconds))}, {at_once} at a time ({each})"


def duration(seconds: float) -> str:
    """A length of time for a reader: "40 s", "6 min", "3.5 h", "12 days"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 36 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.0f} days"


def _clips(plan: Plan, cell: Cell) -> float:
    """The clips that a training processes, where a test clip counts as FORWARD of a training clip."""
    dataset, epochs = plan.datasets[cell.data_digest], cell.epochs
    tests = ceil(epochs / plan.launch.test_every) if cell.kind.predicts else 0
    return epochs * len(dataset.train) + tests * len(dataset.test) * FORWARD


def _recorded(launch: Launch, runs: Iterable[Run]) -> dict[Settings, float]:
    """The median seconds of a training clip in the record, by settings, on the kind of device of this launch."""
    found: dict[Settings, list[float]] = {}
    for run in runs:
        speed = run.data.metrics.get(Metric.CLIPS_PER_SECOND)
        alike = launch.cluster.address is not None or (run.data.tags.get(Tag.DEVICE, "cpu") != "cpu") == _on_gpu(launch)
        if speed and alike:
            found.setdefault(_settings(run.data.params), []).append(1 / speed)
    return {settings: median(seconds) for settings, seconds in found.items()}


def _spread(cells: Sequence[Cell]) -> list[Cell]:
    """At most TIMINGS cells, spread evenly from the first to the last: costs grow along the rows of a grid."""
    count = min(TIMINGS, len(cells))
    return [cells[round(index * (len(cells) - 1) / max(1, count - 1))] for index in range(count)]


def _timed(plan: Plan, cells: Sequence[Cell]) -> dict[Settings, float]:
    """The seconds of a training clip, measured now; none where the trainings run on a GPU, which is not timed."""
    if _on_gpu(plan.launch):
        return {}
    found = {}
    for cell in cells:
        dataset = plan.datasets[cell.data_digest]
        seconds = seconds_per_clip(replace(cell.config, seed=0), dataset, plan.launch.resources.cpus_per_cell)
        if seconds is not None:
            found[_settings(flatten(asdict(cell.config)))] = seconds
    return found


def _on_gpu(launch: Launch) -> bool:
    return gpus_per_cell(launch.resources.gpus_per_cell) > 0


def _settings(params: Mapping[str, Any]) -> Settings:
    """The parameters that decide how long a clip takes."""
    return frozenset((key, str(value)) for key, value in params.items() if key.startswith(COSTLY))
