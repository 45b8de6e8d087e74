"""What a Ray worker does with a cell: find its run, continue its training, end its run.

Workers are reused from cell to cell, so that they import and read the data once; nothing else survives a cell.
"""

import shutil
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import torch
from ray import tune

from d3d.config import DataConfig
from d3d.data import Dataset, open_dataset
from d3d.errors import D3DError
from d3d.training import EpochResult, train
from experiments.plan import Cell
from experiments.track import Record


@dataclass(frozen=True)
class Job:
    """What the cells of a launch have in common."""

    cells: dict[str, Cell]
    tags: dict[str, str]  # of their runs
    tracking_uri: str
    storage: Path
    cpus: int  # threads of one training
    gpu: bool


def train_cell(trial: dict[str, str], job: Job) -> None:
    """Trains the cell the trial names, to its end. What a user can mend ends the run as FAILED and is not retried."""
    cell = job.cells[trial["cell"]]
    torch.set_num_threads(job.cpus)
    device = torch.device("cuda" if job.gpu else "cpu")
    name = torch.cuda.get_device_name() if job.gpu else "cpu"
    run = _record(job.tracking_uri).begin(cell, {**job.tags, "device": name})
    checkpoint = job.storage / "cells" / cell.id
    if run.new:  # a checkpoint without a record would leave out the epochs before it
        shutil.rmtree(checkpoint, ignore_errors=True)

    def report(result: EpochResult) -> None:
        run.log_epoch(result)
        tune.report({"epoch": result.epoch, "top1": result.metrics["test_top1"]})

    try:
        dataset = _dataset(cell.config.data, job.storage / "data")
        predictions = train(cell.config, dataset, device, checkpoint, report, workers=job.cpus - 1 if job.gpu else 0)
    except D3DError as error:
        run.fail(str(error))
        tune.report({"fault": str(error)})
        return
    run.finish(predictions)


@cache
def _record(uri: str) -> Record:
    return Record(uri)


@lru_cache(maxsize=1)
def _dataset(data: DataConfig, made: Path) -> Dataset:
    """Read once per worker, together with the frames it keeps in memory."""
    return open_dataset(data, made)
