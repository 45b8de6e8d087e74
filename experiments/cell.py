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
    label: str = field(compare=False)  # the first row and seed that ask for it
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
    def epochs(self) -> int:
        """How many it trains."""
        return self.config.training.epochs if self.kind == "training" else 0


def make_cell(label: str, config: Config, dataset: Dataset | None) -> Cell:
    """The cell that answers for a configuration on its dataset; a measurement has none."""
    if dataset is None:
        config = canonical(config)
        return Cell(cell_id(config, ""), label, config, "")
    joints, persons = len(dataset.joint_names), dataset.persons
    model = replace(config.model, classes=len(dataset.classes), joints=joints, persons=persons)
    asked = replace(config, model=model)
    config = canonical(asked)
    if config.baseline.method is not None:  # nothing of it is random
        return Cell(cell_id(config, dataset.digest), label, config, dataset.digest)
    trained = None
    if config.evaluation != EvaluationConfig():  # windows and strides are those asked for, cut to either's frames
        trained = make_cell(f"{label}, training", replace(asked, evaluation=EvaluationConfig()), dataset)
    id = cell_id(config, dataset.digest, trained.id if trained else None)
    return Cell(id, f"{label}, seed {config.seed}", config, dataset.digest, trained)
