"""What a Ray worker does with a cell: take its lease, find its run, train or test or classify or measure, end its run.

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

from d3d.checkpoint import discard_checkpoints, finished_epochs
from d3d.complexity import forward_gmacs, measure, parameter_count
from d3d.config import DataConfig
from d3d.data.clip import Dataset
from d3d.data.datasets import open_dataset
from d3d.errors import D3DError
from d3d.modality import letters
from d3d.training import EpochResult, evaluate_trained, train
from experiments.cell import Cell
from experiments.conditions import conditions
from experiments.failures import failure_of
from experiments.lease import leased
from experiments.provenance import Code, part_of
from experiments.schema import Metric, Tag
from experiments.track import CellRun, Record


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


def run_cell(trial: dict[str, Any], job: Job) -> None:
    """Carries out the cell the trial names, or brings. What a user can mend ends its run as FAILED and is not retried.

    Where another worker carries it out, which the driver before this one may have left behind, this one waits, and does
    nothing more where it finds it finished. A trial that is pruned ends at one of its reports.
    """
    id, proposal = trial["cell"], trial.get("proposal")
    cell, own = (proposal.cell, proposal.tags) if proposal else (job.cells[id], job.tags[id])
    torch.set_num_threads(job.cpus)
    device = torch.device("cpu") if cell.kind == "baseline" else job.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    tags = {
        **own,
        Tag.MODALITY: letters(cell.config.model.reads),
        Tag.DEVICE.value: name,
        **conditions(device, job.cpus),
    }
    with nullcontext() if proposal and proposal.idle else leased(job.folder(cell)):
        lasting = finished_epochs(job.folder(cell), cell.config) if cell.kind == "training" else 0
        # A finished training is begun anew where its weights are gone; its run stays as it is.
        anew = cell.kind == "training" and not lasting
        code = job.continued.get(part_of(cell.kind, cell.config.model.system))
        run = _record(job.tracking_uri).begin(cell, tags, anew=anew, code=code)
        if run.results and lasting == cell.epochs:
            tune.report(run.results)
            return
        try:
            {"training": _train, "test": _test, "baseline": _classify, "measurement": _measure}[cell.kind](
                cell, run, job
            )
        except D3DError as error:
            failure = failure_of(error)
            if failure.kind == "disk":
                raise
            run.fail(failure)
            tune.report({"fault": asdict(failure)})


def _train(cell: Cell, run: CellRun, job: Job) -> None:
    if not run.logged:  # a checkpoint without a record would leave out the epochs before it, or be of other code
        discard_checkpoints(job.folder(cell))

    def report(result: EpochResult) -> None:
        run.log_epoch(result)
        tested = {"top1": result.metrics[Metric.EVAL_TOP1]} if Metric.EVAL_TOP1 in result.metrics else {}
        tune.report({"epoch": result.epoch, **tested})

    def notice(text: str) -> None:
        run.note(Tag.DAMAGED, text)
        tune.report({"notice": text})

    dataset = _dataset(cell.config.data, job.storage / "data")
    weights = job.folder(cell)
    predictions = train(cell.config, dataset, job.device, weights, report, job.readers, job.test_every, notice)
    if not run.results:  # else only its weights had to be mended
        gmacs, parameters = (count(cell.config, dataset.skeleton) for count in (forward_gmacs, parameter_count))
        run.finish(predictions, {Metric.GMACS: gmacs, Metric.PARAMETERS: parameters})


def _test(cell: Cell, run: CellRun, job: Job) -> None:
    assert cell.trained
    dataset = _dataset(cell.config.data, job.storage / "data")
    weights = job.folder(cell.trained)
    tested = evaluate_trained(cell.config, cell.trained.config, dataset, job.device, weights, job.readers)
    run.finish(tested.predictions)
    tune.report({"top1": tested.top1})


def _classify(cell: Cell, run: CellRun, job: Job) -> None:
    from d3d.baselines import classify  # scikit-learn takes seconds, and other cells need none

    dataset = _dataset(cell.config.data, job.storage / "data")
    classified = classify(cell.config.baseline, cell.config.training.frames, dataset)
    run.finish_baseline(classified)
    tune.report({"top1": classified.top1})


def _measure(cell: Cell, run: CellRun, job: Job) -> None:
    measured = measure(cell.config.model, cell.config.measurement, job.device)
    run.finish_measurement(measured)
    tune.report({"seconds": measured.seconds})


@cache
def _record(uri: str) -> Record:
    return Record(uri)


@lru_cache(maxsize=1)
def _dataset(data: DataConfig, made: Path) -> Dataset:
    """Read once per worker, together with the frames it keeps in memory."""
    return open_dataset(data, made)
