"""Lists the kinds of cells, in the order in which a launch runs them."""

from d3d.bench.kinds.baseline import Baseline
from d3d.bench.kinds.fusion import Fusion
from d3d.bench.kinds.kind import Kind
from d3d.bench.kinds.measurement import Measurement
from d3d.bench.kinds.test import Test
from d3d.bench.kinds.training import Training
from d3d.config import Config

TRAINING, TEST, FUSION, BASELINE, MEASUREMENT = Training(), Test(), Fusion(), Baseline(), Measurement()
KINDS: tuple[Kind, ...] = (TRAINING, TEST, FUSION, BASELINE, MEASUREMENT)

_BY_NAME = {kind.name: kind for kind in KINDS}


def kind_named(name: str) -> Kind:
    """The kind with this name."""
    return _BY_NAME[name]


def kind_of(config: Config) -> Kind:
    """The kind of cell that a configuration asks for, if the cell needs no other cells.

    A test or a fusion needs others, and has the configuration of a training.
    """
    if config.measurement.module is not None:
        return MEASUREMENT
    if config.baseline.method is not None:
        return BASELINE
    return TRAINING
