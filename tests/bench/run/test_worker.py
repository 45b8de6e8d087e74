import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from d3d.analysis.attention_look import Look
from d3d.analysis.baselines import Classified
from d3d.attention_maps import NUMBERS, read_maps, read_numbers
from d3d.bench.lease import leased
from d3d.bench.plan.planning import Plan
from d3d.bench.record.provenance import Code, kind_of
from d3d.bench.record.run_files import read_bytes, read_file
from d3d.bench.record.tracking import Record
from d3d.bench.run import worker
from d3d.bench.run.worker import Job, Proposal, run_cell
from d3d.config import BaselineConfig
from d3d.data.clip import Clip, Dataset, View
from d3d.errors import DataError
from d3d.prediction import Prediction
from d3d.training.checkpoint import FILE, TrainedPart
from d3d.training.evaluation import Evaluation
from d3d.training.loop import EpochResult
from d3d.worst_clips import read_pictures
from tests.bench.conftest import finished_in, save_weights
from tests.report.maps import maps


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, dataset: Dataset) -> list[dict[str, Any]]:
    """The results that were reported to Tune."""
    told: list[dict[str, Any]] = []
    monkeypatch.setattr("ray.tune.report", told.append)
    monkeypatch.setattr(worker, "open_dataset", lambda config, cache: dataset)
    return told


@pytest.fixture
def job(plan: Callable[..., Plan], record: Record, tmp_path: Path) -> Job:
    return job_of(plan("ablation=full"))


def job_of(plan: Plan) -> Job:
    cells = {cell.id: cell for cell in plan.cells}
    launch = plan.launch
    tags = {id: {"code_digest": "c0de"} for id in cells}
    return Job(cells, tags, launch.tracking_uri, launch.storage, 1, gpu=False, test_every=1)


def trains(monkeypatch: pytest.MonkeyPatch, epochs: int, fault: Exception | None = None) -> list[bool]:
    """Replaces the training; the list that is returned says of each one whether it found a checkpoint."""
    found: list[bool] = []

    def train(
        config: Any, dataset: Any, device: Any, checkpoint: Path, report: Any, *others: Any, **named: Any
    ) -> list[Prediction]:
        found.append((checkpoint / FILE).exists())
        for number in range(1, epochs + 1):
            report(EpochResult(number, {"train_loss": 0.5, "eval_top1": number / 10}))
            save_weights(checkpoint, config, number)
        if fault:
            raise fault
        return [Prediction("0001", 1, 1)]

    monkeypatch.setattr("d3d.training.loop.train", train)
    return found


def test_epochs_go_to_the_record_and_to_tune(
    job: Job, record: Record, told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    trains(monkeypatch, epochs=2)
    [cell] = job.cells
    run_cell({"cell": cell}, job)
    assert told == [{"epoch": 1, "top1": 0.1}, {"epoch": 2, "top1": 0.2}]
    run = finished_in(record)[cell]
    results = {"train_loss": 0.5, "eval_top1": 0.2, "top1": 1.0, "mean_class_accuracy": 1.0}
    assert run.data.metrics.items() > results.items()
    assert run.data.metrics["parameters"] > 1000 and run.data.metrics["gmacs"] > 0
    assert run.data.tags["modality"] == "R+P"
    assert run.data.tags["device"] == "cpu"
    assert run.data.tags["environment.threads"] == "1"


def test_what_a_user_can_mend_fails_the_cell_and_is_not_raised(
    job: Job, record: Record, told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    trains(monkeypatch, epochs=1, fault=DataError("clip 0001: damaged; restore it"))
    [cell] = job.cells
    run_cell({"cell": cell}, job)
    assert told[-1] == {"fault": {"kind": "data", "text": "clip 0001: damaged; restore it"}}
    [run] = record.client.search_runs(record.experiments)
    assert (run.info.status, run.data.tags["reason"]) == ("FAILED", "clip 0001: damaged; restore it")
    assert run.data.tags["failure"] == "data"


def test_the_unforeseen_is_left_to_tune_which_tries_again(
    job: Job, told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    trains(monkeypatch, epochs=1, fault=ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        run_cell({"cell": next(iter(job.cells))}, job)


def test_a_checkpoint_is_continued_only_where_the_record_has_its_epochs(
    job: Job, record: Record, told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    [cell] = job.cells.values()
    save_weights(job.folder(cell), cell.config, 1)
    found = trains(monkeypatch, epochs=1, fault=DataError("a clip"))
    run_cell({"cell": cell.id}, job)
    run_cell({"cell": cell.id}, job)
    assert found == [False, True]
    record.client.delete_run(record.begin(cell, {"code_digest": "c0de"}).id)  # how a user asks for another training
    run_cell({"cell": cell.id}, job)
    assert found == [False, True, False]


def test_a_finished_training_without_weights_is_trained_again_and_its_run_stays_as_it_is(
    job: Job, record: Record, told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = trains(monkeypatch, epochs=1)
    [cell] = job.cells.values()
    run_cell({"cell": cell.id}, job)
    before = finished_in(record)[cell.id].to_dictionary()
    run_cell({"cell": cell.id}, job)
    assert len(trained) == 1, "the weights are there"
    assert told[-1] == {"top1": 1.0}
    shutil.rmtree(job.folder(cell))
    trains(monkeypatch, epochs=0, fault=DataError("a clip"))
    run_cell({"cell": cell.id}, job)
    assert told[-1] == {"fault": {"kind": "data", "text": "a clip"}}
    assert finished_in(record)[cell.id].to_dictionary() == before
    trains(monkeypatch, epochs=1)
    run_cell({"cell": cell.id}, job)
    assert (job.folder(cell) / FILE).exists()
    assert finished_in(record)[cell.id].to_dictionary() == before
    assert len(record.client.search_runs(record.experiments)) == 1


def test_a_test_takes_the_weights_of_its_training_and_pictures_the_clips_that_it_has_wrong(
    plan: Callable[..., Plan],
    dataset: Dataset,
    record: Record,
    told: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = job_of(plan("ablation=full", "evaluation.joint_noise=0.1"))
    training, test = job.cells.values()
    asked: list[Any] = []

    def black(clip: Clip, indices: NDArray[np.int64], view: View) -> NDArray[np.uint8]:
        return np.zeros((len(indices), view.rows, view.columns, 3), np.uint8)

    readable = replace(dataset, read_frames=black)
    monkeypatch.setattr(worker, "open_dataset", lambda config, cache: readable)

    def evaluate_trained(config: Any, trained: Any, dataset: Any, device: Any, checkpoint: Any, workers: int) -> Any:
        asked.extend((config, trained, checkpoint))
        return Evaluation(0.5, (Prediction("0001", 1, 1), Prediction("False", 1, 0)))

    monkeypatch.setattr("d3d.training.evaluation.evaluate_trained", evaluate_trained)
    run_cell({"cell": test.id}, job)
    assert asked == [test.config, training.config, job.folder(training)]
    assert told == [{"top1": 0.5}]
    run = finished_in(record)[test.id]
    assert run.data.metrics == {"top1": 0.5, "mean_class_accuracy": 0.5}
    assert list(read_pictures(read_bytes(run, record.uri, "worst_clips.jpg"))) == ["False"]


def test_a_look_at_attention_keeps_its_numbers_and_maps(
    plan: Callable[..., Plan], record: Record, told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(plan("ablation=attention"))
    training, cell = job.cells.values()
    asked: list[Any] = []

    def look(model: Any, dataset: Any, config: Any, device: Any, workers: int) -> Look:
        asked.append(config)
        return Look((Prediction("0001", 1, 1),), {"0001": dict.fromkeys(NUMBERS, 0.5)}, maps())

    monkeypatch.setattr("d3d.analysis.attention_look.look", look)
    monkeypatch.setattr("d3d.training.checkpoint.load_trained", lambda folder, own, model: asked.extend((own, folder)))
    run_cell({"cell": cell.id}, job)
    assert asked == [training.config, job.folder(training), cell.config]
    assert told == [{"top1": 1.0}]
    run = finished_in(record)[cell.id]
    assert run.data.tags.items() >= {"attention": "true", "trained": training.id}.items()
    assert kind_of(run.data.tags) == "attention"
    assert read_numbers(read_file(run, record.uri, "attention.csv"))["0001"]["joints"] == 0.5
    assert read_maps(read_bytes(run, record.uri, "attention_maps.npz")).names.tolist() == ["head", "wrist", "ankle"]
    assert "action 1,action 1" in read_file(run, record.uri, "predictions.csv")


def test_a_test_without_weights_fails_and_says_the_way_out(
    plan: Callable[..., Plan], record: Record, told: list[dict[str, Any]]
) -> None:
    job = job_of(plan("ablation=full", "evaluation.joint_noise=0.1"))
    training, test = job.cells.values()
    run_cell({"cell": test.id}, job)
    assert training.id in told[-1]["fault"]["text"]
    [run] = record.client.search_runs(record.experiments)
    assert (run.info.status, run.data.tags["reason"]) == ("FAILED", told[-1]["fault"]["text"])


def test_a_baseline_is_recorded_with_what_was_chosen(
    plan: Callable[..., Plan], record: Record, told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fitted(baseline: BaselineConfig, frames: int, dataset: Dataset) -> Classified:
        return Classified((Prediction("0001", 1, 1), Prediction("0002", 1, 0)), 0.75, {"alpha": 10.0})

    monkeypatch.setattr("d3d.analysis.baselines.classify", fitted)
    job = replace(job_of(plan("ablation=baselines")), gpu=True)
    cell = next(iter(job.cells))
    run_cell({"cell": cell}, job)
    run = finished_in(record)[cell]
    scores = {"top1": 0.5, "mean_class_accuracy": 0.5, "validation_top1": 0.75}
    assert run.data.metrics == scores | {"alpha": 10.0}
    assert run.data.tags.items() >= {"baseline": "ridge", "device": "cpu"}.items()
    assert told == [{"top1": 0.5}]


def test_a_measurement_is_recorded(plan: Callable[..., Plan], record: Record, told: list[dict[str, Any]]) -> None:
    job = job_of(plan("ablation=complexity"))
    cell = next(iter(job.cells))
    run_cell({"cell": cell}, job)
    metrics = finished_in(record)[cell].data.metrics
    assert metrics["score_pairs"] == 32_400
    assert told == [{"seconds": metrics["seconds"]}]


def test_damaged_weights_of_a_finished_training_are_mended_from_the_epoch_before(
    job: Job, record: Record, told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    [cell] = job.cells.values()
    two = replace(cell, config=replace(cell.config, training=replace(cell.config.training, epochs=2)))
    job = replace(job, cells={cell.id: two})
    trains(monkeypatch, epochs=2)
    run_cell({"cell": cell.id}, job)
    before = finished_in(record)[cell.id]
    (job.folder(cell) / FILE).write_bytes(b"damaged")

    def train(*arguments: Any, **named: Any) -> list[Prediction]:
        notice = arguments[-1]
        notice("checkpoint.safetensors: damaged; the one before it is used")
        return [Prediction("0001", 1, 1)]

    monkeypatch.setattr("d3d.training.loop.train", train)
    run_cell({"cell": cell.id}, job)
    after = finished_in(record)[cell.id]
    assert told[-1] == {"notice": "checkpoint.safetensors: damaged; the one before it is used"}
    assert after.to_dictionary() == before.to_dictionary(), "its run stays as it is"
    assert (after.info.run_id, after.info.end_time) == (before.info.run_id, before.info.end_time)
    assert [metric.step for metric in record.client.get_metric_history(after.info.run_id, "top1")] == [0]


def test_a_cell_that_another_worker_has_finished_meanwhile_is_not_run_again(
    job: Job, record: Record, told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = trains(monkeypatch, epochs=1)
    [cell] = job.cells.values()
    waits = threading.Thread(target=run_cell, args=({"cell": cell.id}, job))
    with leased(job.folder(cell)):
        waits.start()
        waits.join(0.2)
        assert (found, told, waits.is_alive()) == ([], [], True), "it waits for the lease"
        save_weights(job.folder(cell), cell.config, cell.epochs)
        record.begin(cell, {"code_digest": "c0de"}).finish([Prediction("0001", 1, 1)])
    waits.join(60)
    assert not waits.is_alive()
    assert (found, told) == ([], [{"top1": 1.0}])
    assert len(record.client.search_runs(record.experiments)) == 1


def test_a_lease_that_stands_still_in_this_launch_is_not_waited_for(
    job: Job, record: Record, told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    trains(monkeypatch, epochs=1)
    [cell] = job.cells.values()
    with leased(job.folder(cell)):  # by a trial that was pruned
        run_cell({"cell": cell.id, "proposal": Proposal(cell, {"code_digest": "c0de"}, idle=True)}, job)
    assert told == [{"epoch": 1, "top1": 0.1}]


CURRENT = Code("c0de", frozenset({"c0de", "same"}))


def made_by(job: Job, digest: str) -> Job:
    """The job of a launch with stale=rerun under some code."""
    tags = {id: {"code_digest": digest} for id in job.cells}
    equivalent = CURRENT.equivalent if digest in CURRENT.equivalent else frozenset({digest})
    return replace(job, tags=tags, continued={"training of d3d": Code(digest, equivalent)})


def statuses(record: Record) -> list[tuple[str, str]]:
    """The code and the status of the runs, oldest first."""
    runs = record.client.search_runs(record.experiments, order_by=["attributes.start_time ASC"])
    return [(run.data.tags["code_digest"], run.info.status) for run in runs]


def test_a_training_of_other_code_is_begun_anew_once_and_then_continued(
    job: Job, record: Record, told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    [cell] = job.cells
    found = trains(monkeypatch, epochs=1)
    run_cell({"cell": cell}, made_by(job, "0ld"))
    new = made_by(job, "c0de")
    trains(monkeypatch, epochs=0, fault=DataError("it is killed before its first epoch"))
    run_cell({"cell": cell}, new)
    found = trains(monkeypatch, epochs=1, fault=DataError("it is killed after its first epoch"))
    run_cell({"cell": cell}, new)
    run_cell({"cell": cell}, new)
    assert found == [False, True], "the old weights are gone, the new ones are continued"
    assert statuses(record) == [("0ld", "FINISHED"), ("c0de", "FAILED")]
    trains(monkeypatch, epochs=1)
    run_cell({"cell": cell}, new)
    told.clear()
    run_cell({"cell": cell}, new)
    assert told == [{"top1": 1.0}], "it is finished"
    assert statuses(record) == [("0ld", "FINISHED"), ("c0de", "FINISHED")]


def test_an_old_checkpoint_is_not_taken_up_where_the_worker_was_killed_before_it_could_discard_it(
    job: Job, record: Record, told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    [cell] = job.cells.values()
    save_weights(job.folder(cell), cell.config, cell.epochs)
    record.begin(cell, {"code_digest": "0ld"}).finish([Prediction("0001", 1, 1)])
    record.begin(cell, {"code_digest": "c0de"}, code=CURRENT)
    found = trains(monkeypatch, epochs=1)
    run_cell({"cell": cell.id}, made_by(job, "c0de"))
    assert found == [False]


def test_an_unfinished_training_of_other_code_is_begun_anew_too_and_of_equivalent_code_continued(
    job: Job, record: Record, told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    [cell] = job.cells
    found = trains(monkeypatch, epochs=1, fault=DataError("a clip"))
    for digest in ("0ld", "c0de", "same"):
        run_cell({"cell": cell}, made_by(job, digest))
    assert found == [False, False, True]
    assert statuses(record) == [("0ld", "FAILED"), ("c0de+same", "FAILED")]


def test_a_pretraining_is_recorded_with_its_pictures_and_a_training_takes_its_weights(
    plan: Callable[..., Plan], record: Record, told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(plan("ablation=full", "model=vit"))
    masked, expert = job.cells.values()

    def pretrain(config: Any, dataset: Any, device: Any, checkpoint: Path, report: Any, *others: Any) -> Any:
        report(EpochResult(1, {"train_loss": 0.5}))
        save_weights(checkpoint, config, 1)
        return 0.25, torch.zeros(1, 3, 3, 2, 16, 16)

    monkeypatch.setattr("d3d.training.pretraining.pretrain", pretrain)
    run_cell({"cell": masked.id}, job)
    run = finished_in(record)[masked.id]
    assert run.data.metrics["reconstruction_loss"] == 0.25 and "top1" not in run.data.metrics
    [picture] = job.storage.rglob("reconstructions.png")
    assert picture.read_bytes().startswith(b"\x89PNG")
    run_cell({"cell": masked.id}, job)
    assert told[-1] == {"reconstruction_loss": 0.25}, "it is not trained twice"

    found: list[TrainedPart] = []

    def train(config: Any, *others: Any, starts: Any) -> list[Prediction]:
        found.extend(starts)
        return [Prediction("0001", 1, 1)]

    monkeypatch.setattr("d3d.training.loop.train", train)
    run_cell({"cell": expert.id}, job)
    assert found == [TrainedPart("expert", job.folder(masked), masked.config)]
    assert finished_in(record)[expert.id].data.metrics["frozen_parameters"] == 0
