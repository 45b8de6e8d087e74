"""Whether a result was made by today's code, by code that is known to give the same bits, or by other code.

A result carries the digest of the code that its kind of cell runs through (d3d/digest.py), or several joined with "+"
where it was continued, or tests the weights of another cell. Nothing here imports torch: the tables ask as well.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from d3d.bench.declare.ablations import fault_of
from d3d.bench.kinds.registry import BASELINE, FUSION, KINDS, MEASUREMENT, TEST, TRAINING, kind_named
from d3d.bench.record.schema import Tag
from d3d.digest import code_digest
from d3d.errors import ConfigError
from d3d.folders import EXPERIMENTS
from d3d.models.registry import SYSTEMS, module_of
from d3d.yaml_file import read_yaml

if TYPE_CHECKING:
    from mlflow.entities import Run

EQUIVALENT = EXPERIMENTS / "equivalent_code.yaml"


@dataclass(frozen=True)
class Code:
    """The code of today that one kind of cell runs through."""

    digest: str
    equivalent: frozenset[str]  # the digests of all code that gives the same bits, with this one's

    def made(self, recorded: str) -> bool:
        """Whether a result of this digest, or of several joined with "+", has the bits that this code gives."""
        return self.equivalent.issuperset(recorded.split("+"))


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What the list of equivalent code says of one kind of cell."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    releases: dict[str, str] = field(default_factory=dict)  # version → digest
    equivalent: list[list[str]] = field(default_factory=list)  # groups of digests that give the same bits


def code_of(run: "Run") -> str:
    """The digest that a run carries; nothing where it carries none."""
    return str(run.data.tags.get(Tag.CODE_DIGEST, ""))


def kind_of(tags: Mapping[str, str]) -> str:
    """The kind of cell that a run with these tags is of."""
    of_one = {
        Tag.MEASUREMENT: MEASUREMENT,
        Tag.BASELINE: BASELINE,
        Tag.TRAINED: TEST,
        Tag.FUSED: FUSION,
    }  # tag → the kind that alone has it
    return next((kind.name for tag, kind in of_one.items() if tag in tags), TRAINING.name)


def part_of(kind: str, system: str) -> str:
    """How the list calls the code that cells of a kind run through, which for trainings and tests is a system's own."""
    return f"{TRAINING.name} of {system}" if kind_named(kind).runs_system else kind


@cache
def current_code(own: str | None = None) -> dict[str, Code]:
    """Today's code by part, see `part_of`; that of the user's `own` system too, where one is named.

    Raises ConfigError where the list of equivalent code cannot be used.
    """
    return read_code(EQUIVALENT, own)


def read_code(path: Path, own: str | None = None) -> dict[str, Code]:
    """The same, with a list of equivalent code of one's own.

    Raises ConfigError naming the file, the part of the code and the digest that is of no release and not today's.
    """
    try:
        known = TypeAdapter(dict[str, _Known]).validate_python(read_yaml(path))
    except ValidationError as error:
        raise ConfigError(f"{path}: {fault_of(error, _Known.__dataclass_fields__)}") from error
    entries = all_entries(own)
    for part in known:
        if part not in entries:
            raise ConfigError(f"{path}: {part}: is no part of the code; there are: {', '.join(entries)}")
    codes = {part: _code(f"{path}: {part}", modules, known.get(part, _Known())) for part, modules in entries.items()}
    every = frozenset().union(*(code.equivalent for code in codes.values()))
    return codes | {FUSION.name: replace(codes[FUSION.name], equivalent=every)}  # it has the digests of what it fuses


def all_entries(own: str | None = None) -> dict[str, tuple[str, ...]]:
    """Part of the code → the modules it begins with."""
    systems = dict.fromkeys([*SYSTEMS, *([own] if own else [])])
    trainings = {part_of(TRAINING.name, system): (*TRAINING.entries, module_of(system)) for system in systems}
    return trainings | {kind.name: kind.entries for kind in KINDS if not kind.runs_system}


def _code(where: str, entries: Sequence[str], known: _Known) -> Code:
    today = code_digest(*entries)
    for digest in (*known.releases.values(), *(each for group in known.equivalent for each in group)):
        if not re.fullmatch("[0-9a-f]{16}", digest):
            raise ConfigError(f"{where}: {digest}: is no digest; write 16 hexadecimal digits, in quotes")
        if digest not in (*known.releases.values(), today):
            way_out = "name its release under releases, or take it out of equivalent"
            raise ConfigError(f"{where}: {digest}: is the code of no release, nor today's ({today}); {way_out}")
    groups = [set(group) for group in known.equivalent if today in group]
    return Code(today, frozenset({today}.union(*groups)))
