"""Reads YAML files from anywhere without running anything in them."""

from collections.abc import Iterable, Mapping
from math import inf
from pathlib import Path
from typing import Any

import yaml

from d3d.errors import ConfigError
from d3d.regular_file import open_regular

LARGEST = 100_000  # the most values of a file
BYTES = 4_000_000  # the largest file


def read_yaml(path: Path) -> Any:
    """The content of a YAML file. Raises ConfigError where it cannot be read, is not YAML or is too large."""
    try:
        with open_regular(path) as file:
            content = file.read(BYTES + 1)
        if len(content) > BYTES:
            raise ConfigError(f"{path}: has more than {BYTES} bytes; write a shorter file")
        text = content.decode("utf-8")
    except (OSError, ValueError) as error:  # ValueError: a name or content that is not text
        raise ConfigError(f"{path}: cannot be read ({error}); name a YAML file") from error
    try:
        tree = yaml.safe_load(text)
        count = _count(tree, {})
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: an impossible date or number
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path}: is not YAML ({reason}); correct it, or name another file") from error
    if count > LARGEST:
        raise ConfigError(f"{path}: with its aliases written out it has {count:g} values; write at most {LARGEST}")
    return tree


def _count(content: object, known: dict[int, float]) -> float:
    """The number of values in nested containers, aliases written out; infinite for a container that holds itself."""
    if isinstance(content, Mapping):
        parts: Iterable[object] = content.values()
    elif isinstance(content, list | tuple):
        parts = content
    else:
        return 1
    if id(content) not in known:
        known[id(content)] = inf  # stays until its parts are counted
        known[id(content)] = 1 + sum(_count(part, known) for part in parts)
    return known[id(content)]
