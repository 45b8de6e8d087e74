"""Reads the ablations, presets, datasets and systems that are declared in YAML.

An ablation varies configuration keys over `grids`, a list of Cartesian products whose union is taken, over named
`rows`, or over both. Nothing here imports torch, ray or mlflow.
"""

import itertools
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from difflib import get_close_matches
from functools import cache
from math import prod
from pathlib import Path
from reprlib import repr as short
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from d3d.bench.declare.claims import about_part, parse_claim
from d3d.config import PLACES, Config
from d3d.errors import ConfigError
from d3d.folders import EXPERIMENTS
from d3d.models.config import SystemConfig
from d3d.models.d3d.config import D3DConfig
from d3d.text import one_line
from d3d.yaml_file import read_yaml

VALIDATION = ", validation split"  # ends the name of data whose test clips are a part of the training clips
MOST_ROWS = 10_000  # of an ablation
MOST_KEYS = 200  # of a grid or of a row
LONGEST_LABEL = 200  # characters; a label is a line of a table and a tag of the record
RECIPE, TUNED = "same recipe", "tuned"  # the parts of a table: its rows as declared, and with tuned settings

SECTIONS = {"preset": "preset", "data": "dataset", "model": "system"}  # group → the section that describes an option
MODEL = "model"  # the key with which a row selects another system than the launch's

NAME_RULE = "use only letters, digits, '_', '-' and '.', with neither '.' nor '-' first, and at most 200 bytes"

Value = bool | int | float | str | None


@dataclass(frozen=True)
class Row:
    """One row of an ablation's table. It asks for one cell for each seed."""

    label: str
    settings: dict[str, Value]  # configuration key → value
    fuse: tuple[str, ...] = ()  # labels of rows above it; it is the mean of their predictions instead of a training
    model: str | None = None  # the system that it starts from, unless its settings name one; None: the launch's


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """One experiment of the paper as a list of rows."""

    name: str
    source: str  # the file it was read from
    title: str
    artefacts: tuple[str, ...]  # the tables and figures that are built from it
    section: str  # of the paper
    command: str
    cost: str
    claims: tuple[str, ...]
    rows: tuple[Row, ...]
    model: str | None = None  # the system that it is about; None: any

    @property
    def axes(self) -> tuple[str, ...]:
        """The keys that any row sets, in the order in which they are declared."""
        return tuple(dict.fromkeys(key for row in self.rows for key in row.settings))


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The description of a preset, a dataset or a system."""

    title: str
    cost: str


@dataclass(frozen=True, kw_only=True)
class _DeclaredRow:
    """An entry of `rows`, as written."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    label: str
    settings: dict[str, Value] = field(default_factory=dict)
    fuse: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class _Declared:
    """An ablation's YAML file, as written."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    title: str
    artefact: str | list[str] | None = None
    section: str
    command: str
    cost: str
    claims: list[str] = field(default_factory=list)
    model: str | None = None
    grids: list[dict[str, list[Value]]] = field(default_factory=list)
    rows: list[_DeclaredRow] = field(default_factory=list)


_DECLARED = TypeAdapter(_Declared)


def parse_ablation(name: str, declared: object, source: str) -> Ablation:
    """The ablation `name` that the contents of the YAML file `source` declare.

    If it names no artefact, it makes a table of its rows under its own name. Raises ConfigError that names the file,
    the key and the nearest known key.
    """
    try:
        written = _DECLARED.validate_python(declared)
    except ValidationError as error:
        known = [field.name for kind in (_Declared, _DeclaredRow) for field in fields(kind)]
        raise ConfigError(f"{source}: {fault_of(error, declared, known)}") from error
    count = sum(prod(map(len, grid.values())) for grid in written.grids) + len(written.rows)
    if count > MOST_ROWS:
        raise ConfigError(f"{source}: grids and rows: {count} rows; at most {MOST_ROWS} are allowed, in all")
    for grid in written.grids:
        _check_keys(grid, source)
    for row in written.rows:
        _check_keys(row.settings, source)
    if written.model is not None and written.model not in options(MODEL):
        there = options(MODEL)
        near = f"{did_you_mean(written.model, there)}; there are: {', '.join(there)}"
        raise ConfigError(f"{source}: model: {short(written.model)[1:-1]}: unknown model{near}")
    declared_rows = (Row(row.label, row.settings, tuple(row.fuse)) for row in written.rows)
    rows = tuple(replace(row, model=written.model) for row in (*_union(written.grids), *declared_rows))
    _check_rows(rows, source)
    _check_claims(written.claims, dict.fromkeys(row.label for row in rows), source)
    artefact = name if written.artefact is None else written.artefact
    return Ablation(
        name=name,
        source=source,
        title=one_line(written.title),
        artefacts=(artefact,) if isinstance(artefact, str) else tuple(artefact),
        section=one_line(written.section),
        command=one_line(written.command),
        cost=one_line(written.cost),
        claims=tuple(written.claims),
        rows=rows,
        model=written.model,
    )


def read_ablation(path: Path) -> Ablation:
    """The ablation that a file declares, named after the file. Raises ConfigError."""
    if not is_name(path.stem):
        raise ConfigError(f"{path}: an ablation is named after its file; {NAME_RULE}")
    return parse_ablation(path.stem, read_yaml(path), str(path))


def ablations() -> dict[str, Ablation]:
    """The project's own ablations by name, in the order of the paper's sections; those about one system come last."""
    own = map(own_ablation, options("ablation"))
    return {each.name: each for each in sorted(own, key=lambda each: (each.model or "", each.section, each.name))}


def own_ablation(name: str) -> Ablation:
    """The project's own ablation with this name, which is one of `options("ablation")`."""
    return read_ablation(EXPERIMENTS / "ablation" / f"{name}.yaml")


def choices(group: str) -> dict[str, Choice]:
    """The options of a configuration group by name. The group is `preset`, `data` or `model`."""
    section = SECTIONS[group]
    return {name: Choice(**read_yaml(EXPERIMENTS / group / f"{name}.yaml")[section]) for name in options(group)}


def is_name(text: str) -> bool:
    """Whether a text can be the name of an ablation or of a search, see NAME_RULE."""
    return re.fullmatch(r"\w[\w.-]*", text) is not None and len(text.encode()) <= 200


def options(group: str) -> list[str]:
    """The names of the options of a configuration group."""
    return sorted(path.stem for path in (EXPERIMENTS / group).glob("*.yaml"))


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one mapping with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def settable(model: type[SystemConfig] = D3DConfig) -> list[str]:
    """The configuration keys that a row may set if its system has this type of configuration."""
    own = [f"{MODEL}.{field.name}" for field in fields(model) if field.name not in (*model.from_data, "system")]
    return [*own, *_shared()]


@cache
def _shared() -> tuple[str, ...]:
    """The settable keys that do not depend on the system."""
    groups = asdict(Config())
    del groups["seed"], groups[MODEL]
    return tuple(flatten(groups))


def overrides_of(arguments: Iterable[str]) -> tuple[str, ...]:
    """The arguments of a command line that change the configuration, as they were typed, such as "model.norm=pre".

    The choice of ablation, preset, data and seeds is no change of the configuration, nor is how and where to launch.
    If a key was typed twice, the last one counts.
    """
    groups = {field.name for field in fields(Config)}
    typed = {argument.partition("=")[0]: argument for argument in arguments}
    return tuple(
        argument
        for key, argument in typed.items()
        if "." in key and key.partition(".")[0] in groups and key.removeprefix("data.") not in PLACES
    )


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The nearest known word as a question in brackets, or an empty text if none is near.

    A key may also be meant by its last part alone, or by the initials of that: `epochs`, `training.lr`.
    """
    there = list(known)
    group, _, last = word.rpartition(".")
    ends = [each for each in there if each.startswith(group) and last in _short(each)]
    nearest = ends[:1] or get_close_matches(word, there, 1, 0.5)
    return f" (did you mean {nearest[0]}?)" if nearest else ""


def _short(key: str) -> tuple[str, str]:
    """The last part of a key, and its initials: of `training.learning_rate` learning_rate and lr."""
    last = key.rpartition(".")[2]
    return last, "".join(word[:1] for word in last.split("_"))


def fault_of(error: ValidationError, written: object, known: Iterable[str]) -> str:
    """What is wrong with the content of a YAML file, in a line: the key, its value, and what it should be.

    Args:
        error: of pydantic, about `written`.
        written: the content of the file.
        known: the keys that it may have.
    """
    faults = error.errors()
    for fault in faults:  # first, because a misspelt key is reported as a missing one as well
        if fault["type"] == "unexpected_keyword_argument":
            key = str(fault["loc"][-1])
            return f"{short(key)[1:-1]}: unknown key{did_you_mean(key[:80], known)}"
    if not faults[0]["loc"]:
        return "it should be a mapping of keys to values"
    path, value = found_at(written, faults[0]["loc"])
    if faults[0]["type"] == "missing":
        return f"{'.'.join(map(str, faults[0]['loc']))}: it is missing; add it"
    same = [fault for fault in faults if found_at(written, fault["loc"])[0] == path]  # one for each type of a union
    rule = " or ".join(dict.fromkeys(fault["msg"].removeprefix("Input should be ").lower() for fault in same))
    quotes = any(fault["type"] == "string_type" for fault in same) and isinstance(value, bool | int | float)
    return f"{'.'.join(path)}: {short(value)}: it should be {rule}{'; write it in quotes' if quotes else ''}"


def found_at(tree: object, place: Sequence[int | str]) -> tuple[list[str], object]:
    """The keys that lead to a place in nested mappings and lists, and the value there.

    Pydantic's places may end with the name of a type of a union, which is no key; the keys end before it.
    """
    path = []
    for step in place:
        if not (
            step in tree if isinstance(tree, Mapping) else isinstance(tree, list | tuple) and step in range(len(tree))
        ):
            break
        tree = tree[step]  # type: ignore[index]
        path.append(str(step))
    return path, tree


def _check_keys(settings: Iterable[str], source: str) -> None:
    """Raises ConfigError unless every key can be set; a launch checks those of its systems."""
    known, keys = settable(), list(settings)
    for key in keys:
        if key not in known and key != MODEL and not key.startswith(f"{MODEL}."):
            raise ConfigError(f"{source}: {short(key)[1:-1]}: unknown key{did_you_mean(key[:80], known)}")
    if len(keys) > MOST_KEYS:
        raise ConfigError(f"{source}: {len(keys)} keys of a grid or row; at most {MOST_KEYS} are allowed")


def _check_rows(rows: Sequence[Row], source: str) -> None:
    if not rows:
        raise ConfigError(f"{source}: it asks for nothing; give it grids or rows")
    labels: dict[str, None] = {}
    for row in rows:
        if len(row.label) > LONGEST_LABEL or row.label != one_line(row.label) or not row.label:
            fault = f"{source}: label {short(row.label)}: is not a line of 1 to {LONGEST_LABEL} characters"
            raise ConfigError(f"{fault} with single blanks between its words; write a label that is")
        if part := about_part(row.label):
            raise ConfigError(
                f"{source}: label {row.label}: begins as a claim about the {part} does; give the row another label"
            )
        _check_fusion(row, labels, source)
        if row.label in labels:
            raise ConfigError(f"{source}: label {row.label}: two rows have this label; give each row its own")
        labels[row.label] = None


def _check_fusion(row: Row, above: Collection[str], source: str) -> None:
    """Raises ConfigError unless a fused row names at least two different rows above it, and nothing else."""
    where = f"{source}: row {row.label}: fuse"
    for label in row.fuse:
        if label not in above:
            near = _nearest(label, above)
            raise ConfigError(f"{where}: {label}: no row above it has this label{near}")
    if row.fuse and row.settings:
        raise ConfigError(
            f"{where}: the row has settings too ({', '.join(row.settings)}); leave them out, it is not trained"
        )
    if row.fuse and len(set(row.fuse)) < max(2, len(row.fuse)):
        raise ConfigError(f"{where}: [{', '.join(row.fuse)}]: must be two or more different rows")


def _nearest(label: str, labels: Collection[str]) -> str:
    """The nearest label as a question; if none is near, all of them where they are few."""
    there = f"; there are: {'; '.join(labels)}" if len(labels) <= 30 else f"; there are {len(labels)} others"
    return did_you_mean(label[:LONGEST_LABEL], labels) or there


def _check_claims(claims: Sequence[str], labels: Collection[str], source: str) -> None:
    for text in claims:
        try:
            claim = parse_claim(text)
        except ConfigError as error:
            raise ConfigError(f"{source}: claims: {error}") from error
        for label in claim.labels:
            if label not in labels:
                near = _nearest(label, labels)
                raise ConfigError(f"{source}: claims: {claim.text}: no row is labelled {label}{near}")


def _union(grids: list[dict[str, list[Value]]]) -> list[Row]:
    """A row for each point of the grids, labelled by the keys that vary."""
    points = [dict(zip(grid, values, strict=True)) for grid in grids for values in itertools.product(*grid.values())]
    values: dict[str, set[Value]] = {}
    for point in points:
        for key, value in point.items():
            values.setdefault(key, set()).add(value)
    labels = [_label({key: value for key, value in point.items() if len(values[key]) > 1}) for point in points]
    if "" in labels or len(set(labels)) < len(labels):
        labels = [_label(point) for point in points]
    return [Row(label, point) for label, point in zip(labels, points, strict=True)]


def _label(settings: Mapping[str, Value]) -> str:
    """A label such as "temporal window 4, temporal stride 2"; values that are words stand alone: "pre, depth 2".

    It ends soon after the longest length that is allowed, because the labels of a grid are many.
    """
    label = ""
    for key, value in settings.items():
        word = value if isinstance(value, str) else f"{key.rpartition('.')[2].replace('_', ' ')} {value}"
        label += f"{', ' if label else ''}{word}"[: LONGEST_LABEL + 1]
        if len(label) > LONGEST_LABEL:
            break
    return label
