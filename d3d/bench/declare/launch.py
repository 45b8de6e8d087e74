"""Defines a launch: the ablations to run, the configuration their rows start from, the seeds, and where it runs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from d3d.bench.declare.ablations import MODEL, VALIDATION, Ablation, Row, did_you_mean
from d3d.bench.declare.configuration import with_settings
from d3d.bench.declare.searches import Search
from d3d.config import OF_DATASET, Config
from d3d.errors import ConfigError, require
from d3d.models.config import SystemConfig

MOST_CPUS = 10_000  # of a machine; a larger number is a mistake

Output = Literal["quiet", "normal", "verbose"]


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a launch may use of this machine, and what one training needs."""

    cpus: int | None  # None: all
    cpus_per_cell: int
    gpus_per_cell: float | None  # a fraction lets several trainings share a GPU; None: 1 if there is a GPU, else 0

    def __post_init__(self) -> None:
        for key in ("cpus", "cpus_per_cell"):
            value = getattr(self, key)
            require(value is None or value >= 1, f"resources.{key}", value, "must be at least 1")
            require(value is None or value <= MOST_CPUS, f"resources.{key}", value, f"must be at most {MOST_CPUS}")
        asked, rule = self.gpus_per_cell, "must be in [0, 1], because a training uses at most one GPU"
        require(asked is None or 0 <= asked <= 1, "resources.gpus_per_cell", asked, rule)


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The Ray cluster to use; with None the launch starts Ray on this machine."""

    address: str | None


@dataclass(frozen=True, kw_only=True)
class Tracking:
    """Where and how often results are logged."""

    uri: str | None = field(repr=False)  # None: the SQLite file in the storage folder
    test_every: int  # epochs from one test of a training to the next

    def __post_init__(self) -> None:
        require(self.test_every >= 1, "tracking.test_every", self.test_every, "must be at least 1")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The keys of config.yaml that say how to launch rather than what to train."""

    seeds: int | list[int] | str
    storage: str
    dry_run: bool
    stale: Literal["keep", "rerun"]
    resources: Resources
    cluster: Cluster
    tracking: Tracking


@dataclass(frozen=True, kw_only=True)
class Launch:
    """Everything that a command line asks for."""

    arguments: tuple[str, ...]  # as typed, without the secrets of URIs
    name: str  # of the ablation, or "all"
    ablations: tuple[Ablation, ...]
    preset: str
    config: Config  # the configuration that the ablations' rows start from
    models: Mapping[str, SystemConfig]  # name of a system → the configuration that rows which select it start from
    search: Search | None  # None: rows are not tuned
    seeds: tuple[int, ...]  # of every row; with `settle` those of the first look
    settle: int | None  # with seeds=settle the largest number of seeds of a row; None: the seeds are given
    storage: Path  # absolute
    tracking_uri: str = field(repr=False)  # may have a password
    test_every: int  # epochs from one test of a training to the next
    dry_run: bool
    stale: Literal["keep", "rerun"]  # what to do with finished cells that other code made
    resources: Resources
    cluster: Cluster
    output: Output = "normal"  # how much of what it says is printed

    def configure(self, row: Row) -> Config:
        """The configuration of an ablation's row. Raises ConfigError for an unknown key or an invalid value."""
        settings = dict(row.settings)
        named = settings.pop(MODEL, row.model)
        if named is None:
            return with_settings(self.config, settings)
        if named not in self.models:
            there = ", ".join(self.models)
            near = did_you_mean(str(named), self.models)
            raise ConfigError(f"model={named}: unknown model{near}; there are: {there}")
        return with_settings(replace(self.config, model=self.models[str(named)]), settings)

    @property
    def data(self) -> str:
        """The name of the data in the record, such as "penn_action, rendered"."""
        data, folds = self.config.data, self.config.data.folds
        if data.name == "pyskl" and data.numbered and len(folds) == 1:  # its split has the number in its name
            (data,), folds = data.each_fold, ()
        parts: list[str] = [data.name, data.frames]
        if data.name in OF_DATASET["protocol"]:
            parts[1:1] = [data.protocol]
        elif data.name == "pyskl":  # which can be any dataset
            named = Path(data.annotations or "").stem, data.splits[1].replace("*", "")
            parts[1:1] = [re.sub(r"[^\w.-]", "_", part) for part in named if part]
        if folds:
            parts.append(f"fold{'s' * (len(folds) > 1)} {', '.join(map(str, folds))}")
        return ", ".join(parts) + VALIDATION * (data.split == "validation")


@dataclass(frozen=True, kw_only=True)
class Poses:
    """The keys of the command `poses`, which estimates the joints of videos."""

    models: str | None = None  # folder of BlazePose's two models, or the bundle of both
    size: Literal["lite", "full", "heavy"] | None = None  # of the landmark model; None: the most accurate one there
    list: str | None = None  # CSV of clip,class,split,group; None: the folders of the videos tell their classes
    output: str | None = None  # FILE.pkl; None: in the folder poses/ of the storage folder, named as the videos' folder


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What a command line asks for that reads data instead of launching an ablation."""

    config: Config
    storage: Path  # absolute
    resources: Resources
    clip: str = ""  # id of the clip that the command `show` draws
    poses: Poses = field(default_factory=Poses)  # of the command `poses`; its paths are absolute
