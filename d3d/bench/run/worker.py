"""What a Ray worker does with a cell: take its lease, find its run, and have its kind compute it.

A worker is reused for many cells, so that it imports its libraries and reads the data once; nothing else outlives a
cell.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import torch
from ray import tune

from d3d.bench.lease import leased
from d3d.bench.plan.cell import Cell
from d3d.bench.record.access import record_errors_explained
from d3d.bench.record.conditions import conditions
from d3d.bench.record.location import checkpoints
from d3d.bench.record.provenance import Code, part_of
from d3d.bench.record.schema import Tag
from d3d.bench.record.tracking import Record
from d3d.bench.run.failures import STOPPING, failure_of
from d3d.config import DataConfig
from d3d.data.clip import Dataset
from d3d.data.readers.registry import open_dataset
from d3d.errors import D3DError
from d3d.modality import letters
from d3d.training.checkpoint import finished_epochs


@dataclass(frozen=True)
class Proposal:
    """A cell that a running search proposes, and the tags of its run."""

    cell: Cell
    tags: dict[str, str]
    idle: bool = False  # another worker, idle since the cell was pruned there as another trial, has its lease


@dataclass(frozen=True)
class Job:
    """The cells of a launch, and what they have in common; a search proposes its cells later."""

    cells: dict[str, Cell]
    tags: dict[str, dict[str, str]]  # id of the cell → tags of its run
    tracking_uri: str = field(repr=False)  # may have a password
    storage: Path
    cpus: int  # threads of one cell
    gpu: bool
    test_every: int  # epochs from one test of a training to the next
    continued: Mapping[str, Code] = field(default_factory=dict)  # see `Plan.continued`

    @property
    def device(self) -> torch.device:
        """The device that the cells run on."""
        return torch.device("cuda" if self.gpu else "cpu")

    @property
    def readers(self) -> int:
        """The number of processes that read clips beside a training."""
        return self.cpus - 1 if self.gpu else 0

    def folder(self, cell: Cell) -> Path:
        """The folder of the cell's checkpoints."""
        return checkpoints(self.storage) / cell.id

    def dataset(self, cell: Cell) -> Dataset:
        """The dataset of a cell. Raises DataError."""
        return _dataset(cell.config.data, self.storage / "data")

    def report(self, result: dict[str, Any]) -> None:
        """Reports the progress of a cell to the launch. A trial that is pruned ends here."""
        tune.report(result)


def run_cell(trial: dict[str, Any], job: Job) -> None:
    """Computes the cell that the trial names or, in a search, proposes. A D3DError ends its run as FAILED for good.

    Where another worker computes it, which an earlier driver may have left running, this one waits, and has nothing
    left to do once the cell is finished. A trial that is pruned ends at one of its reports.
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
    lease = nullcontext() if proposal and proposal.idle else leased(job.folder(cell))
    with lease, record_errors_explained(job.tracking_uri):
        epochs = finished_epochs(job.folder(cell), cell.config) if cell.epochs else 0
        code = job.continued.get(part_of(cell.kind_name, cell.config.model.system))
        run = _record(job.tracking_uri).begin(cell, tags, code=code)
        if run.results and epochs == cell.epochs:
            tune.report(run.results)
            return
        try:
            results = cell.kind.carry_out(cell, run, job)
            if results:
                tune.report(results)
        except D3DError as error:
            failure = failure_of(error)
            if failure.kind in STOPPING:
                raise
            run.fail(failure)
            tune.report({"fault": asdict(failure)})


@cache
def _record(uri: str) -> Record:
    return Record(uri)


@lru_cache(maxsize=1)
def _dataset(data: DataConfig, made: Path) -> Dataset:
    """The dataset, opened once in each worker, with its cache of frames; `made` is the folder for generated data."""
    return open_dataset(data, made)
