"""What a Ray worker does with a cell: take its lease, find its run, have its kind carry it out.

Workers are reused from cell to cell, so that they import and read the data once; nothing else survives a cell.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import torch
from ray import tune

from d3d.bench.plan.cell import Cell
from d3d.bench.record.conditions import conditions
from d3d.bench.record.provenance import Code, part_of
from d3d.bench.record.schema import Tag
from d3d.bench.record.tracking import Record
from d3d.bench.run.failures import failure_of
from d3d.bench.run.lease import leased
from d3d.config import DataConfig
from d3d.data.clip import Dataset
from d3d.data.readers.registry import open_dataset
from d3d.errors import D3DError
from d3d.modality import letters
from d3d.training.checkpoint import finished_epochs


@dataclass(frozen=True)
class Proposal:
    """A cell that a search came upon while it ran, and the tags of its run."""

    cell: Cell
    tags: dict[str, str]
    idle: bool = False  # its lease is with a worker that stands still, for it was pruned there as another trial


@dataclass(frozen=True)
class Job:
    """What the cells of a launch have in common, and the cells; a search brings its own."""

    cells: dict[str, Cell]
    tags: dict[str, dict[str, str]]  # cell → of its run
    tracking_uri: str
    storage: Path
    cpus: int  # threads of one cell
    gpu: bool
    test_every: int  # epochs from one test of a training to the next
    continued: Mapping[str, Code] = field(default_factory=dict)  # see `Plan.continued`

    @property
    def device(self) -> torch.device:
        """Where the cells run."""
        return torch.device("cuda" if self.gpu else "cpu")

    @property
    def readers(self) -> int:
        """Processes that read clips beside a training."""
        return self.cpus - 1 if self.gpu else 0

    def folder(self, cell: Cell) -> Path:
        """Of the cell's checkpoint."""
        return self.storage / "cells" / cell.id

    def dataset(self, cell: Cell) -> Dataset:
        """The clips of a cell. Raises DataError."""
        return _dataset(cell.config.data, self.storage / "data")

    def report(self, result: dict[str, Any]) -> None:
        """Tells the launch how far a cell is. A trial that is pruned ends here."""
        tune.report(result)


def run_cell(trial: dict[str, Any], job: Job) -> None:
    """Carries out the cell the trial names, or brings. What a user can mend ends its run as FAILED and is not retried.

    Where another worker carries it out, which the driver before this one may have left behind, this one waits, and does
    nothing more where it finds it finished. A trial that is pruned ends at one of its reports.
    """
    id, proposal = trial["cell"], trial.get("proposal")
    cell, own = (proposal.cell, proposal.tags) if proposal else (job.cells[id], job.tags[id])
    torch.set_num_threads(job.cpus)
    device = job.device if cell.kind.on_gpu else torch.device("cpu")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    tags = {
        **own,
        Tag.MODALITY: letters(cell.config.model.reads),
        Tag.DEVICE.value: name,
        **conditions(device, job.cpus),
    }
    with nullcontext() if proposal and proposal.idle else leased(job.folder(cell)):
        lasting = finished_epochs(job.folder(cell), cell.config) if cell.epochs else 0
        # A finished training is begun anew where its weights are gone; its run stays as it is.
        anew = cell.epochs > 0 and not lasting
        code = job.continued.get(part_of(cell.kind_name, cell.config.model.system))
        run = _record(job.tracking_uri).begin(cell, tags, anew=anew, code=code)
        if run.results and lasting == cell.epochs:
            tune.report(run.results)
            return
        try:
            results = cell.kind.carry_out(cell, run, job)
            if results:
                tune.report(results)
        except D3DError as error:
            failure = failure_of(error)
            if failure.kind == "disk":
                raise
            run.fail(failure)
            tune.report({"fault": asdict(failure)})


@cache
def _record(uri: str) -> Record:
    return Record(uri)


@lru_cache(maxsize=1)
def _dataset(data: DataConfig, made: Path) -> Dataset:
    """Read once per worker, together with the frames it keeps in memory."""
    return open_dataset(data, made)
