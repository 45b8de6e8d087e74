"""A cell: the smallest unit that a launch runs. Its id is a hash of what it computes. Cells form a DAG."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from d3d.bench.declare.ablations import did_you_mean
from d3d.bench.kinds.kind import Kind
from d3d.bench.kinds.registry import FOLDS, FUSION, TRAINING, kind_named, kind_of, tester_of
from d3d.bench.plan.identity import short_hash
from d3d.config import Config, DataConfig, EvaluationConfig, TrainingConfig
from d3d.data.clip import Dataset
from d3d.errors import ConfigError
from d3d.file_digest import file_digest
from d3d.models.config import Start, SystemConfig
from d3d.typed_path import typed_path


@dataclass(frozen=True)
class Cell:
    """Cells with the same id are one cell, which runs once; see identity.py and the kinds of cells."""

    id: str
    row: str = field(compare=False)  # the first row that asks for it, such as "modules: full"
    config: Config  # canonical
    data_digest: str  # empty where no data is needed
    kind_name: str
    needs: tuple["Cell", ...] = ()  # cells that must finish before it
    left_out: tuple[str, ...] = field(default=(), compare=False, repr=False)  # clips of its dataset that are not used

    @property
    def kind(self) -> Kind:
        """What the cell does."""
        return kind_named(self.kind_name)

    @property
    def label(self) -> str:
        """The row, and the seed where it has one."""
        return f"{self.row}, seed {self.config.seed}" if self.random else self.row

    @property
    def random(self) -> bool:
        """Whether another seed gives another result."""
        return self.kind.random and all(need.random for need in self.needs)

    @property
    def epochs(self) -> int:
        """The epochs that it trains; 0 where it is not a training."""
        return self.config.training.epochs if self.kind.trains else 0

    @property
    def depth(self) -> int:
        """The number of cells in the longest chain of cells that it needs one after another; 0 if it needs none."""
        return max((1 + need.depth for need in self.needs), default=0)

    @property
    def with_needs(self) -> "Iterator[Cell]":
        """All cells that it needs, directly or through others, and then the cell itself."""
        for each in self.needs:
            yield from each.with_needs
        yield self


def make_cell(row: str, config: Config, dataset: Dataset | None) -> Cell:
    """The cell that computes a row's configuration on its dataset, which is None for a measurement.

    Raises ConfigError where a module is to be measured and the system has no such module, and where the system cannot
    take such clips.
    """
    kind = kind_of(config)
    if dataset is None:
        return _cell(kind, row, config, "")
    given: dict[str, Any] = {
        "classes": len(dataset.classes),
        "joints": len(dataset.joint_names),
        "persons": dataset.persons,
        "frames": config.training.frames,
        "crop": config.data.crop,
        "pairs": _pairs(dataset),
        **_digests(config.model),
    }
    files: dict[str, Any] = {key: str(path) for key, path in _files(config.model).items()}
    model = replace(config.model, **files, **{key: given[key] for key in config.model.from_data})
    asked = replace(config, model=model)
    if kind is TRAINING and TRAINING.canonical(asked).evaluation != EvaluationConfig():
        _check_clips(asked.evaluation.attention_clips, dataset)
        # Each cuts the configured windows and strides to its own number of frames.
        training = make_cell(f"{row}, training", replace(asked, evaluation=EvaluationConfig()), dataset)
        return make_test(row, asked, training)
    starts = kind.canonical(asked).model.starts.values() if kind.trains else ()
    needs = tuple(make_cell(f"{row}, {start.name}", _earlier(asked, start), dataset) for start in starts)
    return replace(_cell(kind, row, asked, dataset.digest, needs), left_out=dataset.left_out)


def make_test(row: str, config: Config, training: Cell) -> Cell:
    """The cell that tests the weights of a training, on its clips, as the configuration says."""
    test = _cell(tester_of(config), row, config, training.data_digest, (training,))
    return replace(test, left_out=training.left_out)


def make_fusion(row: str, cells: Sequence[Cell]) -> Cell:
    """The cell that averages the probabilities of these cells, which have the same seed and the same test clips."""
    fusion = _cell(FUSION, row, cells[0].config, cells[0].data_digest, tuple(cells))
    return replace(fusion, left_out=cells[0].left_out)


def join_folds(row: str, cells: Sequence[Cell], data: DataConfig) -> Cell:
    """The cell that has the predictions of these cells, one for each fold of `data`, which differ in nothing else."""
    config = replace(cells[0].config, data=replace(cells[0].config.data, splits=data.splits, fold=data.fold))
    digest = hashlib.sha256("+".join(cell.data_digest for cell in cells).encode()).hexdigest()
    left_out = tuple(dict.fromkeys(id for cell in cells for id in cell.left_out))
    return replace(_cell(FOLDS, row, config, digest, tuple(cells)), left_out=left_out)


def _check_clips(ids: Sequence[str], dataset: Dataset) -> None:
    """Raises ConfigError for an id that no test clip has."""
    known = {clip.id for clip in dataset.test}
    for id in ids:
        if id not in known:
            fault = f"is no test clip of {dataset.name}{did_you_mean(id, known)}"
            raise ConfigError(f"evaluation.attention_clips={id}: {fault}")


def _files(model: SystemConfig) -> dict[str, Path]:
    """The files that a system loads, by their keys; absolute, because Ray runs trainings in other folders."""
    named = {key: getattr(model, key) for key in model.files}
    return {key: typed_path(f"model.{key}", path).absolute() for key, path in named.items() if path is not None}


def _digests(model: SystemConfig) -> dict[str, str]:
    """The digests of these files, by the keys that they are given to; empty where there is none."""
    files = _files(model)
    digests = dict.fromkeys(model.files.values(), "")
    for key, path in files.items():
        try:
            digests[model.files[key]] = file_digest(path)
        except OSError as error:
            fault = f"cannot be read ({error.strerror or error}); name another file"
            raise ConfigError(f"model.{key}={path}: {fault}") from error
    return digests


def _pairs(dataset: Dataset) -> tuple[tuple[int, int], ...]:
    """Class → its verb and its noun; empty where classes are no pairs."""
    parts = {part.name: part.of_class for part in dataset.parts}
    return tuple(zip(parts["verb"], parts["noun"], strict=True)) if parts.keys() == {"verb", "noun"} else ()


def _earlier(config: Config, start: Start) -> Config:
    """The configuration of the training that another one starts from, on the same clips and with the same seed.

    Batches have the size that was chosen for the memory there is; everything else is the default or the start's own.
    """
    training = TrainingConfig(
        frames=config.training.frames,
        batch_size=config.training.batch_size,
        epochs=start.epochs,
        warmup_epochs=start.epochs / 10,
        learning_rate=start.learning_rate,
    )
    return replace(config, model=start.model, training=training, evaluation=EvaluationConfig())


def _cell(kind: Kind, row: str, config: Config, digest: str, needs: tuple[Cell, ...] = ()) -> Cell:
    config = kind.canonical(config)
    return Cell(short_hash(kind.identity(config, digest, needs)), row, config, digest, kind.name, needs)
