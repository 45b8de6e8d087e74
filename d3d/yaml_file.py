"""YAML files that anybody may have written, read without running any of what they hold."""

from collections.abc import Iterable, Mapping
from math import inf
from pathlib import Path
from typing import Any

import yaml

from d3d.errors import ConfigError

LARGEST = 100_000  # values in a file
BYTES = 4_000_000  # of a file


def read_yaml(path: Path) -> Any:
    """What a YAML file holds. Raises ConfigError where it cannot be read, is no YAML or is too large."""
    try:
        with path.open("rb") as file:
            content = file.read(BYTES + 1)
        if len(content) > BYTES:
            raise ConfigError(f"{path}: has more than {BYTES} bytes; write a shorter file")
        text = content.decode("utf-8")
    except (OSError, ValueError) as error:  # ValueError: a name or content that is no text
        raise ConfigError(f"{path}: cannot be read ({error}); name a YAML file") from error
    try:
        tree = yaml.safe_load(text)
        count = _count(tree, {})
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date or a number that there is not
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path}: is not YAML ({reason}); correct it, or name another file") from error
    if count > LARGEST:
        raise ConfigError(f"{path}: with its aliases written out it has {count:g} values; write at most {LARGEST}")
    return tree


def _count(content: object, known: dict[int, float]) -> float:
    """Of the values in nested containers, where each alias counts as what it stands for; no end of them in itself."""
    if isinstance(content, Mapping):
        parts: Iterable[object] = content.values()
    elif isinstance(content, list | tuple):
        parts = content
    else:
        return 1
    if id(content) not in known:
        known[id(content)] = inf  # while its parts are counted
        known[id(content)] = 1 + sum(_count(part, known) for part in parts)
    return known[id(content)]
