"""Reads YAML files from anywhere: nothing in them is run, and what they say is what is read.

Where YAML 1.1, which PyYAML follows, reads something else than what is written, YAML 1.2 counts: 1e-3 is a number, and
010, 12:30 and 2024-06-15 are words. A key that is there twice is refused instead of silently replaced. What a file
becomes in memory is bounded before it is made.
"""

import re
from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any

import yaml

from d3d.errors import ConfigError
from d3d.regular_file import open_regular
from d3d.text import unshowable

LARGEST = 100_000  # the most values of a file, with its aliases and merge keys written out
LONGEST = 10_000  # the most characters of a text
BYTES = 4_000_000  # the largest file

_REREAD = {"timestamp", "value", "int", "float"}  # the kinds of words that YAML 1.1 and 1.2 read differently
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|0b[01_]+)$")
_FLOAT = re.compile(
    r"""(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?
        |[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+
        |[-+]?\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?
        |[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$""",
    re.VERBOSE,
)


def read_yaml(path: Path) -> Any:
    """The content of a YAML file.

    Raises ConfigError where it cannot be read, is not YAML, is too large, has a key twice in a mapping, or has a
    character that cannot be shown.
    """
    try:
        with open_regular(path) as file:
            content = file.read(BYTES + 1)
        if len(content) > BYTES:
            raise ConfigError(f"{path}: has more than {BYTES} bytes; write a shorter file")
        text = content.decode("utf-8")
    except (OSError, ValueError) as error:  # ValueError: a name or content that is not text
        raise ConfigError(f"{path}: cannot be read ({error}); name a YAML file") from error
    try:
        loader = _Loader(text, str(path))
        node = loader.get_single_node()
        if (count := _count(node, {})) > LARGEST:
            fault = f"{path}: with its aliases and merge keys written out it has {count:g} values"
            raise ConfigError(f"{fault}; write at most {LARGEST}")
        return None if node is None else loader.construct_document(node)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: an impossible number
        raise ConfigError(f"{path}: is not YAML ({_reason(error)}); correct it, or name another file") from error


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which refuses too many values, a key twice, and texts that cannot be shown."""

    def __init__(self, text: str, name: str) -> None:
        super().__init__(text)
        self.name = name  # of the file, for messages
        self.count = 0  # of values, each alias counted as one

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.count += 1
        if self.count > LARGEST:
            raise ConfigError(f"{self.name}: has more than {LARGEST} values; write a shorter file")
        node: yaml.Node | None = super().compose_node(parent, index)
        return node

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        node = super().compose_scalar_node(anchor)
        where = f"{self.name}: line {_line(node)}"
        if len(node.value) > LONGEST:
            raise ConfigError(f"{where}: a text of {len(node.value)} characters; write at most {LONGEST}")
        if (odd := next(filter(unshowable, node.value), None)) is not None:
            raise ConfigError(f"{where}: has the character U+{ord(odd):04X}, which cannot be shown; leave it out")
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        lines: dict[Any, int] = {}
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            name = key.value if key.tag.endswith(":merge") else self.construct_object(key)
            if name in lines:
                fault = f"{self.name}: {key.value}: this key is there twice, in lines {lines[name]} and {_line(key)}"
                raise ConfigError(f"{fault}; leave one of them out")
            lines[name] = _line(key)
        return node


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in kinds if tag.rpartition(":")[2] not in _REREAD]
    for first, kinds in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", _INT, list("-+0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))


def _count(node: yaml.Node | None, known: dict[int, float]) -> float:
    """The number of values of a node, aliases written out; infinite for a node that holds itself.

    A merge key counts as what it names, which is at least as much as the pairs that it becomes.
    """
    if not isinstance(node, yaml.CollectionNode):
        return 1
    if id(node) not in known:
        known[id(node)] = inf  # stays until its parts are counted
        known[id(node)] = 1 + sum(_count(part, known) for part in _parts(node))
    return known[id(node)]


def _parts(node: yaml.CollectionNode) -> Iterator[yaml.Node]:
    for part in node.value:
        if isinstance(part, tuple):  # key and value of a mapping
            yield from part
        else:
            yield part


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _reason(error: Exception) -> str:
    """What is wrong, in a line that begins with the line of the file where that is known."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem and error.problem_mark:
        return f"line {error.problem_mark.line + 1}: {' '.join(error.problem.split())}"
    return " ".join(str(error).split())
