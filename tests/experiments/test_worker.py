from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from d3d.data.clip import Dataset
from d3d.errors import DataError
from d3d.training import EpochResult, Prediction
from experiments import worker
from experiments.plan import Plan
from experiments.track import Record
from experiments.worker import Job, train_cell


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, dataset: Dataset) -> list[dict[str, Any]]:
    """What is told to Tune."""
    told: list[dict[str, Any]] = []
    monkeypatch.setattr("ray.tune.report", told.append)
    monkeypatch.setattr(worker, "open_dataset", lambda config, cache: dataset)
    return told


@pytest.fixture
def job(plan: Callable[..., Plan], record: Record, tmp_path: Path) -> Job:
    cells = {cell.id: cell for cell in plan("ablation=full").cells}
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    return Job(cells, {"code_digest": "c0de"}, uri, storage=tmp_path, cpus=1, gpu=False)


def trains(monkeypatch: pytest.MonkeyPatch, epochs: int, fault: Exception | None = None) -> list[bool]:
    """Replaces the training; the answer says of each one whether it found a checkpoint."""
    found: list[bool] = []

    def train(config: Any, dataset: Any, device: Any, checkpoint: Path, report: Any, workers: int) -> list[Prediction]:
        found.append(checkpoint.exists())
        for number in range(1, epochs + 1):
            report(EpochResult(number, {"test_top1": number / 10}))
            checkpoint.mkdir(parents=True, exist_ok=True)
        if fault:
            raise fault
        return [Prediction("0001", 1, 1)]

    monkeypatch.setattr(worker, "train", train)
    return found


def test_epochs_go_to_the_record_and_to_tune(
    job: Job, record: Record, told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    trains(monkeypatch, epochs=2)
    [cell] = job.cells
    train_cell({"cell": cell}, job)
    assert told == [{"epoch": 1, "top1": 0.1}, {"epoch": 2, "top1": 0.2}]
    run = record.finished()[cell]
    assert run.data.metrics == {"test_top1": 0.2, "top1": 1.0}
    assert run.data.tags["device"] == "cpu"


def test_what_a_user_can_mend_fails_the_cell_and_is_not_raised(
    job: Job, record: Record, told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    trains(monkeypatch, epochs=1, fault=DataError("clip 0001: damaged; restore it"))
    [cell] = job.cells
    train_cell({"cell": cell}, job)
    assert told[-1] == {"fault": "clip 0001: damaged; restore it"}
    [run] = record.client.search_runs(record.experiments)
    assert (run.info.status, run.data.tags["reason"]) == ("FAILED", "clip 0001: damaged; restore it")


def test_the_unforeseen_is_left_to_tune_which_tries_again(
    job: Job, told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    trains(monkeypatch, epochs=1, fault=MemoryError())
    with pytest.raises(MemoryError):
        train_cell({"cell": next(iter(job.cells))}, job)


def test_a_checkpoint_is_continued_only_where_the_record_has_its_epochs(
    job: Job, record: Record, told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    [cell] = job.cells
    (job.storage / "cells" / cell).mkdir(parents=True)
    found = trains(monkeypatch, epochs=1)
    train_cell({"cell": cell}, job)
    train_cell({"cell": cell}, job)
    assert found == [False, True]
    record.client.delete_run(record.finished()[cell].info.run_id)  # how one asks for a cell to be trained again
    train_cell({"cell": cell}, job)
    assert found == [False, True, False]
