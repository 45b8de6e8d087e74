"""Turns nested mappings into a configuration, and checks types and values."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from functools import cache
from typing import Any, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError

from d3d.bench.declare.ablations import MODEL, Value, did_you_mean, found_at, settable
from d3d.config import Config
from d3d.errors import ConfigError
from d3d.models.registry import config_type

T = TypeVar("T")
_CONFIG = TypeAdapter(Config)
_SHOULD_BE = "Input should be "  # how pydantic's messages start


def with_settings(config: Config, settings: Mapping[str, Value]) -> Config:
    """The configuration with these dotted keys set. Raises ConfigError for an unknown key or an invalid value."""
    tree, known = asdict(config), settable(type(config.model))
    for key, value in settings.items():
        if key not in known:
            raise ConfigError(f"{key}: unknown key of model.system={config.model.system}{did_you_mean(key, known)}")
        group, _, name = key.partition(".")
        tree[group][name] = value
    return read_config(tree)


def read_config(tree: Mapping[str, Any]) -> Config:
    """The configuration that nested mappings describe. Raises ConfigError for an invalid value."""
    own = tree[MODEL]
    model = typed(system_adapter(own["system"]), own, (MODEL,))
    rest = typed(_CONFIG, {**tree, MODEL: {"system": own["system"]}})
    return replace(rest, model=model)


def key_types(owner: Any, within: str = "") -> dict[str, Any]:
    """Dotted key → type, for the fields of a dataclass and those of the dataclasses in it; `within` starts each key."""
    hints, types = get_type_hints(owner), dict[str, Any]()
    for each in fields(owner):
        key, kind = f"{within}{each.name}", hints[each.name]
        types |= key_types(kind, f"{key}.") if is_dataclass(kind) else {key: kind}
    return types


@cache  # because creating one takes longer than everything else that is done for a row
def system_adapter(system: str) -> TypeAdapter[Any]:
    """The pydantic adapter that reads the hyper-parameters of a system. Raises ConfigError for an unknown system."""
    return TypeAdapter(config_type(system))


def typed(kind: TypeAdapter[T], tree: Mapping[str, Any], within: tuple[str, ...] = ()) -> T:
    """The dataclass that a tree describes; `within` are the keys above the tree, for messages.

    The tree is validated as JSON, the only strict input in which pydantic accepts mappings for dataclasses. Raises
    ConfigError for an invalid value.
    """
    try:
        return kind.validate_json(json.dumps(tree), strict=True)
    except ValidationError as error:
        fault = error.errors()[0]
        path, value = found_at(tree, fault["loc"])
        key = ".".join([*within, *path])
        text = fault["type"] == "string_type" and isinstance(value, bool | int | float)
        quotes = f"""; a text that looks like one is typed in two kinds of quotes: {key}='"…"'""" if text else ""
        shown = json.dumps(value) if value is None or isinstance(value, bool) else value
        raise ConfigError(f"{key}={shown}: {_rule(tree, error)}{quotes}") from error


def _rule(tree: Mapping[str, Any], error: ValidationError) -> str:
    """What the first wrong value of a tree must be; where it may have several types, one of them."""
    first, *others = error.errors()
    path, _ = found_at(tree, first["loc"])
    ways = [first["msg"], *(each["msg"] for each in others if found_at(tree, each["loc"])[0] == path)]
    if all(way.startswith(_SHOULD_BE) for way in ways):
        return "must be " + " or ".join(dict.fromkeys(way.removeprefix(_SHOULD_BE) for way in ways))
    return first["msg"].replace("Input should", "must")
