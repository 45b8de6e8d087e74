"""A cell: the smallest unit that a launch runs. Its id is a hash of what it computes. Cells form a DAG."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from d3d.bench.kinds.kind import Kind
from d3d.bench.kinds.registry import FUSION, TEST, TRAINING, kind_named, kind_of
from d3d.bench.plan.identity import short_hash
from d3d.config import Config, EvaluationConfig
from d3d.data.clip import Dataset


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
        return f"{self.row}, seed {self.config.seed}" if self.kind.random else self.row

    @property
    def epochs(self) -> int:
        """The epochs that it trains; 0 where it is not a training."""
        return self.config.training.epochs if self.kind is TRAINING else 0

    @property
    def with_needs(self) -> "Iterator[Cell]":
        """All cells that it needs, directly or through others, and then the cell itself."""
        for each in self.needs:
            yield from each.with_needs
        yield self


def make_cell(row: str, config: Config, dataset: Dataset | None) -> Cell:
    """The cell that computes a row's configuration on its dataset, which is None for a measurement.

    Raises ConfigError where a module is to be measured and the system has no such module.
    """
    kind = kind_of(config)
    if dataset is None:
        return _cell(kind, row, config, "")
    model = replace(
        config.model,
        classes=len(dataset.classes),
        joints=len(dataset.joint_names),
        persons=dataset.persons,
    )
    asked = replace(config, model=model)
    if kind is TRAINING and TRAINING.canonical(asked).evaluation != EvaluationConfig():
        # Each cuts the configured windows and strides to its own number of frames.
        training = make_cell(f"{row}, training", replace(asked, evaluation=EvaluationConfig()), dataset)
        return replace(_cell(TEST, row, asked, dataset.digest, (training,)), left_out=dataset.left_out)
    return replace(_cell(kind, row, asked, dataset.digest), left_out=dataset.left_out)


def make_fusion(row: str, cells: Sequence[Cell]) -> Cell:
    """The cell that averages the probabilities of these cells, which have the same seed and the same test clips."""
    fusion = _cell(FUSION, row, cells[0].config, cells[0].data_digest, tuple(cells))
    return replace(fusion, left_out=cells[0].left_out)


def _cell(kind: Kind, row: str, config: Config, digest: str, needs: tuple[Cell, ...] = ()) -> Cell:
    config = kind.canonical(config)
    return Cell(short_hash(kind.identity(config, digest, needs)), row, config, digest, kind.name, needs)
