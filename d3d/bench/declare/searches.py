"""Reads hyper-parameter searches from YAML: the space, the objectives, the number of trials and the pruner."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from d3d.bench.declare.ablations import NAME_RULE, fault_of, is_name, options
from d3d.bench.declare.search_space import Space, parse_space
from d3d.errors import ConfigError, require
from d3d.folders import EXPERIMENTS
from d3d.models.config import SystemConfig
from d3d.text import one_line
from d3d.yaml_file import read_yaml

Objective = Literal["top1", "gmacs"]
Pruner = Literal["halving", "median", "none"]
MODES: dict[Objective, Literal["max", "min"]] = {"top1": "max", "gmacs": "min"}


@dataclass(frozen=True, kw_only=True)
class Search:
    """A hyper-parameter search, which gives every row of an ablation the same number of trials."""

    name: str
    source: str  # the file it was read from
    title: str
    cost: str
    trials: int  # for each row
    objectives: tuple[Objective, ...]  # "top1" comes first
    pruner: Pruner
    seed: int  # of the sampler that proposes settings
    space: Space

    @property
    def modes(self) -> list[Literal["max", "min"]]:
        """Whether each objective is maximized or minimized."""
        return [MODES[each] for each in self.objectives]


@dataclass(frozen=True, kw_only=True)
class _Declared:
    """The YAML file as written."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    title: str
    cost: str
    trials: int
    objectives: list[Objective] = field(default_factory=lambda: ["top1"])
    pruner: Pruner = "halving"
    seed: int = 0
    name: str | None = None
    space: dict[str, Any]


KEYS = tuple(field.name for field in fields(_Declared))


def read_search(path: Path, changes: Mapping[str, Any], models: Iterable[type[SystemConfig]] = ()) -> Search:
    """The search that a file declares.

    `changes` are keys that the command line overrides. `models` are the configurations of systems outside the project,
    whose keys the space may name as well. Raises ConfigError that names the file, the key and what to do.
    """
    written = read_yaml(path)
    if isinstance(written, dict):
        written |= changes
    try:
        declared = TypeAdapter(_Declared).validate_python(written)
    except ValidationError as error:
        fault, place = fault_of(error, written, KEYS), error.errors()[0]["loc"]
        typed = bool(place) and place[0] in changes  # on the command line
        raise ConfigError(f"search.{fault} ({path})" if typed else f"{path}: {fault}") from error
    name = path.stem if declared.name is None else declared.name
    _check(declared, name, str(path))
    return Search(
        name=name,
        source=str(path),
        title=one_line(declared.title),
        cost=one_line(declared.cost),
        trials=declared.trials,
        objectives=tuple(declared.objectives),
        pruner=declared.pruner,
        seed=declared.seed,
        space=parse_space(declared.space, str(path), models),
    )


def searches() -> dict[str, Search]:
    """The project's own searches, by name."""
    return {name: read_search(EXPERIMENTS / "search" / f"{name}.yaml", {}) for name in options("search")}


def _check(declared: _Declared, name: str, source: str) -> None:
    if not is_name(name):
        raise ConfigError(f"search.name={name}: {NAME_RULE}")
    for key, least, most in (("trials", 1, 10_000), ("seed", 0, 2**32 - 1)):
        value = getattr(declared, key)
        require(value >= least, f"search.{key}", value, f"must be at least {least} ({source})")
        require(value <= most, f"search.{key}", value, f"must be at most {most} ({source})")
    if declared.objectives not in (["top1"], ["top1", "gmacs"]):
        asked = ", ".join(declared.objectives)
        raise ConfigError(f"search.objectives=[{asked}]: must be [top1] or [top1, gmacs] ({source})")
    if len(declared.objectives) > 1 and declared.pruner != "none":
        fault = f"search.pruner={declared.pruner}: Optuna prunes only searches with one objective"
        raise ConfigError(f"{fault}; write pruner: none, or search.pruner=none ({source})")
