"""Tells whether a result was made by the current code, by code known to give the same bits, or by other code.

A result carries the digest of the code that its kind of cell runs through (d3d/digest.py). If it was continued with
other code, or tests the weights of another cell, it carries several digests joined with "+". Nothing here imports
torch, because the report uses it as well.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from d3d.bench.declare.ablations import fault_of
from d3d.bench.kinds.registry import (
    ATTENTION,
    BASELINE,
    FOLDS,
    FUSION,
    KINDS,
    MEASUREMENT,
    TEST,
    TRAINING,
    kind_named,
    trainer_of,
)
from d3d.bench.record.schema import Tag
from d3d.digest import code_digest
from d3d.errors import ConfigError
from d3d.folders import EXPERIMENTS
from d3d.models.registry import SYSTEMS, config_type, module_of
from d3d.yaml_file import read_yaml

if TYPE_CHECKING:
    from mlflow.entities import Run

EQUIVALENT = EXPERIMENTS / "equivalent_code.yaml"


@dataclass(frozen=True)
class Code:
    """The current code that one kind of cell runs through."""

    digest: str
    equivalent: frozenset[str]  # the digests of all code that gives the same bits, including this one

    def made(self, recorded: str) -> bool:
        """Whether this code would give the same bits as a result with this digest, or several joined with "+"."""
        return self.equivalent.issuperset(recorded.split("+"))


@dataclass(frozen=True, kw_only=True)
class _Known:
    """An entry of the list of equivalent code."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    releases: dict[str, str] = field(default_factory=dict)  # version → digest
    equivalent: list[list[str]] = field(default_factory=list)  # groups of digests that give the same bits


def code_of(run: "Run") -> str:
    """The code digest that a run carries, or an empty text if it carries none."""
    return str(run.data.tags.get(Tag.CODE_DIGEST, ""))


def kind_of(tags: Mapping[str, str]) -> str:
    """The name of the kind of cell whose run has these tags."""
    by_tag = {
        Tag.MEASUREMENT: MEASUREMENT,
        Tag.FOLDS: FOLDS,
        Tag.BASELINE: BASELINE,
        Tag.ATTENTION: ATTENTION,
        Tag.TRAINED: TEST,
        Tag.FUSED: FUSION,
    }  # tag → the kind that has it; joined folds also have tags of theirs
    return next((kind.name for tag, kind in by_tag.items() if tag in tags), TRAINING.name)


def part_of(kind: str, system: str) -> str:
    """The name, in the list of equivalent code, of the code that a kind of cell runs through.

    Trainings and tests of different systems run through different code.
    """
    return f"{TRAINING.name} of {system}" if kind_named(kind).runs_system else kind


@cache
def current_code(own: str | None = None) -> dict[str, Code]:
    """The current code by part (see `part_of`), including that of a user's `own` system if one is named.

    Raises ConfigError if the list of equivalent code is invalid.
    """
    return read_code(EQUIVALENT, own)


def read_code(path: Path, own: str | None = None) -> dict[str, Code]:
    """Like `current_code`, with the list of equivalent code in the file `path`.

    Raises ConfigError that names the file, the part of the code, and a digest that is neither that of a release nor
    the current one.
    """
    written = read_yaml(path)
    try:
        known = TypeAdapter(dict[str, _Known]).validate_python(written)
    except ValidationError as error:
        raise ConfigError(f"{path}: {fault_of(error, written, [field.name for field in fields(_Known)])}") from error
    entries = all_entries(own)
    for part in known:
        if part not in entries:
            raise ConfigError(f"{path}: {part}: unknown part of the code; there are: {', '.join(entries)}")
    codes = {part: _code(f"{path}: {part}", modules, known.get(part, _Known())) for part, modules in entries.items()}
    # What builds on other cells carries their digests too.
    trainings = [part_of(TRAINING.name, system) for system in _systems(own)]
    below = {
        part: [part_of(TRAINING.name, other) for other in config_type(system).builds_on]
        for part, system in zip(trainings, _systems(own), strict=True)
    }
    below |= {FUSION.name: trainings, ATTENTION.name: trainings}
    below[FOLDS.name] = [*trainings, ATTENTION.name, FUSION.name, BASELINE.name]
    return codes | {part: _with_below(codes, part, others) for part, others in below.items()}


def all_entries(own: str | None = None) -> dict[str, tuple[str, ...]]:
    """Part of the code → the modules in which it starts."""
    trainings = {
        part_of(TRAINING.name, system): (*trainer_of(config_type(system)).entries, module_of(system))
        for system in _systems(own)
    }
    return trainings | {kind.name: kind.entries for kind in KINDS if not kind.runs_system}


def _systems(own: str | None) -> list[str]:
    """The systems of the project, and the user's own if one is named."""
    return [*dict.fromkeys([*SYSTEMS, *([own] if own else [])])]


def _with_below(codes: Mapping[str, Code], part: str, others: Iterable[str]) -> Code:
    """The code of a part, which gives the same bits also where cells of these parts, below it, have current code."""
    return replace(codes[part], equivalent=codes[part].equivalent.union(*(codes[other].equivalent for other in others)))


def _code(where: str, entries: Sequence[str], known: _Known) -> Code:
    today = code_digest(*entries)
    for digest in (*known.releases.values(), *(each for group in known.equivalent for each in group)):
        if not re.fullmatch("[0-9a-f]{16}", digest):
            raise ConfigError(f"{where}: {digest}: is not a digest; write 16 hexadecimal digits in quotes")
        if digest not in (*known.releases.values(), today):
            way_out = "add its release under releases, or remove it from equivalent"
            fault = f"is neither the code of a release nor the current code ({today})"
            raise ConfigError(f"{where}: {digest}: {fault}; {way_out}")
    groups = [set(group) for group in known.equivalent if today in group]
    return Code(today, frozenset({today}.union(*groups)))
