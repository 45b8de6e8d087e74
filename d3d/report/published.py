"""What the paper prints, from tables/published/d3d.yaml."""

from dataclasses import dataclass, field
from functools import cache
from typing import Literal

import yaml
from pydantic import TypeAdapter

from d3d.folders import PUBLISHED


@dataclass(frozen=True)
class PublishedRow:
    """A row of an ablation: how the paper names it, and its top-1 in percent."""

    printed: str
    value: float


@dataclass(frozen=True)
class Column:
    """A dataset and protocol of a comparison."""

    data: str  # what the record calls it, or how that begins
    launch: str  # what a user types to have it
    metric: Literal["top1", "mean_class_accuracy"] = "top1"  # what is printed there


@dataclass(frozen=True)
class Method:
    """A method of a comparison."""

    method: str
    modality: str  # P pose, R RGB, † estimated pose
    values: tuple[float | None, ...]  # percent, one a column; None: not printed
    pretrained: bool = False


@dataclass(frozen=True)
class Published:
    """One artefact as printed; empty where the paper prints nothing of it."""

    caption: str = ""
    section: str = ""
    claim: str = ""  # in words, of an artefact without printed values
    rows: dict[str, PublishedRow] = field(default_factory=dict)
    columns: dict[str, Column] = field(default_factory=dict)
    methods: tuple[Method, ...] = ()
    claims: dict[str, tuple[str, ...]] = field(default_factory=dict)  # of a comparison, column → claims over methods


def published(artefact: str) -> Published:
    """What is printed of an artefact."""
    return _all().get(artefact, Published())


@cache
def _all() -> dict[str, Published]:
    entries = yaml.safe_load((PUBLISHED / "d3d.yaml").read_text("utf-8"))
    return TypeAdapter(dict[str, Published]).validate_python(entries)
