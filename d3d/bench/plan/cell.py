"""A cell: the smallest thing a launch runs. It is named by what it computes, and may need other cells: a DAG."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from d3d.bench.kinds.kind import Kind
from d3d.bench.kinds.registry import FUSION, TEST, TRAINING, kind_named, kind_of
from d3d.bench.plan.identity import short_hash
from d3d.config import Config, EvaluationConfig
from d3d.data.clip import Dataset


@dataclass(frozen=True)
class Cell:
    """Of two cells with one id only one is run; see identity.py and the kinds."""

    id: str
    row: str = field(compare=False)  # the first that asks for it, such as "modules: full"
    config: Config  # canonical
    data_digest: str  # empty where no data is needed
    kind_name: str
    needs: tuple["Cell", ...] = ()  # what must be finished before

    @property
    def kind(self) -> Kind:
        """What is to be done."""
        return kind_named(self.kind_name)

    @property
    def label(self) -> str:
        """The row, and the seed where it has one."""
        return f"{self.row}, seed {self.config.seed}" if self.kind.random else self.row

    @property
    def epochs(self) -> int:
        """How many it trains."""
        return self.config.training.epochs if self.kind is TRAINING else 0

    @property
    def with_needs(self) -> "Iterator[Cell]":
        """The cell after all that it needs, directly or through others."""
        for each in self.needs:
            yield from each.with_needs
        yield self


def make_cell(row: str, config: Config, dataset: Dataset | None) -> Cell:
    """The cell with which a row answers for a configuration on its dataset; a measurement has none.

    Raises ConfigError where a module is to be measured of a system that has none.
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
        # Windows and strides are those asked for, cut to the frames of the training and of the test.
        training = make_cell(f"{row}, training", replace(asked, evaluation=EvaluationConfig()), dataset)
        return _cell(TEST, row, asked, dataset.digest, (training,))
    return _cell(kind, row, asked, dataset.digest)


def make_fusion(row: str, cells: Sequence[Cell]) -> Cell:
    """The cell that takes the mean of what these cells say; they are of one seed and were tested on the same clips."""
    return _cell(FUSION, row, cells[0].config, cells[0].data_digest, tuple(cells))


def _cell(kind: Kind, row: str, config: Config, digest: str, needs: tuple[Cell, ...] = ()) -> Cell:
    config = kind.canonical(config)
    return Cell(short_hash(kind.identity(config, digest, needs)), row, config, digest, kind.name, needs)
