"""A launch that dies between any two writes to its record, and is run again, leaves what an undisturbed one leaves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from d3d.bench.plan.planning import Plan
from d3d.bench.record.access import at_the_end
from d3d.bench.record.run_files import files_of, read_file
from d3d.bench.record.tracking import Record, finished_cells, prepare
from d3d.bench.run.failures import Failure
from d3d.prediction import Prediction
from d3d.training.loop import EpochResult

TAGS = {"preset": "smoke", "data": "synthetic, files", "code_digest": "c0de", "environment.torch": "2.10.0"}
PREDICTIONS = [Prediction("0001", 3, 3, "0001", (0.25, 0.75)), Prediction("0002", 4, 3, "0001", (0.5, 0.5))]
WRITES = ("create_run", "log_batch", "set_tag", "delete_tag", "update_run", "set_terminated")  # of MLflow's client
MOST = 60  # more writes than the launch below makes


class DeadError(BaseException):
    """The process is dead: nothing of it catches this."""


@pytest.fixture
def planned(plan: Callable[..., Plan]) -> Plan:
    return plan("ablation=full")


def carry_out(plan: Plan, table: Path) -> None:
    """What a launch and its workers write: the training fails at first, and is tried again."""
    record = prepare(plan.launch.tracking_uri, plan.launch.storage)
    with record.reports(plan):
        finished = finished_cells(plan)
        record.tag_finished(plan, finished)
        todo = [cell.id for cell in plan.cells if cell.id not in finished]
        with at_the_end(lambda: record.end(todo, {})):
            for cell in plan.cells:
                for attempt in range(2):
                    run = record.begin(cell, TAGS | plan.tags_of(cell.id))
                    run.log_epoch(EpochResult(1 + attempt, {"train_loss": 0.5, "eval_top1": 0.25}))
                    if not attempt:
                        run.fail(Failure("data", "clip 0001: damaged"))
                    elif not run.finished:
                        run.finish(PREDICTIONS, {"gmacs": 0.5})
    record.log_plans(plan)
    record.log_tables(plan, {table.stem: [table]}, {})


def content(record: Record) -> list[Any]:
    """All that the runs of a record hold but times and ids, in a fixed order."""
    found = []
    for run in record.client.search_runs(record.experiments):
        id, files = run.info.run_id, files_of(run, record.uri).list_artifacts()
        texts = {file.path: read_file(run, record.uri, file.path) for file in files if not file.is_dir}
        histories = {
            key: [(each.step, each.value) for each in record.client.get_metric_history(id, key)]
            for key in run.data.metrics
        }
        tags = {key: value for key, value in run.data.tags.items() if not key.startswith("mlflow.")}
        found.append((run.info.run_name, run.info.status, tags, run.data.params, histories, texts))
    return sorted(found, key=str)


def clear(record: Record) -> None:
    """Removes all runs: making another record takes longer than all that is written to it."""
    for run in record.client.search_runs(record.experiments):
        record.client.delete_run(run.info.run_id)


def dies_after(monkeypatch: pytest.MonkeyPatch, writes: int) -> Callable[[], int]:
    """Lets so many writes succeed and no other; returns a function that tells how many succeeded."""
    done = 0

    def dying(write: Callable[..., Any]) -> Callable[..., Any]:
        def written(*arguments: Any, **named: Any) -> Any:
            nonlocal done
            if done == writes:
                raise DeadError
            result = write(*arguments, **named)
            done += 1
            return result

        return written

    for name in WRITES:
        monkeypatch.setattr(MlflowClient, name, dying(getattr(MlflowClient, name)))
    monkeypatch.setattr(LocalArtifactRepository, "log_artifact", dying(LocalArtifactRepository.log_artifact))
    return lambda: done


def test_whichever_write_was_the_last_the_same_command_completes_the_record(
    record: Record, planned: Plan, tmp_path: Path
) -> None:
    table = tmp_path / "full.csv"
    table.touch()
    carry_out(planned, table)
    undisturbed = content(record)
    assert [status for _, status, *_ in undisturbed] == ["FINISHED"] * 2
    for writes in range(MOST):
        clear(record)
        with pytest.MonkeyPatch.context() as patch:
            done = dies_after(patch, writes)
            try:
                carry_out(planned, table)
            except DeadError:
                pass
            else:
                assert done() == writes, "the last write was reached"
                break
        carry_out(planned, table)
        assert content(record) == undisturbed, f"died after write {writes}"
    assert 15 < writes < MOST - 1


def test_a_run_whose_answer_was_lost_is_created_twice_and_only_one_of_them_is_used(
    record: Record, planned: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "full.csv"
    table.touch()
    carry_out(planned, table)
    undisturbed = content(record)
    clear(record)
    create = MlflowClient.create_run

    def twice(self: MlflowClient, *arguments: Any, **named: Any) -> Any:
        now = 1_000 + len(self.search_runs(record.experiments))
        create(self, *arguments, **named | {"start_time": now})
        return create(self, *arguments, **named | {"start_time": now})

    monkeypatch.setattr(MlflowClient, "create_run", twice)
    for _ in range(2):
        carry_out(planned, table)
        found = content(record)
        assert [each for each in found if each[1] == "FINISHED"] == undisturbed
        assert {each[1] for each in found} == {"FINISHED", "KILLED"}
        assert len(found) == 4
