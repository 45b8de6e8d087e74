import csv
import multiprocessing
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from d3d.analysis.complexity import Complexity
from d3d.bench.plan.cell import Cell
from d3d.bench.plan.planning import Plan
from d3d.bench.record.run_files import files_of, read_file
from d3d.bench.record.schema import EXPERIMENT, File
from d3d.bench.record.tracking import Record, finished_cells, prepare, timed_cells
from d3d.bench.run.failures import Failure
from d3d.prediction import PartPrediction, Prediction
from d3d.training.loop import EpochResult
from tests.bench.conftest import finished_in

TAGS = {"preset": "smoke", "data": "synthetic, files", "code_digest": "c0de", "ablation.full": "true"}
PREDICTIONS = [Prediction("0001", 3, 3, "0001"), Prediction("0002", 4, 3, "0001")]


@pytest.fixture
def cell(plan: Callable[..., Plan]) -> Cell:
    return plan("ablation=full").cells[0]


def runs(record: Record, filter: str = "tags.kind = 'cell'") -> list[Run]:
    return list(record.client.search_runs(record.experiments, filter))


def steps(record: Record, run: Run) -> list[int]:
    return [metric.step for metric in record.client.get_metric_history(run.info.run_id, "eval_top1")]


def epoch(number: int) -> EpochResult:
    return EpochResult(number, {"train_loss": 1 / number, "eval_top1": number / 100})


def test_a_finished_cell_leaves_all_that_tables_need(record: Record, cell: Cell) -> None:
    run = record.begin(cell, TAGS)
    run.log_epoch(epoch(1))
    run.finish(PREDICTIONS)
    [found] = runs(record)
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "full: full model, seed 0"
    assert found.data.tags.items() >= {**TAGS, "cell": cell.id, "seed": "0", "data_digest": "da7a"}.items()
    assert found.data.params["model.temporal_stride"] == "3", "resolved"
    assert found.data.params["training.epochs"] == "1"
    assert found.data.metrics.items() >= {"train_loss": 1.0, "eval_top1": 0.01, "top1": 0.5}.items()
    written = read_file(found, record.uri, File.PREDICTIONS)
    assert written == "clip,label,predicted,take\n0001,3,3,0001\n0002,4,3,0001\n"
    assert finished_in(record).keys() == {cell.id}


def test_a_finished_cell_has_a_top1_for_each_part_of_the_labels(record: Record, cell: Cell) -> None:
    parts = [(PartPrediction("verb", 1, predicted),) for predicted in (1, 0)]
    predictions = [replace(each, parts=of_clip) for each, of_clip in zip(PREDICTIONS, parts, strict=True)]
    record.begin(cell, TAGS).finish(predictions)
    metrics = runs(record)[0].data.metrics
    assert metrics["verb_top1"] == 0.5 and "noun_top1" not in metrics


def test_a_clip_may_have_a_comma_in_its_name(record: Record, cell: Cell) -> None:
    run = record.begin(cell, TAGS)
    run.finish([Prediction('a, "b"', 3, 4)])
    written = read_file(runs(record)[0], record.uri, File.PREDICTIONS)
    assert list(csv.reader(written.splitlines())) == [["clip", "label", "predicted", "take"], ['a, "b"', "3", "4", ""]]


def test_a_continued_cell_has_neither_gap_nor_duplicate(record: Record, cell: Cell) -> None:
    first = record.begin(cell, TAGS)
    assert first.new
    for number in (1, 2, 3):
        first.log_epoch(epoch(number))
    record.end([cell.id], {})
    assert [run.info.status for run in runs(record)] == ["KILLED"]

    second = record.begin(cell, {**TAGS, "ablation.stride_grid": "true"})
    assert not second.new
    assert [run.info.status for run in runs(record)] == ["RUNNING"]
    for number in (3, 4):  # killed between the report of epoch 3 and its checkpoint
        second.log_epoch(epoch(number))
    second.finish(PREDICTIONS)
    [run] = runs(record)
    assert steps(record, run) == [1, 2, 3, 4]
    assert run.data.tags.items() >= {"ablation.full": "true", "ablation.stride_grid": "true"}.items()
    assert run.data.tags["code_digest"] == "c0de"


def test_a_cell_that_two_versions_of_the_code_trained_says_so(record: Record, cell: Cell) -> None:
    record.begin(cell, TAGS)
    record.begin(cell, {**TAGS, "code_digest": "new"}).log_epoch(epoch(1))
    assert runs(record)[0].data.tags["code_digest"] == "new", "the old code finished no epoch"
    record.begin(cell, {**TAGS, "code_digest": "newer"})
    record.begin(cell, {**TAGS, "code_digest": "newer"})
    assert runs(record)[0].data.tags["code_digest"] == "new+newer"


def test_a_cell_that_was_continued_elsewhere_names_both_environments(record: Record, cell: Cell) -> None:
    here = {**TAGS, "environment.torch": "2.10.0+cpu", "environment.processor": "Xeon"}
    there = {**TAGS, "environment.torch": "2.10.0+cpu", "environment.processor": "EPYC", "environment.threads": "2"}
    record.begin(cell, here)
    record.begin(cell, there).log_epoch(epoch(1))
    assert runs(record)[0].data.tags["environment.processor"] == "EPYC", "the other finished no epoch"
    for tags in (here, there):
        record.begin(cell, tags)
    tags = runs(record)[0].data.tags
    assert tags["environment.processor"] == "EPYC + Xeon"
    assert tags["environment.torch"] == "2.10.0+cpu"
    assert tags["environment.threads"] == "2"


def test_a_failed_cell_says_why_until_it_is_tried_again(record: Record, cell: Cell) -> None:
    record.begin(cell, TAGS)
    traceback = "Traceback (most recent call last):\n  ...\nOSError: no disk\n"
    record.end([cell.id], {cell.id: Failure("unforeseen", traceback)})
    [run] = runs(record)
    assert (run.info.status, run.data.tags["reason"]) == ("FAILED", "OSError: no disk")
    assert run.data.tags["failure"] == "unforeseen"
    assert read_file(run, record.uri, File.ERROR).startswith("Traceback")
    record.begin(cell, TAGS).finish(PREDICTIONS)
    [run] = runs(record)
    assert run.info.status == "FINISHED"
    assert not {"reason", "failure"} & run.data.tags.keys()


def test_runs_say_the_split_they_are_of(record: Record, plan: Callable[..., Plan]) -> None:
    """A resumed one too, which may be older than the tag."""
    planned = plan("ablation=full", "data.split=validation")
    with record.reports(planned):
        record.begin(planned.cells[0], TAGS)
    for kind in ("cell", "report"):
        [run] = runs(record, f"tags.kind = '{kind}'")
        assert run.data.tags["split"] == "validation"
        record.client.delete_tag(run.info.run_id, "split")
    with record.reports(planned):
        record.begin(planned.cells[0], TAGS)
    assert {run.data.tags["split"] for run in runs(record, "attributes.status != 'FAILED'")} == {"validation"}
    [report] = runs(record, "tags.kind = 'report'")
    assert report.data.tags["data"] == "synthetic, files, validation split"


def test_runs_are_grouped_by_the_row_that_first_asked_for_them(record: Record, plan: Callable[..., Plan]) -> None:
    """Whatever their seeds; the runs of older records, which do not say it, once a launch asks for them."""
    seeds = plan("ablation=full", "seeds=2").cells
    others = plan("ablation=complexity").cells[0], plan("ablation=baselines").cells[0]  # which have no seed
    for cell in (*seeds, *others):
        record.begin(cell, TAGS).finish(PREDICTIONS)
    found = {run.data.tags["cell"]: run for run in runs(record)}
    assert {id: run.data.tags["row"] for id, run in found.items()} == {
        **{cell.id: "full: full model" for cell in seeds},
        **{cell.id: cell.label for cell in others},
    }
    record.client.delete_tag(found[seeds[0].id].info.run_id, "row")
    record.tag_finished(plan("ablation=modules", "seeds=2"), finished_in(record))
    rows = {run.data.tags["cell"]: run.data.tags["row"] for run in runs(record)}
    assert rows[seeds[0].id] == "modules: full"
    assert rows[seeds[1].id] == "full: full model"


def test_a_curve_has_the_epochs_that_were_recorded_under_the_metrics_former_name(record: Record, cell: Cell) -> None:
    run = record.begin(cell, TAGS)
    run.log_epoch(EpochResult(1, {"train_loss": 1.0, "test_top1": 0.25}))
    run.log_epoch(EpochResult(2, {"train_loss": 0.5, "eval_top1": 0.5}))
    assert record.curve(runs(record)[0]) == [(1, 0.25), (2, 0.5)]


def test_only_runs_of_the_launch_are_ended(record: Record, plan: Callable[..., Plan]) -> None:
    mine, other, done = plan("ablation=full", "seeds=3").cells
    record.begin(done, TAGS).finish(PREDICTIONS)
    record.begin(mine, TAGS)
    record.begin(other, TAGS)
    record.end([mine.id, done.id], {})
    assert {run.data.tags["cell"]: run.info.status for run in runs(record)} == {
        mine.id: "KILLED",
        other.id: "RUNNING",
        done.id: "FINISHED",
    }


def test_a_finished_cell_is_tagged_with_each_ablation_it_serves(record: Record, plan: Callable[..., Plan]) -> None:
    done, waiting = plan("ablation=full", "seeds=2").cells
    record.begin(done, TAGS).finish(PREDICTIONS)
    record.begin(waiting, TAGS)
    record.tag_finished(plan("ablation=all", "seeds=2"), finished_in(record))
    tags = {run.data.tags["cell"]: run.data.tags for run in runs(record)}
    assert tags[done.id].items() >= {"ablation.stride_grid": "true", "ablation.joint_noise": "true"}.items()
    assert "ablation.stride_grid" not in tags[waiting.id]


def test_a_test_names_its_training_and_whatever_code_made_its_weights(
    record: Record, plan: Callable[..., Plan]
) -> None:
    training, test, *_ = plan("ablation=joint_noise").cells
    record.begin(training, {**TAGS, "environment.processor": "Xeon"}).finish(PREDICTIONS)
    now = {**TAGS, "code_digest": "new", "environment.processor": "EPYC"}
    record.begin(test, now)
    record.begin(test, now).finish(PREDICTIONS)  # it was killed before
    [run] = runs(record, "tags.trained != ''")
    assert run.data.tags.items() >= {"cell": test.id, "trained": training.id, "code_digest": "c0de+new"}.items()
    assert run.data.tags["environment.processor"] == "Xeon + EPYC"
    assert finished_in(record).keys() == {training.id, test.id}


def test_a_measurement_leaves_its_numbers(record: Record, plan: Callable[..., Plan]) -> None:
    cell = plan("ablation=complexity").cells[0]
    measured = Complexity(score_pairs=32_400, printed=24_336, flops=3_240_000, seconds=0.5, memory_mib=0.25)
    record.begin(cell, TAGS).end(asdict(measured))
    [run] = runs(record)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == asdict(measured)
    assert run.data.tags.items() >= {"measurement": "joint", "data_digest": ""}.items()
    assert run.data.params["measurement.joints"] == "13"


def test_a_finished_cell_that_is_begun_again_stays_as_it_is(record: Record, cell: Cell) -> None:
    """Its training runs again where its weights are gone, may find a damaged checkpoint, and may fail."""
    first = record.begin(cell, TAGS)
    first.log_epoch(epoch(1))
    first.finish(PREDICTIONS)
    before = runs(record)[0].to_dictionary()
    again = record.begin(cell, {**TAGS, "code_digest": "new"})
    assert again.finished
    again.log_epoch(epoch(2))
    again.note("damaged", "a checkpoint")
    again.fail(Failure("data", "a clip"))
    record.end([cell.id], {cell.id: Failure("worker", "it died")})
    [run] = runs(record)
    assert run.to_dictionary() == before


def test_a_plan_learns_of_its_own_cells_and_how_long_their_like_takes(
    record: Record, plan: Callable[..., Plan]
) -> None:
    asked = plan("ablation=full", "seeds=2")
    own, waiting = asked.cells
    other, elsewhere, cut = plan("ablation=depth", "seeds=[5,6,7]").cells[:3]
    for cell, tags in ((own, TAGS), (other, TAGS), (elsewhere, {**TAGS, "preset": "quick"})):
        record.begin(cell, tags).finish(PREDICTIONS)
    record.begin(waiting, TAGS)
    record.begin(cut, TAGS)
    assert finished_cells(asked).keys() == {own.id}
    assert timed_cells(asked).keys() == {other.id}


def test_a_launch_has_one_report_for_each_ablation_however_often_it_is_run(
    record: Record, plan: Callable[..., Plan]
) -> None:
    launch = plan("ablation=full")
    with pytest.raises(KeyboardInterrupt), record.reports(launch):
        raise KeyboardInterrupt
    [run] = runs(record, "tags.kind = 'report'")
    assert run.info.status == "KILLED"
    everything = plan("ablation=all")
    with record.reports(everything):
        assert len(runs(record, "attributes.status = 'RUNNING'")) == len(everything.reports)
    found = {run.data.tags["ablation"]: run for run in runs(record, "tags.kind = 'report'")}
    assert len(found) == len(everything.reports)
    assert all(each.info.status == "FINISHED" for each in found.values())
    again = found["full"]
    assert again.info.run_id == run.info.run_id
    assert again.data.tags.items() >= {"launch": launch.reports[0].id, "data_digest": "da7a"}.items()
    assert [artefact.path for artefact in files_of(again, record.uri).list_artifacts()] == ["plan.json"]


def test_each_report_keeps_its_own_tables(record: Record, plan: Callable[..., Plan], tmp_path: Path) -> None:
    everything = plan("ablation=all")
    paths = [tmp_path / name for name in ("tableA1.csv", "tableA2.csv", "depth.md")]
    for path in paths:
        path.touch()
    with record.reports(everything):
        pass
    paths[2].write_text("# How many blocks\n")
    files = {path.stem: [path] for path in paths}
    record.log_tables(everything, files, {"table4": {"holds": 2, "not tested": 1}, "figure7a": {"fails": 3}})
    for run in runs(record, "tags.kind = 'report'"):
        kept = [each.path for each in files_of(run, record.uri).list_artifacts("tables")]
        expected = {"complexity": ["tables/tableA1.csv", "tables/tableA2.csv"], "depth": ["tables/depth.md"]}
        ablation = run.data.tags["ablation"]
        assert kept == expected.get(ablation, [])
        assert run.data.tags.get("mlflow.note.content") == ("# How many blocks\n" if ablation == "depth" else None)
        numbers = {"modules": [2, 0, 0, 1], "stride_grid": [0, 3, 0, 0]}
        keys = [f"claims.{verdict}" for verdict in ("holds", "fails", "inconclusive", "not_tested")]
        if ablation in numbers:
            assert [run.data.metrics[key] for key in keys] == numbers[ablation]
        if ablation == "full":
            assert not run.data.metrics, "it has no claims"


def test_what_a_killed_launch_left_running_is_ended_by_the_next(
    record: Record, plan: Callable[..., Plan], tmp_path: Path
) -> None:
    done, cut = plan("ablation=full", "seeds=2").cells
    record.begin(done, TAGS).finish(PREDICTIONS)
    record.begin(cut, TAGS)
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    prepare(uri, tmp_path / "elsewhere")
    assert len(runs(record, "attributes.status = 'RUNNING'")) == 1, "a launch with another storage folder may run it"
    prepare(uri, tmp_path)
    assert {run.data.tags["cell"]: run.info.status for run in runs(record)} == {done.id: "FINISHED", cut.id: "KILLED"}


def test_the_page_opens_for_model_training_and_artefacts_stay_beside_the_database(
    plan: Callable[..., Plan], tmp_path: Path
) -> None:
    uri = f"sqlite:///{tmp_path / 'new' / 'mlflow.db'}"
    launch = plan("ablation=full", f"tracking.uri='{uri}'")
    assert finished_cells(launch) == timed_cells(launch) == {}
    assert not list(tmp_path.iterdir()), "asking makes nothing"
    prepare(uri, tmp_path)
    experiment = MlflowClient(uri).get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    assert experiment.artifact_location == "mlflow-artifacts:/", "wherever the database lies"
    assert finished_cells(launch) == timed_cells(launch) == {}
    assert prepare(uri, tmp_path / "elsewhere").experiments == [experiment.experiment_id]


def test_an_interrupted_making_leaves_no_half_of_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(uri: str) -> None:
        with closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as database:
            database.execute("create table half (x)")
        raise KeyboardInterrupt

    monkeypatch.setattr("d3d.bench.record.tracking.MlflowClient", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path)
    assert not list(tmp_path.iterdir())


def log_many(uri: str, id: str, row: str, cell: Cell) -> None:
    cell = Cell(id, row, cell.config, cell.data_digest, cell.kind_name)
    run = Record(uri).begin(cell, TAGS)
    for number in range(1, 13):
        run.log_epoch(epoch(number))
    run.finish(PREDICTIONS)


def test_workers_that_write_at_once_lose_nothing(record: Record, cell: Cell, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=log_many, args=(uri, f"cell{i}", f"worker {i}", cell)) for i in range(2)]
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers):
        finished_in(record)  # the launch and the MLflow page read meanwhile
        workers[0].join(0.1)
    assert [worker.exitcode for worker in workers] == [0, 0]
    finished = finished_in(record)
    assert finished.keys() == {"cell0", "cell1"}
    assert all(steps(record, run) == list(range(1, 13)) for run in finished.values())
