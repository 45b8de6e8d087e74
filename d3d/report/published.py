"""Reads the numbers and claims that papers publish from tables/published, a file for each paper."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from pydantic import TypeAdapter

from d3d.folders import PUBLISHED
from d3d.yaml_file import read_yaml

DOUBTFUL = "?"  # after a published number that a note says more about


@dataclass(frozen=True)
class PublishedRow:
    """A published row of an ablation: the paper's name for it, and its top-1 in percent."""

    printed: str
    value: float  # of the whole action
    verb: float | None = None  # of a part of the labels; None if the paper prints none
    noun: float | None = None
    doubt: str = ""  # why the number may be wrong, or that of another model than the row's; empty: nothing is known

    def of(self, part: str) -> float | None:
        """The top-1 of a part of the labels."""
        return {"verb": self.verb, "noun": self.noun}[part]


@dataclass(frozen=True)
class Column:
    """A column of a comparison: one dataset with one protocol."""

    data: str  # the record's name of the data starts with this
    launch: str  # the overrides that select it, such as "data=ntu60 data.protocol=xsub"
    metric: Literal["top1", "mean_class_accuracy"] = "top1"  # the metric that the paper prints in this column


@dataclass(frozen=True)
class Method:
    """A published row of a comparison: one method."""

    method: str
    modality: str  # P pose, R RGB, † estimated pose
    values: tuple[float | None, ...]  # percent, one for each column; None if the paper prints none
    pretrained: bool = False
    doubt: str = ""  # why its numbers may not be what they seem; empty: nothing is known

    def is_of(self, system: str, modality: str) -> bool:
        """Whether it is the row of a system, named without citation, that reads this: R, P or R+P; empty: unknown."""
        name = re.sub(r" \[\d+\]", "", self.method).partition(", ")[0]
        return name == system and modality in ("", self.modality.rstrip("†"))


@dataclass(frozen=True)
class Published:
    """One table or figure as the paper prints it; everything is empty if it is not in the paper."""

    caption: str = ""
    section: str = ""
    data: str = ""  # that the values of `rows` are of; the record's name of that data starts with this
    claim: str = ""  # in words, for an artefact without printed numbers
    rows: dict[str, PublishedRow] = field(default_factory=dict)
    columns: dict[str, Column] = field(default_factory=dict)
    methods: tuple[Method, ...] = ()
    claims: dict[str, tuple[str, ...]] = field(default_factory=dict)  # of a comparison: column → claims about methods

    @property
    def without_values(self) -> str:
        """The sentence that stands in for the published numbers of an artefact that has none."""
        if not self.claim:
            return "The paper gives no numbers for these rows."
        return f"The paper ({self.section}) gives no numbers for these rows, but it claims: {self.claim}."


def doubts_said(doubts: Mapping[str, str]) -> Iterator[str]:
    """A note for each reason to doubt published numbers; `doubts` maps each row to its own, empty where it has none."""
    rows: dict[str, list[str]] = {}
    for label, doubt in doubts.items():
        if doubt:
            rows.setdefault(doubt, []).append(label)
    for doubt, labels in rows.items():
        yield f"{DOUBTFUL} published of {', '.join(labels)}: {doubt}."


def published(artefact: str) -> Published:
    """What the paper prints for an artefact."""
    return _all().get(artefact, Published())


@cache
def _all() -> dict[str, Published]:
    entries = {name: each for path in sorted(PUBLISHED.glob("*.yaml")) for name, each in read_yaml(path).items()}
    return TypeAdapter(dict[str, Published]).validate_python(entries)
