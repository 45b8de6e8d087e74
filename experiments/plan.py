"""From a launch to its cells: one training each, named by what it computes."""

import shlex
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from d3d.config import Config, DataConfig
from d3d.data import Dataset, check_frames, open_dataset
from d3d.errors import ConfigError
from experiments.compose import Launch, configure
from experiments.declarations import Ablation, Value, ablations
from experiments.identity import canonical, cell_id, short_hash


@dataclass(frozen=True)
class Cell:
    """One training: its id, the first row and seed that ask for it, its canonical configuration, its data's digest."""

    id: str
    label: str
    config: Config
    data_digest: str


@dataclass(frozen=True)
class Point:
    """One row of the ablation with one seed, as asked for, and the cell that answers it."""

    axes: dict[str, Value]
    label: str
    seed: int
    cell: str


@dataclass(frozen=True)
class Plan:
    """The cells of a launch. Several points may share one."""

    launch: Launch
    points: tuple[Point, ...]
    cells: tuple[Cell, ...]
    data_digest: str
    shared: dict[str, int]  # other ablation → how many of these cells it asks for as well

    @property
    def id(self) -> str:
        """The launch's name in the record: the same command has the same."""
        launch = self.launch
        return short_hash([launch.ablation.name, launch.preset, launch.data, sorted(cell.id for cell in self.cells)])

    @property
    def command(self) -> str:
        """What to type to run it again, which is also how it is continued."""
        return f"python orchestrate.py {shlex.join(self.launch.arguments)}"

    def as_json(self) -> dict[str, Any]:
        """plan.json: all that tables/ must know to put the cells where they belong."""
        launch = self.launch
        return {
            "ablation": launch.ablation.name,
            "artefact": launch.ablation.artefact or "",
            "preset": launch.preset,
            "data": launch.data,
            "data_digest": self.data_digest,
            "command": self.command,
            "seeds": list(launch.seeds),
            "frames": launch.config.training.frames,
            "points": [{"axes": point.axes, "seed": point.seed, "cell": point.cell} for point in self.points],
        }


def make_plan(launch: Launch) -> Plan:
    """The launch's plan. Makes the synthetic dataset where it is not there yet. Raises ConfigError and DataError."""
    rows = [(row, configure(launch.config, row)) for row in launch.ablation.rows]
    opened = {data: open_dataset(data, launch.storage / "data") for data in {config.data for _, config in rows}}
    for _, config in rows:
        check_frames(opened[config.data], config.training.frames)
    points: list[Point] = []
    cells: dict[str, Cell] = {}
    for seed in launch.seeds:
        for row, config in rows:
            cell = _cell(f"{row.label}, seed {seed}", replace(config, seed=seed), opened[config.data])
            cells.setdefault(cell.id, cell)
            points.append(Point(row.settings, row.label, seed, cell.id))
    return Plan(
        launch=launch,
        points=tuple(points),
        cells=tuple(cells.values()),
        data_digest="+".join(sorted({dataset.digest for dataset in opened.values()})),
        shared=_shared(launch, opened, set(cells)),
    )


def _cell(label: str, config: Config, dataset: Dataset) -> Cell:
    model = replace(config.model, classes=len(dataset.classes), joints=len(dataset.joint_names))
    config = canonical(replace(config, model=model))
    return Cell(cell_id(config, dataset.digest), label, config, dataset.digest)


def _shared(launch: Launch, opened: dict[DataConfig, Dataset], cells: set[str]) -> dict[str, int]:
    """How many of the cells the project's other ablations ask for, by ablation."""
    counts = {}
    for other in ablations().values():
        if other.name != launch.ablation.name:
            counts[other.name] = len(cells & _ids(launch, other, opened))
    return {name: count for name, count in counts.items() if count}


def _ids(launch: Launch, ablation: Ablation, opened: dict[DataConfig, Dataset]) -> set[str]:
    """The cells an ablation asks for on the datasets that are open, as far as its rows suit the launch."""
    ids = set()
    for row in ablation.rows:
        with suppress(ConfigError):  # an override of this launch may not go with a row of that ablation
            config = configure(launch.config, row)
            if config.data in opened:
                ids |= {_cell("", replace(config, seed=seed), opened[config.data]).id for seed in launch.seeds}
    return ids
