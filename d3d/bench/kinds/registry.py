"""Lists the kinds of cells, in the order in which a launch runs them."""

from d3d.bench.kinds.attention import Attention
from d3d.bench.kinds.baseline import Baseline
from d3d.bench.kinds.folds import Folds
from d3d.bench.kinds.fusion import Fusion
from d3d.bench.kinds.kind import Kind
from d3d.bench.kinds.measurement import Measurement
from d3d.bench.kinds.pretraining import Pretraining
from d3d.bench.kinds.test import Test
from d3d.bench.kinds.training import Training
from d3d.config import Config
from d3d.models.config import SystemConfig

PRETRAINING, TRAINING, TEST, ATTENTION = Pretraining(), Training(), Test(), Attention()
FUSION, BASELINE, FOLDS, MEASUREMENT = Fusion(), Baseline(), Folds(), Measurement()
KINDS: tuple[Kind, ...] = (PRETRAINING, TRAINING, TEST, ATTENTION, FUSION, BASELINE, FOLDS, MEASUREMENT)

_BY_NAME = {kind.name: kind for kind in KINDS}


def kind_named(name: str) -> Kind:
    """The kind with this name."""
    return _BY_NAME[name]


def kind_of(config: Config) -> Kind:
    """The kind of cell that a configuration asks for, if the cell needs no other cells.

    A test, a fusion or what joins folds needs others, and has a configuration like theirs.
    """
    if config.measurement.module is not None:
        return MEASUREMENT
    if config.baseline.method is not None:
        return BASELINE
    return trainer_of(type(config.model))


def tester_of(config: Config) -> Kind:
    """The kind of cell that tests the weights of a finished training as the configuration says."""
    return ATTENTION if config.evaluation.attention else TEST


def trainer_of(model: type[SystemConfig]) -> Kind:
    """The kind of cell that trains systems with this type of configuration."""
    return TRAINING if model.labelled else PRETRAINING
