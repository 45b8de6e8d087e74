"""A cell: the smallest thing a launch runs. A training, a test of trained weights, a baseline, or a measurement."""

from dataclasses import dataclass, field, replace
from typing import Literal

from d3d.config import Config, EvaluationConfig
from d3d.data.clip import Dataset
from experiments.identity import canonical, cell_id

Kind = Literal["training", "test", "baseline", "measurement"]
KINDS: tuple[Kind, ...] = ("training", "test", "baseline", "measurement")  # in the order in which a launch runs them


@dataclass(frozen=True)
class Cell:
    """Named by what it computes: see identity.py."""

    id: str
    row: str = field(compare=False)  # the first that asks for it, such as "modules: full"
    config: Config  # canonical
    data_digest: str  # empty where no data is needed
    trained: "Cell | None" = None  # of a test: the training whose weights it tests

    @property
    def kind(self) -> Kind:
        """What is to be done."""
        if self.config.measurement.module is not None:
            return "measurement"
        if self.config.baseline.method is not None:
            return "baseline"
        return "training" if self.trained is None else "test"

    @property
    def label(self) -> str:
        """The row and the seed, of which a baseline and a measurement have none."""
        return self.row if self.kind in ("baseline", "measurement") else f"{self.row}, seed {self.config.seed}"

    @property
    def epochs(self) -> int:
        """How many it trains."""
        return self.config.training.epochs if self.kind == "training" else 0


def make_cell(row: str, config: Config, dataset: Dataset | None) -> Cell:
    """The cell with which a row answers for a configuration on its dataset; a measurement has none."""
    if dataset is None:
        config = canonical(config)
        return Cell(cell_id(config, ""), row, config, "")
    joints, persons = len(dataset.joint_names), dataset.persons
    model = replace(config.model, classes=len(dataset.classes), joints=joints, persons=persons)
    asked = replace(config, model=model)
    config = canonical(asked)
    if config.baseline.method is not None:  # nothing of it is random
        return Cell(cell_id(config, dataset.digest), row, config, dataset.digest)
    trained = None
    if config.evaluation != EvaluationConfig():  # windows and strides are those asked for, cut to either's frames
        trained = make_cell(f"{row}, training", replace(asked, evaluation=EvaluationConfig()), dataset)
    id = cell_id(config, dataset.digest, trained.id if trained else None)
    return Cell(id, row, config, dataset.digest, trained)
