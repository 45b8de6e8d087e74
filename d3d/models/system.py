"""What the module of every system is."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from torch import Tensor, nn

from d3d.data.batch import Batch
from d3d.data.skeleton import Skeleton
from d3d.models.config import SystemConfig


class System(nn.Module):
    """A model that recognises actions. A system extends this class and is listed in registry.py, or is the user's own.

    `config_type` is the dataclass of its hyper-parameters. It is built from such a configuration and, in a launch, the
    dataset's skeleton of one person, which a system that needs no graph ignores.
    """

    config_type: ClassVar[type[SystemConfig]]

    def __init__(self, config: SystemConfig, skeleton: Skeleton | None = None) -> None:
        super().__init__()

    def forward(self, batch: Batch) -> Tensor:
        """B clips → logits B×K."""
        raise NotImplementedError

    @contextmanager
    def observed(self) -> Iterator[dict[str, float]]:
        """Watches every forward pass within the block; afterwards the mapping holds what the system has to report.

        The numbers are recorded as metrics, under these names, with every test. By default there are none.
        """
        yield {}
