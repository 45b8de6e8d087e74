"""The base class of the module of every system."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from torch import Tensor, nn

from d3d.data.batch import Batch
from d3d.data.skeleton import Skeleton
from d3d.models.config import SystemConfig


class System(nn.Module):
    """A model that recognises actions; registry.py lists the built-in ones.

    `config_type` is the dataclass of its hyper-parameters. A system is built from such a configuration and the skeleton
    of one person in the dataset, which a system that needs no graph ignores.
    """

    config_type: ClassVar[type[SystemConfig]]

    def __init__(self, config: SystemConfig, skeleton: Skeleton | None = None) -> None:
        super().__init__()

    def forward(self, batch: Batch) -> Tensor:
        """B clips → logits B×K."""
        raise NotImplementedError

    def load_files(self) -> None:
        """Loads the weights of the files that the configuration names, before a training; by default there are none.

        Raises DataError where a file is not the one that the launch was planned with, or its weights do not fit.
        """

    @contextmanager
    def observed(self) -> Iterator[dict[str, float]]:
        """Observes every forward pass within the block; after it the mapping holds the system's own metrics.

        They are recorded under these names with every test. By default there are none.
        """
        yield {}


class PretrainingSystem(System):
    """A system that learns without labels, for others to start from; its submodule `expert` is what they take.

    Its configuration has `labelled = False`.
    """

    def forward(self, batch: Batch) -> Tensor:
        """The loss of B clips, a scalar."""
        raise NotImplementedError

    def pictures(self, batch: Batch) -> Tensor:
        """B×S×3×T×H×W: what there is to see of each clip, in S stages, such as the clip and its reconstruction."""
        raise NotImplementedError
