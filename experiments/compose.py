"""From the command line to a launch: Hydra composes, pydantic checks the types, the dataclasses check the values.

Hydra's compose API alone is used, so that nothing is written to outputs/ and no logging is configured. Presets and
datasets are its groups; what `ablation=` and `search=` name is read apart, for it may be a file from anywhere. Whatever
a user can get wrong is a ConfigError that names the key and the way out.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import TypeAdapter, ValidationError

from d3d.config import Config, DataConfig
from d3d.errors import ConfigError
from d3d.models.config import FROM_DATA, SystemConfig
from d3d.models.registry import config_type
from d3d.yaml_file import read_yaml
from experiments.database import sqlite_file, sqlite_uri
from experiments.declarations import (
    FOLDER,
    MODEL,
    SECTIONS,
    VALIDATION,
    Ablation,
    Choice,
    Row,
    Value,
    ablations,
    did_you_mean,
    flatten,
    options,
    read_ablation,
    settable,
)
from experiments.identity import OF_DATASET
from experiments.looks import LEAST, MOST, looks_until
from experiments.schema import DATABASE
from experiments.searches import KEYS, Search, read_search

T = TypeVar("T")

ALL = "all"  # the ablation that is every ablation of the project
PRESET = "quick"  # unless another is named, as config.yaml has it
SETTLE = "settle"  # as many seeds as it takes until every claim is settled


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


_CHOICE, _SETTINGS, _CONFIG = TypeAdapter(Choice), TypeAdapter(Settings), TypeAdapter(Config)


def compose(arguments: Sequence[str]) -> Launch:
    """The launch that overrides such as `ablation=stride_grid training.epochs=30` ask for. Raises ConfigError."""
    system = _system_of(arguments)
    known = _known_keys(system)
    overrides = _parse_all(arguments, known)
    name, chosen = _chosen([override for override in overrides if override.key_or_group == "ablation"])
    search = _search([override for override in overrides if _of_search(override)], config_type(system))
    most = [override for override in overrides if override.key_or_group == "seeds.most"]
    apart = [o for o in overrides if o.key_or_group == "ablation" or _of_search(o) or o in most]
    rest = [override for override in overrides if override not in apart]
    tree, choices = _compose(rest, system)
    _require_known(tree, known)
    for override in overrides:
        for ablation in chosen:
            if override.key_or_group in ablation.axes:
                raise ConfigError(f"{override.input_line}: {ablation.name} varies this key itself; leave it out")
    settings, config = _typed_parts(tree)
    storage = _path("storage", settings.storage).absolute()
    launch = Launch(
        arguments=tuple(arguments),
        name=name,
        ablations=chosen,
        preset=choices["preset"],
        config=config,
        models=_models(choices["preset"], choices[MODEL], config.model),
        search=search,
        seeds=_seeds(settings.seeds),
        settle=_settle(settings.seeds, most, chosen),
        storage=storage,
        tracking_uri=_tracking_uri(settings.tracking, storage),
        test_every=settings.tracking.test_every,
        dry_run=settings.dry_run,
        stale=settings.stale,
        resources=settings.resources,
        cluster=settings.cluster,
    )
    for ablation in chosen:
        _check_rows(launch, ablation)
    return launch


def compose_inspection(command: str, arguments: Sequence[str]) -> Inspection:
    """What the overrides of a command that looks at data ask for, one of COMMANDS. Raises ConfigError."""
    apart = ("ablation", "search")
    system = _system_of(arguments)
    known = [key for key in _known_keys(system) if key.partition(".")[0] not in apart and key != "seeds.most"]
    own = ["clip"] if command == "show" else []
    for argument in arguments:
        if argument.partition("=")[0].partition(".")[0] in apart:
            raise ConfigError(f"{argument}: {command} looks at data and trains nothing; leave it out")
    overrides = _parse_all(arguments, [*known, *own])
    clips = [str(override.input_line).partition("=")[2] for override in overrides if override.key_or_group == "clip"]
    if own and not clips:
        raise ConfigError("clip= is missing; name the clip to show, such as clip=0001")
    tree, _ = _compose([override for override in overrides if override.key_or_group not in own], system)
    _require_known(tree, known)
    settings, config = _typed_parts(tree)
    storage = _path("storage", settings.storage).absolute()
    clip = clips[-1].strip("'\"") if clips else ""
    return Inspection(config=config, storage=storage, resources=settings.resources, clip=clip)


def with_settings(config: Config, settings: Mapping[str, Value]) -> Config:
    """The configuration with some keys set. Raises ConfigError for an unknown key, and for a value that cannot be."""
    tree, known = asdict(config), settable(type(config.model))
    for key, value in settings.items():
        if key not in known:
            raise ConfigError(f"{key}: unknown key of model.system={config.model.system}{did_you_mean(key, known)}")
        group, _, name = key.partition(".")
        tree[group][name] = value
    return read_config(tree)


def read_config(tree: Mapping[str, Any]) -> Config:
    """The configuration that nested mappings describe. Raises ConfigError where a value cannot be."""
    own = tree[MODEL]
    model = _typed(_adapter(own["system"]), own, (MODEL,))
    rest = _typed(_CONFIG, {**tree, MODEL: {"system": own["system"]}})
    return replace(rest, model=model)


def _parse_all(arguments: Sequence[str], known: Sequence[str]) -> list[Override]:
    overrides = [_parse(argument) for argument in arguments]
    for override in overrides:
        _check(override, known)
    return overrides


def _require_known(tree: Mapping[str, Any], known: Sequence[str]) -> None:
    for key in flatten({key: value for key, value in tree.items() if key not in SECTIONS.values()}):
        if key not in known:
            raise ConfigError(f"{key}: unknown key in preset, data or config.yaml{did_you_mean(key, known)}")


def _typed_parts(tree: dict[str, Any]) -> tuple[Settings, Config]:
    """What a composed tree says of how to launch, and of what to train."""
    for section in SECTIONS.values():
        _typed(_CHOICE, tree.pop(section))
    settings = _typed(_SETTINGS, {key: tree.pop(key) for key in Settings.__dataclass_fields__})
    return settings, _with_absolute_paths(read_config(tree))


def _parse(argument: str) -> Override:
    try:
        return OverridesParser.create().parse_override(argument)
    except (HydraException, RecursionError, ValueError) as error:  # nested too deeply; a number of too many digits
        key, equals, value = argument.partition("=")
        way_out = f"""quote it: '{key}="{value}"'""" if equals else "--help shows how to launch"
        raise ConfigError(f"{argument}: is not key=value as Hydra reads it; {way_out}") from error


def _check(override: Override, known: Sequence[str]) -> None:
    key, line = override.get_key_element(), override.input_line
    if override.type != OverrideType.CHANGE:
        raise ConfigError(f"{line}: keys can be set, not added or removed; write key=value")
    if override.is_sweep_override():
        raise ConfigError(f"{line}: a launch has one value a key; an ablation file is what varies a key")
    if key in SECTIONS and override.value() not in options(key):
        near = did_you_mean(str(override.value()), options(key))
        raise ConfigError(f"{line}: unknown {key}{near}; there are: {', '.join(options(key))}")
    if key not in known:
        near = did_you_mean(key, known) or "; d3d/config.py and experiments/config.yaml name them all"
        raise ConfigError(f"{line}: unknown key{near}")


def _chosen(overrides: Sequence[Override]) -> tuple[str, tuple[Ablation, ...]]:
    """What the last `ablation=` names: one of the project's ablations, all of them, or a YAML file of the user's."""
    own = ablations()
    names = [*own, ALL]
    offered = "; ".join(f"{each.name} ({', '.join(each.artefacts) or 'no table'})" for each in own.values())
    if not overrides:
        raise ConfigError(f"ablation= is missing; there are: {offered}; or {ALL} of them")
    name = str(overrides[-1].value())
    if name.endswith((".yaml", ".yml")):
        path = _path("ablation", name)
        if path.stem in names:
            raise ConfigError(f"ablation={name}: the project has an ablation {path.stem}; give the file another name")
        return path.stem, (read_ablation(path),)
    if name not in names:
        near = did_you_mean(name, names)
        raise ConfigError(f"ablation={name}: unknown ablation{near}; there are: {offered}; or {ALL} of them")
    return name, tuple(own.values()) if name == ALL else (own[name],)


def _of_search(override: Override) -> bool:
    return override.key_or_group.partition(".")[0] == "search"


def _search(overrides: Sequence[Override], model: type[SystemConfig]) -> Search | None:
    """What the last `search=` names, with the keys of it that are changed: one of the project's, or a file."""
    named = [override for override in overrides if override.key_or_group == "search"]
    if not named:
        if overrides:
            raise ConfigError(f"{overrides[0].input_line}: there is no search; name one, such as search=optuna")
        return None
    name, own = str(named[-1].value()), options("search")
    if not name.endswith((".yaml", ".yml")) and name not in own:
        near = did_you_mean(name, own)
        raise ConfigError(f"search={name}: unknown search{near}; there are: {', '.join(own)}; or name a YAML file")
    path = FOLDER / "search" / f"{name}.yaml" if name in own else _path("search", name)
    changes = {o.key_or_group.partition(".")[2]: o.value() for o in overrides if o not in named}
    return read_search(path, changes, [model])


def _system_of(arguments: Sequence[str]) -> str:
    """The system that a command line names, by `model.system=` or by `model=`. Raises ConfigError."""
    named = dict(argument.partition("=")[::2] for argument in arguments)
    if "model.system" in named:
        return named["model.system"].strip("'\"")
    option = named.get(MODEL, "d3d")
    if option not in options(MODEL):
        there = ", ".join(options(MODEL))
        raise ConfigError(f"model={option}: unknown model{did_you_mean(option, options(MODEL))}; there are: {there}")
    return str(read_yaml(FOLDER / MODEL / f"{option}.yaml")[MODEL]["system"])


def _models(preset: str, option: str, own: SystemConfig) -> dict[str, SystemConfig]:
    """What each `model=` comes to with a preset; the command line changes the keys of the launch's own system alone."""
    models = {}
    for each in options(MODEL):
        written = read_yaml(FOLDER / MODEL / f"{each}.yaml")[MODEL]
        tree = _sized(written["system"], preset) | written
        models[each] = _typed(_adapter(written["system"]), tree, (MODEL,))
    return models | ({option: own} if own.system == models[option].system else {})


def _sized(system: str, preset: str) -> dict[str, Any]:
    """The defaults of a system's keys, and the preset's size of it."""
    size = read_yaml(FOLDER / "preset" / f"{preset}.yaml").get("models", {}).get(system, {})
    sized: dict[str, Any] = asdict(config_type(system)(system=system)) | size
    return sized


def _compose(overrides: Sequence[Override], system: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The composed tree without Hydra's own part, and which option of each group was taken."""
    presets = [str(override.value()) for override in overrides if override.key_or_group == "preset"]
    ConfigStore.instance().store(name="schema", node=_schema(system, presets[-1] if presets else PRESET))
    lines = [str(override.input_line) for override in overrides]
    try:
        with initialize_config_dir(str(FOLDER), version_base="1.3"):
            composed = hydra_compose("config", lines, return_hydra_config=True)
        own = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
        tree = OmegaConf.to_container(own, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(str(error).splitlines()[0]) from error
    assert isinstance(tree, dict)
    del tree["models"]
    return tree, composed.hydra.runtime.choices  # type: ignore[return-value]


def _schema(system: str, preset: str) -> dict[str, Any]:
    """Every key a user may set, with its default; the size of the system is the preset's."""
    tree = asdict(Config())
    del tree["seed"]
    tree[MODEL] = {key: value for key, value in _sized(system, preset).items() if key not in FROM_DATA}
    return tree | {"models": {}}


def _known_keys(system: str) -> list[str]:
    settings = {key: value for key, value in read_yaml(FOLDER / "config.yaml").items() if key != "defaults"}
    searched = [f"search.{key}" for key in KEYS if key != "space"]  # which a file alone can write
    keys = [*flatten(settings), "model.system", *settable(config_type(system))]
    return ["ablation", *SECTIONS, "search", *searched, "seeds.most", *keys]


@cache  # making one takes longer than all else that is done for a row
def _adapter(system: str) -> TypeAdapter[Any]:
    return TypeAdapter(config_type(system))


def _typed(kind: TypeAdapter[T], tree: Mapping[str, Any], within: tuple[str, ...] = ()) -> T:
    """The dataclass that a tree describes; `within` are the keys above it.

    JSON is pydantic's strict input that still admits mappings for dataclasses.
    """
    try:
        return kind.validate_json(json.dumps(tree), strict=True)
    except ValidationError as error:
        fault = error.errors()[0]
        value, path = tree, [*within]
        for step in fault["loc"]:  # a union's members stand at the end of the path
            if isinstance(value, Mapping) and step in value:
                value = value[str(step)]
                path.append(str(step))
        raise ConfigError(f"{'.'.join(path)}={value}: {fault['msg'].replace('Input should', 'must')}") from error


def _check_rows(launch: Launch, ablation: Ablation) -> None:
    for row in ablation.rows:
        try:
            launch.configure(row)
        except ConfigError as error:
            raise ConfigError(f"{error} ({ablation.source}, row {row.label})") from error


def _with_absolute_paths(config: Config) -> Config:
    """Trainings run in folders of Ray's."""
    data = config.data
    places = {"root": data.root, "annotations": data.annotations}
    if data.skeleton and data.skeleton.endswith((".yaml", ".yml")):  # else the name of a known one
        places["skeleton"] = data.skeleton
    absolute = {key: path and str(_path(f"data.{key}", path).absolute()) for key, path in places.items()}
    return replace(config, data=DataConfig(**(asdict(data) | absolute)))


def _path(key: str, text: str) -> Path:
    """Where a user means. Raises ConfigError."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:  # ~ of nobody
        raise ConfigError(f"{key}={text}: {error}; write the path without ~") from error


def _tracking_uri(tracking: Tracking, storage: Path) -> str:
    """Of the record, its path absolute where it is a file. Raises ConfigError."""
    if tracking.uri is None:
        return sqlite_uri(storage / DATABASE)
    file = sqlite_file(tracking.uri)
    if file and "?" in tracking.uri:
        raise ConfigError(f"tracking.uri={tracking.uri}: takes no options; in the name of a file write %3F for a ?")
    return sqlite_uri(file.absolute()) if file else tracking.uri


def _settle(seeds: int | list[int] | str, most: Sequence[Override], chosen: Sequence[Ablation]) -> int | None:
    """The most seeds that `seeds=settle` may take. Raises ConfigError where there is nothing to settle."""
    if seeds != SETTLE:
        if most:
            raise ConfigError(f"{most[-1].input_line}: belongs to seeds={SETTLE}; write that too, or leave it out")
        return None
    if not any(ablation.claims for ablation in chosen):
        names = ", ".join(ablation.name for ablation in chosen)
        raise ConfigError(
            f"seeds={SETTLE}: {names} declares no claims to be settled; name a number, such as seeds={LEAST}"
        )
    number = most[-1].value() if most else MOST
    if not isinstance(number, int) or isinstance(number, bool):
        raise ConfigError(f"{most[-1].input_line}: must be a whole number")
    looks_until(number)
    return number


def _seeds(seeds: int | list[int] | str) -> tuple[int, ...]:
    """Those of every row, of `seeds=settle` at the first look. Raises ConfigError."""
    if seeds == SETTLE:
        return tuple(range(LEAST))
    chosen = range(seeds) if isinstance(seeds, int) else seeds
    numbers = tuple(seed for seed in chosen if isinstance(seed, int))
    if not numbers or len(set(numbers)) < len(chosen) or min(numbers) < 0:
        rule = f"must be how many, at least 1, a list of different ones such as [0,4], or {SETTLE}"
        raise ConfigError(f"seeds={seeds}: {rule}")
    return numbers
