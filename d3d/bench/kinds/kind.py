"""The interface of a kind of cell: everything a launch needs to identify, plan, schedule, run and record such cells."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from d3d.config import Config

if TYPE_CHECKING:
    from d3d.bench.plan.cell import Cell
    from d3d.bench.record.tracking import CellRun
    from d3d.bench.run.worker import Job


class Kind(ABC):
    """A kind of cell, of which there is one object each. No other code distinguishes kinds by their names.

    A cell is run once the cells that it needs are finished. Cells with the same identity are the same cell.
    """

    name: ClassVar[str]
    verb: ClassVar[str]  # in a plan: "3 to train"
    beginning: ClassVar[str]  # in the progress display until the first result: "starting"
    entries: ClassVar[tuple[str, ...]]  # the modules in which its code starts, besides that of the system
    runs_system: ClassVar[bool] = True  # whether it runs the code of a system
    random: ClassVar[bool] = True  # whether another seed gives another result
    predicts: ClassVar[bool] = True  # whether it makes a prediction for each test clip
    on_gpu: ClassVar[bool] = True  # whether it uses a GPU if there is one
    trains: ClassVar[bool] = False  # whether it trains weights, epoch by epoch
    loads: ClassVar[bool] = False  # whether it loads the weights of the cells that it needs
    alone: ClassVar[bool] = False  # whether it needs all CPUs of a node, because other cells would disturb it

    @abstractmethod
    def canonical(self, config: Config) -> Config:
        """The configuration that represents all configurations which compute the same; it is the one that is run."""

    @abstractmethod
    def identity(self, config: Config, digest: str, needs: "Sequence[Cell]") -> dict[str, Any]:
        """Everything that can change the result, which is hashed to the cell's id.

        Takes a canonical configuration, the digest of the dataset, and the cells that this one needs.
        """

    def tags(self, cell: "Cell") -> dict[str, str]:
        """The tags of a cell's run that only cells of this kind have."""
        return {}

    @abstractmethod
    def carry_out(self, cell: "Cell", run: "CellRun", job: "Job") -> dict[str, float]:
        """Computes the cell and ends its run.

        Returns the results to show on the terminal, by name: "top1" (a fraction) or "seconds". Raises D3DError.
        """
