"""Which kinds of cells there are, in the order in which a launch runs what is ready."""

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
    """The kind that a cell or a run says it is of."""
    return _BY_NAME[name]


def kind_of(config: Config) -> Kind:
    """What a configuration asks for by itself: a cell that needs others is a test or a fusion instead of a training."""
    if config.measurement.module is not None:
        return MEASUREMENT
    if config.baseline.method is not None:
        return BASELINE
    return TRAINING
