"""Turns a command line into a launch: Hydra composes, pydantic checks the types, dataclasses check the values.

Only Hydra's compose API is used, so that nothing is written to outputs/ and no logging is configured. Presets, datasets
and systems are Hydra groups. Ablations and searches are read separately, because they can be files in any folder. A
user's error is a ConfigError that names the key and what to do.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any, TypeVar

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import TypeAdapter

from d3d.bench.declare.ablations import (
    MODEL,
    SECTIONS,
    Ablation,
    Choice,
    ablations,
    did_you_mean,
    flatten,
    options,
    own_ablation,
    read_ablation,
    settable,
)
from d3d.bench.declare.configuration import read_config, system_adapter, typed
from d3d.bench.declare.launch import Inspection, Launch, Poses, Settings
from d3d.bench.declare.looks import LEAST, MOST, looks_until
from d3d.bench.declare.searches import KEYS, Search, read_search
from d3d.bench.record.location import record_uri
from d3d.config import PLACES, Config, DataConfig
from d3d.errors import ConfigError
from d3d.folders import EXPERIMENTS
from d3d.models.config import SystemConfig
from d3d.models.registry import SYSTEMS, config_type
from d3d.redaction import redacted
from d3d.text import hydra_text, unshowable
from d3d.typed_path import typed_path
from d3d.yaml_file import read_yaml

T = TypeVar("T")

ALL = "all"  # ablation=all runs every ablation of the project that is about no system in particular
PRESET = "quick"  # the default preset, as in config.yaml
SETTLE = "settle"  # seeds=settle adds seeds until every claim is settled
MOST_SEEDS = 100  # of a row; a larger number is taken for a seed itself, such as a date
MOST_POINTS = 10_000  # the rows of a launch times its seeds and folds
POSES = tuple(f"poses.{field.name}" for field in fields(Poses))
AS_TYPED = (
    *("storage", *(f"data.{key}" for key in PLACES), "data.skeleton", "tracking.uri", "clip"),
    *("poses.models", "poses.list", "poses.output"),
    *(f"{MODEL}.{key}" for system in SYSTEMS for key in config_type(system).files),
)
"""Keys of names and paths, which are taken as they are typed where Hydra would read anything but a text."""

MEANT = {
    **dict.fromkeys(("device", "gpu"), "; a GPU is used where there is one, and resources.gpus_per_cell=0 uses none"),
    **dict.fromkeys(("gpus", "num_gpus"), "; all are used, and resources.gpus_per_cell=0.5 puts two trainings on each"),
}
"""Keys that other programs have, and what to write instead."""

_CHOICE, _SETTINGS, _POSES = TypeAdapter(Choice), TypeAdapter(Settings), TypeAdapter(Poses)
OWN: Mapping[str, Sequence[str]] = {"check": (), "show": ("clip",), "poses": POSES}
"""The keys that only one command takes."""
LAUNCHED = ("ablation", "search")  # groups of keys that only a launch takes


def compose(arguments: Sequence[str]) -> Launch:
    """The launch that overrides such as `ablation=stride_grid training.epochs=30` ask for. Raises ConfigError."""
    named = [argument for argument in arguments if argument.partition("=")[0] == "ablation"]
    name, chosen = _chosen(_parse_all(named, ["ablation"])) if named else ("", ())
    words = _with_model(arguments, chosen)
    system = _system_of(words)
    known = known_keys(system)
    overrides = _parse_all(words, known)
    if not named:
        raise ConfigError(f"ablation= is missing; {_offered()}")
    search = _search([override for override in overrides if _of_search(override)], config_type(system))
    most = [override for override in overrides if override.key_or_group == "seeds.most"]
    apart = [o for o in overrides if o.key_or_group == "ablation" or _of_search(o) or o in most]
    rest = [override for override in overrides if override not in apart]
    tree, choices = _compose(rest, system)
    _require_known(tree, known)
    _require_not_varied(overrides, chosen)
    settings, config = _typed_parts(tree)
    storage = typed_path("storage", settings.storage).absolute()
    launch = Launch(
        arguments=tuple(map(redacted, arguments)),
        name=name,
        ablations=chosen,
        preset=choices["preset"],
        config=config,
        models=_models(choices["preset"], choices[MODEL], config.model),
        search=search,
        seeds=_seeds(settings.seeds),
        settle=_settle(settings.seeds, most, chosen),
        storage=storage,
        tracking_uri=record_uri(settings.tracking.uri, storage),
        test_every=settings.tracking.test_every,
        dry_run=settings.dry_run,
        stale=settings.stale,
        resources=settings.resources,
        cluster=settings.cluster,
    )
    _check_points(chosen, launch.seeds, len(config.data.each_fold))
    for ablation in chosen:
        _check_rows(launch, ablation)
    return launch


def compose_inspection(command: str, arguments: Sequence[str]) -> Inspection:
    """What the overrides of the command `check`, `show` or `poses` ask for. Raises ConfigError."""
    system = _system_of(arguments)
    known = inspection_keys(system)
    for argument in arguments:
        if argument.partition("=")[0].partition(".")[0] in LAUNCHED:
            raise ConfigError(f"{argument}: {command} reads data and trains nothing; leave it out")
    overrides = _parse_all(arguments, [*known, *OWN[command]])
    own = {override.key_or_group: override.value() for override in overrides if override.key_or_group in OWN[command]}
    if "clip" in OWN[command] and "clip" not in own:
        raise ConfigError("clip= is missing; name the clip to show, such as clip=0001")
    tree, _ = _compose([override for override in overrides if override.key_or_group not in own], system)
    _require_known(tree, known)
    settings, config = _typed_parts(tree)
    storage = typed_path("storage", settings.storage).absolute()
    clip = str(own.pop("clip", ""))
    return Inspection(config=config, storage=storage, resources=settings.resources, clip=clip, poses=_poses(own))


def _poses(own: Mapping[str, Any]) -> Poses:
    """The keys of `poses` with absolute paths."""
    tree = {key.partition(".")[2]: value for key, value in own.items()}
    for key, value in tree.items():
        if isinstance(value, str) and f"poses.{key}" in AS_TYPED:
            tree[key] = str(typed_path(f"poses.{key}", value).absolute())
    return typed(_POSES, tree, ("poses",))


def _parse_all(arguments: Sequence[str], known: Sequence[str]) -> list[Override]:
    overrides = [_parse(argument) for argument in arguments]
    for override in overrides:
        _check(override, known)
    return overrides


def _require_known(tree: Mapping[str, Any], known: Sequence[str]) -> None:
    for key in flatten({key: value for key, value in tree.items() if key not in SECTIONS.values()}):
        if key not in known:
            raise ConfigError(f"{key}: unknown key in preset, data or config.yaml{did_you_mean(key, known)}")


def _require_not_varied(overrides: Sequence[Override], chosen: Sequence[Ablation]) -> None:
    for override in overrides:
        for ablation in chosen:
            if override.key_or_group in ablation.axes:
                raise ConfigError(f"{override.input_line}: {ablation.name} varies this key itself; leave it out")


def _typed_parts(tree: dict[str, Any]) -> tuple[Settings, Config]:
    """The parts of a composed tree that say how to launch and what to train. The tree is consumed."""
    for section in SECTIONS.values():
        typed(_CHOICE, tree.pop(section))
    settings = typed(_SETTINGS, {field.name: tree.pop(field.name) for field in fields(Settings)})
    return settings, _with_absolute_paths(read_config(tree))


def _parse(argument: str) -> Override:
    """The override that an argument means. Raises ConfigError that says how to quote what Hydra cannot read."""
    key, equals, value = argument.partition("=")
    if any(unshowable(character) or character in "\n\r" for character in argument):
        fault = "is not a line of text in UTF-8 that can be shown"
        raise ConfigError(f"{argument}: {fault}; leave such characters out, and rename the file where it has them")
    quoted = f"{key}={hydra_text(value)}"
    path = key in AS_TYPED or (key in ("ablation", "search") and value.endswith((".yaml", ".yml")))
    try:
        override = OverridesParser.create().parse_override(argument)
        if not path or (not override.is_sweep_override() and isinstance(override.value(), str | None)):
            return override
    except (HydraException, RecursionError, ValueError) as error:  # the last two: deep nesting, very long numbers
        if not path:
            way_out = f"quote it: {shlex.quote(quoted)}" if equals else "--help shows how to launch"
            raise ConfigError(f"{argument}: is not key=value as Hydra reads it; {way_out}") from error
    try:
        return OverridesParser.create().parse_override(quoted)
    except (HydraException, RecursionError, ValueError) as error:
        raise ConfigError(f"{argument}: cannot be the name of a file or a clip; name another") from error


def _check(override: Override, known: Sequence[str]) -> None:
    key, line = override.get_key_element(), override.input_line
    if override.type != OverrideType.CHANGE:
        raise ConfigError(f"{line}: keys can be set, not added or removed; write key=value")
    if override.is_sweep_override():
        raise ConfigError(f"{line}: {_several(key, str(line).partition('=')[2])}")
    if key in SECTIONS and override.value() not in options(key):
        near = did_you_mean(str(override.value()), options(key))
        raise ConfigError(f"{line}: unknown {key}{near}; there are: {', '.join(options(key))}")
    if key not in known:
        for command, own in OWN.items():
            if key in own:
                raise ConfigError(f"{line}: only the command `{command}` takes this key; leave it out")
        near = MEANT.get(key) or did_you_mean(key, known) or "; d3d/config.py and experiments/config.yaml name them all"
        raise ConfigError(f"{line}: unknown key{near}")


def _several(key: str, values: str) -> str:
    """What is wrong with several values of a key, and what to write instead."""
    if key == "ablation":
        groups = " and ".join(ablation_groups())
        return (
            f"a launch has one ablation, or one of the groups {groups}; a file of your own can have the rows of several"
        )
    if key == "seeds":
        return f"a list is written in brackets; write seeds=[{values}]"
    ways = f"quote a text ({shlex.quote(f'{key}={hydra_text(values)}')}), write {key}=[{values}] for a list"
    return (
        f"Hydra reads several values here, and a launch has one for each key; {ways}, or an ablation file to vary a key"
    )


def _chosen(overrides: Sequence[Override]) -> tuple[str, tuple[Ablation, ...]]:
    """The name and ablations of the last `ablation=`: one of the project's, a group of them, or a user's YAML file."""
    name, own = str(overrides[-1].value()), options("ablation")
    if name in own:
        return name, (own_ablation(name),)
    groups = ablation_groups()
    if name.endswith((".yaml", ".yml")):
        path = typed_path("ablation", name)
        if path.stem in (*own, *groups):
            raise ConfigError(f"ablation={name}: the project has an ablation {path.stem}; give the file another name")
        return path.stem, (read_ablation(path),)
    if name not in groups:
        near = did_you_mean(name, [*own, *groups])
        raise ConfigError(f"ablation={name}: unknown ablation{near}; {_offered()}")
    return name, groups[name]


def ablation_groups() -> dict[str, tuple[Ablation, ...]]:
    """The ablations that one name runs together: ALL, and for each system those that are about it alone."""
    groups: dict[str, tuple[Ablation, ...]] = {}
    for each in ablations().values():
        name = each.model or ALL
        groups[name] = (*groups.get(name, ()), each)
    return groups


def _offered() -> str:
    offered = (f"{each.name} ({', '.join(each.artefacts) or 'no table'})" for each in ablations().values())
    return f"there are: {'; '.join(offered)}; or several: {', '.join(ablation_groups())}"


def _with_model(arguments: Sequence[str], chosen: Sequence[Ablation]) -> list[str]:
    """The arguments, with the system that the ablations are about. Raises ConfigError where they name another one."""
    about = {ablation.model for ablation in chosen} - {None}
    for argument in arguments:
        key, _, option = argument.partition("=")
        for ablation in chosen:
            if ablation.model and key in (MODEL, "model.system") and (key, option) != (MODEL, ablation.model):
                raise ConfigError(f"{argument}: {ablation.name} is about model={ablation.model}; leave it out")
    return [*arguments, *(f"{MODEL}={option}" for option in about)] if len(about) == 1 else [*arguments]


def _of_search(override: Override) -> bool:
    return override.key_or_group.partition(".")[0] == "search"


def _search(overrides: Sequence[Override], model: type[SystemConfig]) -> Search | None:
    """The search that the last `search=` names, one of the project's or a file, with its keys overridden."""
    named = [override for override in overrides if override.key_or_group == "search"]
    if not named:
        if overrides:
            raise ConfigError(f"{overrides[0].input_line}: there is no search; name one, such as search=optuna")
        return None
    name, own = str(named[-1].value()), options("search")
    if not name.endswith((".yaml", ".yml")) and name not in own:
        near = did_you_mean(name, own)
        raise ConfigError(f"search={name}: unknown search{near}; there are: {', '.join(own)}; or name a YAML file")
    path = EXPERIMENTS / "search" / f"{name}.yaml" if name in own else typed_path("search", name)
    changes = {o.key_or_group.partition(".")[2]: o.value() for o in overrides if o not in named}
    return read_search(path, changes, [model])


def _system_of(arguments: Sequence[str]) -> str:
    """The system that a command line selects with `model.system=` or `model=`. Raises ConfigError."""
    named = dict(argument.partition("=")[::2] for argument in arguments)
    if "model.system" in named:
        return named["model.system"].strip("'\"")
    option = named.get(MODEL, "d3d")
    if option not in options(MODEL):
        there = ", ".join(options(MODEL))
        raise ConfigError(f"model={option}: unknown model{did_you_mean(option, options(MODEL))}; there are: {there}")
    return str(read_yaml(EXPERIMENTS / MODEL / f"{option}.yaml")[MODEL]["system"])


def _models(preset: str, option: str, own: SystemConfig) -> dict[str, SystemConfig]:
    """The configuration of each `model=` option with a preset.

    `own` is the configuration of the launch's own option, the only one that the command line can change.
    """
    models, sizes = {}, _sizes(preset)
    for each in options(MODEL):
        written = read_yaml(EXPERIMENTS / MODEL / f"{each}.yaml")[MODEL]
        tree = _sized(written["system"], sizes) | written
        models[each] = typed(system_adapter(written["system"]), tree, (MODEL,))
    return models | ({option: own} if own.system == models[option].system else {})


def _sizes(preset: str) -> dict[str, dict[str, Any]]:
    """System → the keys of its size in a preset; a system that is missing has its default size."""
    sizes: dict[str, dict[str, Any]] = read_yaml(EXPERIMENTS / "preset" / f"{preset}.yaml").get("models", {})
    return sizes


def _sized(system: str, sizes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The default values of a system's keys, with its size of a preset's `sizes`."""
    sized: dict[str, Any] = {**asdict(config_type(system)(system=system)), **sizes.get(system, {})}
    return sized


def _compose(overrides: Sequence[Override], system: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The composed tree without Hydra's own keys, and the chosen option of each group."""
    presets = [str(override.value()) for override in overrides if override.key_or_group == "preset"]
    ConfigStore.instance().store(name="schema", node=_schema(system, presets[-1] if presets else PRESET))
    lines = [str(override.input_line) for override in overrides]
    try:
        with initialize_config_dir(str(EXPERIMENTS), version_base="1.3"):
            composed = hydra_compose("config", lines, return_hydra_config=True)
        own = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
        tree = OmegaConf.to_container(own, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException) as error:
        reasons = dict.fromkeys(str(each).splitlines()[0] for each in (error, error.__cause__) if each)
        raise ConfigError(": ".join(reasons)) from error
    except yaml.YAMLError as error:  # in a file of a group; it names the file and the lines
        raise ConfigError(f"{' '.join(str(error).split())}; correct the file") from error
    assert isinstance(tree, dict)
    del tree["models"]
    return tree, composed.hydra.runtime.choices  # type: ignore[return-value]


def _schema(system: str, preset: str) -> dict[str, Any]:
    """Every key that a user may set, with its default; the system has the preset's size."""
    tree = asdict(Config())
    del tree["seed"]
    given = config_type(system).from_data
    tree[MODEL] = {key: value for key, value in _sized(system, _sizes(preset)).items() if key not in given}
    return tree | {"models": {}}


def known_keys(system: str) -> list[str]:
    """The keys that a launch of a system takes. Raises ConfigError for an unknown system."""
    settings = {key: value for key, value in read_yaml(EXPERIMENTS / "config.yaml").items() if key != "defaults"}
    searched = [f"search.{key}" for key in KEYS if key != "space"]  # a space can only be written in a file
    keys = [*flatten(settings), "model.system", *settable(config_type(system))]
    return ["ablation", *SECTIONS, "search", *searched, "seeds.most", *keys]


def inspection_keys(system: str) -> list[str]:
    """Those of them that commands take which read data and train nothing."""
    return [key for key in known_keys(system) if key.partition(".")[0] not in LAUNCHED and key != "seeds.most"]


def _check_rows(launch: Launch, ablation: Ablation) -> None:
    for row in ablation.rows:
        try:
            launch.configure(row)
        except ConfigError as error:
            raise ConfigError(f"{error} ({ablation.source}, row {row.label})") from error


def _with_absolute_paths(config: Config) -> Config:
    """The configuration with absolute paths, because Ray runs trainings in other folders."""
    data = config.data
    places: dict[str, str | None] = {key: getattr(data, key) for key in PLACES}
    if data.skeleton and data.skeleton.lower().endswith((".yaml", ".yml")):  # else it is the name of a known skeleton
        places["skeleton"] = data.skeleton
    absolute = {
        key: None if path is None else str(typed_path(f"data.{key}", path).absolute()) for key, path in places.items()
    }
    return replace(config, data=DataConfig(**(asdict(data) | absolute)))


def _settle(seeds: int | list[int] | str, most: Sequence[Override], chosen: Sequence[Ablation]) -> int | None:
    """The largest number of seeds for `seeds=settle`, None otherwise. Raises ConfigError if no claim is declared."""
    if seeds != SETTLE:
        if most:
            raise ConfigError(f"{most[-1].input_line}: needs seeds={SETTLE}; add that, or leave this out")
        return None
    if not any(ablation.claims for ablation in chosen):
        names = ", ".join(ablation.name for ablation in chosen)
        raise ConfigError(
            f"seeds={SETTLE}: {names} declares no claims to settle; give a number instead, such as seeds={LEAST}"
        )
    number = most[-1].value() if most else MOST
    if not isinstance(number, int) or isinstance(number, bool):
        raise ConfigError(f"{most[-1].input_line}: must be a whole number")
    looks_until(number)
    return number


def _seeds(seeds: int | list[int] | str) -> tuple[int, ...]:
    """The seeds of every row, which for `seeds=settle` are those of the first look. Raises ConfigError."""
    if seeds == SETTLE:
        return tuple(range(LEAST))
    if isinstance(seeds, int) and seeds > MOST_SEEDS:
        fault = f"seeds={seeds}: is the number of seeds, and at most {MOST_SEEDS} are allowed"
        raise ConfigError(f"{fault}; for the one seed {seeds} write seeds=[{seeds}]")
    chosen = range(seeds) if isinstance(seeds, int) else seeds
    numbers = tuple(seed for seed in chosen if isinstance(seed, int))
    if not numbers or len(set(numbers)) < len(chosen) or min(numbers) < 0:
        rule = f"must be a number of seeds (at least 1), a list of different seeds such as [0,4], or {SETTLE}"
        raise ConfigError(f"seeds={seeds}: {rule}")
    if len(numbers) > MOST_SEEDS:
        raise ConfigError(f"seeds=[…]: lists {len(numbers)} seeds; at most {MOST_SEEDS} are allowed")
    Config(seed=max(numbers))
    return numbers


def _check_points(ablations: Sequence[Ablation], seeds: Sequence[int], folds: int) -> None:
    """Raises ConfigError where a launch asks for more than anybody can train."""
    rows = sum(len(ablation.rows) for ablation in ablations)
    if (points := rows * len(seeds) * folds) > MOST_POINTS:
        several = f" in {folds} folds" * (folds > 1)
        fault = f"seeds: {len(seeds)} seeds of {rows} rows{several} are {points} points"
        raise ConfigError(f"{fault}; at most {MOST_POINTS} are allowed; ask for fewer seeds or rows")
