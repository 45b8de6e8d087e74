"""What is declared in YAML: the ablations, each a row of the paper, and the presets and datasets they run on.

An ablation varies configuration keys over `grids`, a list of products whose union is taken, or over named `rows`.
Nothing here imports torch, ray or mlflow.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from d3d.config import Config
from d3d.errors import ConfigError

FOLDER = Path(__file__).parent
FROM_DATA = {"model.classes", "model.joints"}  # never the user's to say

Value = bool | int | float | str | None


@dataclass(frozen=True)
class Row:
    """One training an ablation asks for, for each seed: the keys it sets."""

    label: str
    settings: dict[str, Value]


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """One table or figure of the paper, as rows."""

    name: str
    title: str
    artefact: str | None  # what tables/ makes of it
    section: str  # of the paper
    command: str
    cost: str
    claims: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def axes(self) -> tuple[str, ...]:
        """The keys that any row sets, in the order in which they are declared."""
        return tuple(dict.fromkeys(key for row in self.rows for key in row.settings))


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A preset or a dataset: what it is and what it costs."""

    title: str
    cost: str
    seconds: dict[str, float] = field(default_factory=dict)  # dataset → of one training on a CPU core


@dataclass(frozen=True, kw_only=True)
class _DeclaredRow:
    """An entry of `rows`, as written."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    label: str
    settings: dict[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Declared:
    """An ablation's YAML file, as written."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    title: str
    artefact: str | None = None
    section: str
    command: str
    cost: str
    claims: list[str] = field(default_factory=list)
    grids: list[dict[str, list[Value]]] = field(default_factory=list)
    rows: list[_DeclaredRow] = field(default_factory=list)


def parse_ablation(name: str, declared: object, source: str) -> Ablation:
    """The ablation a YAML file declares. Raises ConfigError naming the file, the key and the nearest known one."""
    try:
        written = TypeAdapter(_Declared).validate_python(declared)
    except ValidationError as error:
        raise ConfigError(f"{source}: {_fault(error)}") from error
    rows = [*_union(written.grids), *(Row(row.label, row.settings) for row in written.rows)]
    if not rows:
        raise ConfigError(f"{source}: it asks for no training; give it grids or rows")
    known = [key for key in flatten(asdict(Config())) if key not in FROM_DATA | {"seed"}]
    for key in (key for row in rows for key in row.settings):
        if key not in known:
            raise ConfigError(f"{source}: {key}: unknown key{did_you_mean(key, known)}")
    return Ablation(
        name=name,
        title=written.title,
        artefact=written.artefact,
        section=written.section,
        command=written.command,
        cost=written.cost,
        claims=tuple(written.claims),
        rows=tuple(rows),
    )


def read_ablation(path: Path) -> Ablation:
    """The ablation of a file, named as the file is. Raises ConfigError."""
    return parse_ablation(path.stem, read_yaml(path), str(path))


def ablations() -> dict[str, Ablation]:
    """The project's own, by name."""
    return {name: read_ablation(FOLDER / "ablation" / f"{name}.yaml") for name in options("ablation")}


def choices(group: str) -> dict[str, Choice]:
    """The project's presets (group `preset`) or datasets (`data`), by name."""
    section = {"preset": "preset", "data": "dataset"}[group]
    return {name: Choice(**read_yaml(FOLDER / group / f"{name}.yaml")[section]) for name in options(group)}


def options(group: str) -> list[str]:
    """The names a configuration group offers."""
    return sorted(path.stem for path in (FOLDER / group).glob("*.yaml"))


def read_yaml(path: Path) -> Any:
    """What a YAML file holds. Raises ConfigError where it cannot be read or is no YAML."""
    try:
        return yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); name a YAML file") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: is not YAML ({' '.join(str(error).split())})") from error


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, its keys dotted."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The nearest known word as a question in brackets, or nothing where none is near."""
    nearest = get_close_matches(word, list(known), 1, 0.5)
    return f" (did you mean {nearest[0]}?)" if nearest else ""


def _union(grids: list[dict[str, list[Value]]]) -> list[Row]:
    points = [
        dict(zip(grid, values, strict=True)) for grid in grids for values in itertools.product(*grid.values())
    ]
    return [Row(_label(settings), settings) for settings in points]


def _label(settings: Mapping[str, Value]) -> str:
    return ", ".join(f"{key.rpartition('.')[2].replace('_', ' ')} {value}" for key, value in settings.items())


def _fault(error: ValidationError) -> str:
    known = [*_Declared.__dataclass_fields__, *_DeclaredRow.__dataclass_fields__]
    faults = error.errors()
    for fault in faults:  # a misspelt key is also a missing one
        if fault["type"] == "unexpected_keyword_argument":
            return f"{fault['loc'][-1]}: unknown key{did_you_mean(str(fault['loc'][-1]), known)}"
    if not faults[0]["loc"]:
        return "it should be a mapping of keys to values"
    key = ".".join(map(str, faults[0]["loc"]))
    return f"{key}: {faults[0]['msg'].replace('Input should', 'it should').lower()}"
