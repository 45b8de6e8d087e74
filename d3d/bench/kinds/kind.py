"""What a kind of cell is: all that a launch has to know to name, plan, schedule, carry out and record such a cell."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from d3d.config import Config

if TYPE_CHECKING:
    from d3d.bench.plan.cell import Cell
    from d3d.bench.record.tracking import CellRun
    from d3d.bench.run.worker import Job


class Kind(ABC):
    """One object for each kind. Nothing else of the project tells kinds apart by their names.

    A cell is carried out once the cells that it needs are finished. What it is named by decides which cells are one.
    """

    name: ClassVar[str]
    verb: ClassVar[str]  # what a plan says is to be done: "3 to train"
    beginning: ClassVar[str]  # what the progress shows until the first result: "starting"
    entries: ClassVar[tuple[str, ...]]  # the modules where its code begins, beside those of the system
    runs_system: ClassVar[bool] = True  # whether the code of a system is part of its code
    random: ClassVar[bool] = True  # whether another seed is another result
    predicts: ClassVar[bool] = True  # whether it says something of each test clip
    on_gpu: ClassVar[bool] = True  # whether it uses a GPU where there is one
    alone: ClassVar[bool] = False  # whether it has all CPUs of a node, because what runs beside it would disturb it

    @abstractmethod
    def canonical(self, config: Config) -> Config:
        """The one configuration that stands for all that compute exactly the same; it is the one that is run."""

    @abstractmethod
    def identity(self, config: Config, digest: str, needs: "Sequence[Cell]") -> dict[str, Any]:
        """All that can change the result: of a canonical configuration, a dataset's digest and the cells it needs."""

    def tags(self, cell: "Cell") -> dict[str, str]:
        """What the run of a cell of this kind has as tags beside those of every cell."""
        return {}

    @abstractmethod
    def carry_out(self, cell: "Cell", run: "CellRun", job: "Job") -> dict[str, float]:
        """Computes the cell and ends its run. Returns the results that a launch shows. Raises D3DError."""
