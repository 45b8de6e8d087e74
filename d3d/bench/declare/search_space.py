"""Parses the space of a search: the configuration keys it varies, each with the range of its values.

    training.learning_rate: {float: [1.0e-4, 1.0e-2], log: true}
    model.depth: {int: [1, 4]}
    model.width: {int: [8, 32], step: 8}
    model.norm: {choices: [pre, printed]}

Both ends belong to the range. Nothing here knows Optuna.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, prod
from typing import Any

from d3d.bench.declare.ablations import Value, did_you_mean, settable
from d3d.errors import ConfigError
from d3d.models.config import SystemConfig
from d3d.models.registry import SYSTEMS, config_type

SEARCHED = ("model.", "training.", "augmentation.")  # other keys define the task, not how well it is learned
MOST = 10**12  # the largest end of a range of whole numbers
WRITTEN = "write {float: [low, high], log: true}, {int: [low, high], step: 2} or {choices: [a, b]}"


@dataclass(frozen=True)
class Real:
    """A real number from low to high; with `log` it is drawn uniformly on a logarithmic scale."""

    low: float
    high: float
    log: bool

    @property
    def values(self) -> Sequence[Value]:
        """The two ends, which stand for all values when a range is checked."""
        return self.low, self.high

    @property
    def count(self) -> int | None:
        """The number of different values; None if it is infinite."""
        return None


@dataclass(frozen=True)
class Whole:
    """A whole number: low, low + step, … up to high."""

    low: int
    high: int
    step: int

    @property
    def values(self) -> Sequence[Value]:
        """All values."""
        return range(self.low, self.high + 1, self.step)

    @property
    def count(self) -> int | None:
        """The number of different values."""
        return len(self.values)


@dataclass(frozen=True)
class Choices:
    """One of a list of values."""

    values: Sequence[Value]

    @property
    def count(self) -> int | None:
        """The number of different values."""
        return len(self.values)


Range = Real | Whole | Choices
Space = dict[str, Range]


def parse_space(declared: Mapping[str, Any], source: str, models: Iterable[type[SystemConfig]] = ()) -> Space:
    """The space that the mapping in the YAML file `source` declares.

    Its keys may belong to any of the project's systems, or to one of the system configurations in `models`. Raises
    ConfigError that names the file, the key and what to do.
    """
    models = [*models, *map(config_type, SYSTEMS)]
    every = dict.fromkeys(key for model in models for key in settable(model))
    known = [key for key in every if key.startswith(SEARCHED)]
    space: Space = {}
    for key, range_ in declared.items():
        if key in every and key not in known:
            searched = "only keys of model, training and augmentation"
            raise ConfigError(f"{source}: space: {key}: a search varies {searched}; leave it out")
        if key not in known:
            near = did_you_mean(str(key), known) or "; d3d/config.py names them all"
            raise ConfigError(f"{source}: space: {key}: unknown key{near}")
        space[key] = _parse_range(range_, f"{source}: space: {key}: {_flow(range_)}")
    if not space:
        raise ConfigError(f"{source}: space: it is empty; name the keys to vary and {WRITTEN}")
    return space


def point_count(space: Space) -> int | None:
    """The number of different points of a space; None if it is infinite."""
    counts = [each.count for each in space.values()]
    return None if None in counts else prod(count for count in counts if count is not None)


def written(range_: Range) -> str:
    """The range in YAML's flow style; the texts of two ranges are equal exactly if the ranges are."""
    match range_:
        case Real(low, high, log):
            return f"{{float: [{low}, {high}], log: {str(log).lower()}}}"
        case Whole(low, high, step):
            return f"{{int: [{low}, {high}], step: {step}}}"
    return _flow({"choices": [*range_.values]})


def _parse_range(declared: Any, where: str) -> Range:
    if isinstance(declared, dict):
        options = dict(declared)
        for kind, (parse, known) in PARSERS.items():
            ends = options.pop(kind, None)
            if isinstance(ends, list) and options.keys() <= known:
                return parse(ends, options, where)
    raise ConfigError(f"{where}: is not a range; {WRITTEN}")


def _parse_real(ends: list[Any], options: Mapping[str, Any], where: str) -> Real:
    log = options.get("log", False)
    if not all(map(_is_number, ends)) or not isinstance(log, bool):
        raise ConfigError(f"{where}: ends must be finite numbers, such as 1e-3, and log true or false")
    low, high = _ends(ends, where)
    if log and low <= 0:
        raise ConfigError(f"{where}: a logarithmic range must begin above 0")
    return Real(float(low), float(high), log)


def _parse_whole(ends: list[Any], options: Mapping[str, Any], where: str) -> Whole:
    step = options.get("step", 1)
    if not all(map(_is_whole, [*ends, step])):
        raise ConfigError(f"{where}: ends and step must be whole numbers")
    low, high = _ends(ends, where)
    if max(-low, high, step) > MOST:
        raise ConfigError(f"{where}: ends and step must be at most {MOST}")
    if step < 1 or low + step > high:
        raise ConfigError(f"{where}: step must be at least 1, and leave more than one value")
    return Whole(low, high - (high - low) % step, step)


def _parse_choices(values: list[Any], options: Mapping[str, Any], where: str) -> Choices:
    plain = [value for value in values if isinstance(value, bool | int | float | str | None)]
    if len({(type(value), value) for value in plain}) < len(values):
        raise ConfigError(f"{where}: choices must be different, and words, numbers, true, false or null")
    if len(values) < 2:
        raise ConfigError(f"{where}: an empty range; give at least two choices, or leave the key out")
    return Choices(tuple(values))


PARSERS: dict[str, tuple[Callable[[list[Any], Mapping[str, Any], str], Range], set[str]]] = {
    "float": (_parse_real, {"log"}),
    "int": (_parse_whole, {"step"}),
    "choices": (_parse_choices, set()),
}


def _ends(ends: list[Any], where: str) -> tuple[Any, Any]:
    if len(ends) != 2:
        raise ConfigError(f"{where}: a range has two ends; {WRITTEN}")
    low, high = ends
    if not low < high:
        raise ConfigError(f"{where}: an empty range; the first end must be below the second")
    return low, high


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _flow(value: Any) -> str:
    """A value roughly as YAML's flow style writes it."""
    return str(value).replace("'", "").replace("True", "true").replace("False", "false").replace("None", "null")
