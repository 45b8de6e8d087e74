"""The base class of the configuration of every system. Nothing here imports torch."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isfinite
from types import MappingProxyType
from typing import ClassVar, Self

from d3d.errors import require
from d3d.modality import FRAMES_AND_JOINTS, Modality

MOST = 100_000  # of any whole number of a system; a larger one is a slip of the keyboard
FROM_DATA = ("classes", "joints", "persons")  # keys that the dataset sets, never the user


@dataclass(frozen=True, kw_only=True)
class SystemConfig:
    """The keys that every system has. A system adds its own hyper-parameters in a frozen dataclass that extends this.

    `system` is the name under which the system is registered, or "package.module:Class" for one of the user's own.
    `classes` is the number of logits, `joints` is R, the number of joints of all persons together, and `persons` is the
    number of persons, whose joints come one person after the other. A launch takes these three, and whatever else a
    system names in `from_data`, from its dataset and its other groups of keys.
    """

    system: str
    classes: int = 15
    joints: int = 13
    persons: int = 1

    measured: ClassVar[tuple[str, ...]] = ()
    """The keys that the cost of one attention module depends on; empty for a system whose modules are not measured."""

    from_data: ClassVar[tuple[str, ...]] = FROM_DATA
    """The keys that a launch sets, never the user: FROM_DATA, and what a system adds to them."""

    files: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """The keys that are paths of files to load → the keys that a launch gives the digests of the files.

    What a file holds can change a result, where it lies cannot; the keys of the digests are in `from_data` too.
    """

    labelled: ClassVar[bool] = True
    """Whether the system learns from labels and predicts them; otherwise it is only there to be built on."""

    builds_on: ClassVar[tuple[str, ...]] = ()
    """The systems whose trained weights the system may start from, directly or through others; see `starts`."""

    def __post_init__(self) -> None:
        for key, value in ((field.name, getattr(self, field.name)) for field in fields(self)):
            require(not isinstance(value, int) or value <= MOST, f"model.{key}", value, f"must be at most {MOST}")
            require(not isinstance(value, float) or isfinite(value), f"model.{key}", value, "must be a finite number")
        for key in FROM_DATA:
            require(getattr(self, key) >= 1, f"model.{key}", getattr(self, key), "must be at least 1")
        require(self.joints % self.persons == 0, "model.persons", self.persons, f"must divide joints = {self.joints}")

    @property
    def reads(self) -> frozenset[Modality]:
        """What the system reads of a clip. Nothing else is loaded, and nothing else can change its result."""
        return FRAMES_AND_JOINTS

    @property
    def starts(self) -> "Mapping[str, Start]":
        """Submodule → the earlier training whose weights it starts from; all other weights are drawn at random."""
        return MappingProxyType({})

    def canonical(self, frames: int) -> Self:
        """The representative of all configurations that compute the same on `frames` frames and `self.joints` joints.

        Only canonical configurations are trained, so that two rows that compute the same share one training.
        """
        return self

    def everybody_present(self) -> Self:
        """The configuration whose operations are counted: that for a clip in which every person is present."""
        return self


@dataclass(frozen=True, kw_only=True)
class Start:
    """An earlier training on the same clips, whose submodule `expert` another system starts from.

    Apart from its epochs and its learning rate it has the default recipe, whatever the recipe of the system that starts
    from it: rows with different recipes share it.
    """

    name: str  # in the label of its cell
    model: SystemConfig
    epochs: int
    learning_rate: float  # peak
