"""From nested mappings to the configuration that they describe, with types and values checked."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from d3d.bench.declare.ablations import MODEL, Value, did_you_mean, settable
from d3d.config import Config
from d3d.errors import ConfigError
from d3d.models.registry import config_type

T = TypeVar("T")
_CONFIG = TypeAdapter(Config)


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
    model = typed(system_adapter(own["system"]), own, (MODEL,))
    rest = typed(_CONFIG, {**tree, MODEL: {"system": own["system"]}})
    return replace(rest, model=model)


@cache  # making one takes longer than all else that is done for a row
def system_adapter(system: str) -> TypeAdapter[Any]:
    """What reads the hyper-parameters of a system. Raises ConfigError where there is no such system."""
    return TypeAdapter(config_type(system))


def typed(kind: TypeAdapter[T], tree: Mapping[str, Any], within: tuple[str, ...] = ()) -> T:
    """The dataclass that a tree describes; `within` are the keys above it.

    Raises ConfigError. JSON is pydantic's strict input that still admits mappings for dataclasses.
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
