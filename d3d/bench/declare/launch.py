"""What a launch is: the ablations, what their rows start from, the seeds, and where and on what it runs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from d3d.bench.declare.ablations import MODEL, VALIDATION, Ablation, Row, did_you_mean
from d3d.bench.declare.configuration import with_settings
from d3d.bench.declare.searches import Search
from d3d.config import OF_DATASET, Config
from d3d.errors import ConfigError
from d3d.models.config import SystemConfig


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What of this machine a launch may use, and what one training needs."""

    cpus: int | None
    cpus_per_cell: int
    gpus_per_cell: float | None

    def __post_init__(self) -> None:
        for key in ("cpus", "cpus_per_cell"):
            if getattr(self, key) is not None and getattr(self, key) < 1:
                raise ConfigError(f"resources.{key}={getattr(self, key)}: must be at least 1")
        if self.gpus_per_cell is not None and not 0 <= self.gpus_per_cell <= 1:
            raise ConfigError(f"resources.gpus_per_cell={self.gpus_per_cell}: must be in [0, 1], a training uses one")


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The Ray cluster to use; None is one of this launch's own, on this machine."""

    address: str | None


@dataclass(frozen=True, kw_only=True)
class Tracking:
    """What is logged where. A `uri` that is None is the SQLite file in the storage folder."""

    uri: str | None
    test_every: int  # epochs from one test of a training to the next

    def __post_init__(self) -> None:
        if self.test_every < 1:
            raise ConfigError(f"tracking.test_every={self.test_every}: must be at least 1")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The keys of config.yaml itself: how to launch, not what to train."""

    seeds: int | list[int] | str
    storage: str
    dry_run: bool
    stale: Literal["keep", "rerun"]
    resources: Resources
    cluster: Cluster
    tracking: Tracking


@dataclass(frozen=True, kw_only=True)
class Launch:
    """All that a command line says."""

    arguments: tuple[str, ...]
    name: str  # of the ablation, or all
    ablations: tuple[Ablation, ...]
    preset: str
    config: Config  # what the ablations' rows start from
    models: Mapping[str, SystemConfig]  # what rows that name a system start from, by that name
    search: Search | None  # None: every row is trained as it is, and that is all
    seeds: tuple[int, ...]  # of every row; with `settle` those of the first look
    settle: int | None  # the most seeds of a row, which gets more of them while its claims are open; None: no more
    storage: Path  # absolute
    tracking_uri: str
    test_every: int  # epochs from one test of a training to the next
    dry_run: bool
    stale: Literal["keep", "rerun"]  # what becomes of finished cells that other code made
    resources: Resources
    cluster: Cluster

    def configure(self, row: Row) -> Config:
        """The configuration of an ablation's row. Raises ConfigError where a key or a value cannot be."""
        settings = dict(row.settings)
        named = settings.pop(MODEL, None)
        if named is None:
            return with_settings(self.config, settings)
        if named not in self.models:
            there = ", ".join(self.models)
            near = did_you_mean(str(named), self.models)
            raise ConfigError(f"model={named}: unknown model{near}; there are: {there}")
        return with_settings(replace(self.config, model=self.models[str(named)]), settings)

    @property
    def data(self) -> str:
        """How the data is called in the record."""
        data = self.config.data
        parts: list[str] = [data.name, data.frames]
        if data.name in OF_DATASET["protocol"]:
            parts[1:1] = [data.protocol]
        elif data.name == "pyskl":  # any dataset may be behind it
            parts[1:1] = [re.sub(r"[^\w.-]", "_", part) for part in (Path(data.annotations or "").stem, data.splits[1])]
        return ", ".join(parts) + VALIDATION * (data.split == "validation")


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What a command line says that looks at data and launches nothing."""

    config: Config
    storage: Path  # absolute
    resources: Resources
    clip: str  # to show
