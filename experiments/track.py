"""The record in MLflow: one run per cell, one report run per launch.

The worker of a cell finds the cell's run by its tag or creates it, logs each epoch once, in one batch and before the
epoch is checkpointed, and ends the run. So a killed training leaves neither a gap nor a duplicate.
"""

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import shorten
from typing import TYPE_CHECKING

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from d3d.errors import RecordError
from experiments.declarations import flatten

if TYPE_CHECKING:
    from d3d.training import EpochResult, Prediction
    from experiments.plan import Cell, Plan

EXPERIMENT = "3d-deformable-transformer"
MODEL_TRAINING = {"mlflow.experimentKind": "custom_model_development"}  # what the MLflow page opens as


def prepare(uri: str, artifacts: Path) -> "Record":
    """The record, made where there is none, before anyone else opens it. Raises RecordError."""
    database = _sqlite_file(uri)
    with _explained(uri):
        if database and not database.exists():
            _make_database(database)
        client = MlflowClient(uri)
        if client.get_experiment_by_name(EXPERIMENT) is None:
            own = str(artifacts) if database else None  # a server says itself where artefacts go
            client.create_experiment(EXPERIMENT, artifact_location=own, tags=MODEL_TRAINING)
        return Record(uri)


def _make_database(path: Path) -> None:
    """All of it or nothing: MLflow cannot go on where the making of its tables was interrupted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=f"{path.name}.partial-") as folder:
        partial = Path(folder) / path.name
        event.listen(Engine, "connect", _without_waiting_for_the_disk)
        try:
            MlflowClient(f"sqlite:///{partial}")
        finally:
            event.remove(Engine, "connect", _without_waiting_for_the_disk)
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.rename(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")  # readers and the one writer do not wait for each other


def _without_waiting_for_the_disk(connection: sqlite3.Connection, _: object) -> None:
    """The making is a hundred transactions; a machine that stops in it leaves nothing worth keeping."""
    connection.execute("PRAGMA synchronous=OFF")


def _sqlite_file(uri: str) -> Path | None:
    file = uri.removeprefix("sqlite:///")
    return None if file == uri else Path(file)


def finished_cells(uri: str) -> dict[str, Run]:
    """Cell id → its newest finished run; nothing is made where there is no record yet. Raises RecordError."""
    database = _sqlite_file(uri)
    if database and not database.exists():
        return {}
    with _explained(uri):
        return Record(uri).finished()


class Record:
    """The runs of this project under one tracking URI; without `prepare` there may be none."""

    def __init__(self, uri: str) -> None:
        self.client = MlflowClient(uri)
        experiment = self.client.get_experiment_by_name(EXPERIMENT)
        self.experiments = [str(experiment.experiment_id)] if experiment else []

    def finished(self) -> dict[str, Run]:
        """Cell id → its newest finished run."""
        runs = self._search("tags.kind = 'cell' and attributes.status = 'FINISHED'")
        return {run.data.tags["cell"]: run for run in reversed(runs)}

    def begin(self, cell: "Cell", tags: Mapping[str, str]) -> "CellRun":
        """The cell's run, set to RUNNING: the newest there is, or a new one."""
        runs = self._search(f"tags.kind = 'cell' and tags.cell = '{cell.id}'")
        if runs:
            self._resume(runs[0], tags)
            return CellRun(self.client, runs[0].info.run_id, new=False)
        tags = {**tags, "kind": "cell", "cell": cell.id, "seed": str(cell.config.seed), "data_digest": cell.data_digest}
        run = self.client.create_run(self.experiments[0], run_name=cell.label, tags=tags)
        params = [Param(key, str(value)) for key, value in flatten(asdict(cell.config)).items()]
        self.client.log_batch(run.info.run_id, params=params)
        return CellRun(self.client, run.info.run_id, new=True)

    def end(self, cells: Iterable[str], faults: Mapping[str, str]) -> None:
        """No run is left RUNNING: those of cells with a fault are FAILED, the others were KILLED."""
        for cell in cells:
            for run in self._search(f"tags.cell = '{cell}' and attributes.status = 'RUNNING'"):
                if cell in faults:
                    CellRun(self.client, run.info.run_id, new=False).fail(faults[cell])
                else:
                    self.client.set_terminated(run.info.run_id, "KILLED")

    def serve(self, ablation: str, cells: Iterable[str]) -> None:
        """Tags finished cells with an ablation that asks for them too."""
        finished = self.finished()
        for cell in cells:
            if cell in finished and f"ablation.{ablation}" not in finished[cell].data.tags:
                self.client.set_tag(finished[cell].info.run_id, f"ablation.{ablation}", "true")

    @contextmanager
    def report(self, plan: "Plan") -> Iterator[str]:
        """The launch's report run, by its id: FINISHED after the block, KILLED where the block was left by an error."""
        runs = self._search(f"tags.kind = 'report' and tags.launch = '{plan.id}'")
        launch = plan.launch
        if runs:
            id = runs[0].info.run_id
            self.client.update_run(id, "RUNNING")
        else:
            tags = {
                "kind": "report",
                "launch": plan.id,
                "ablation": launch.ablation.name,
                "preset": launch.preset,
                "data": launch.data,
                "data_digest": plan.data_digest,
            }
            name = f"{launch.ablation.name}, {launch.preset}, {launch.data}"
            id = self.client.create_run(self.experiments[0], run_name=name, tags=tags).info.run_id
        self.client.log_text(id, json.dumps(plan.as_json(), indent=1, ensure_ascii=False), "plan.json")
        status = "KILLED"
        try:
            yield id
            status = "FINISHED"
        finally:
            self.client.set_terminated(id, status)

    def log_tables(self, report: str, paths: Iterable[Path]) -> None:
        """Keeps a launch's tables and figures with its report run."""
        for path in paths:
            self.client.log_artifact(report, str(path), "tables")

    def _resume(self, run: Run, tags: Mapping[str, str]) -> None:
        id, before = run.info.run_id, run.data
        if before.metrics:  # the epochs of this run may come to be of several versions of the code
            digests = [*before.tags["code_digest"].split("+"), tags["code_digest"]]
            tags = {**tags, "code_digest": "+".join(dict.fromkeys(digests))}
        if "reason" in before.tags:
            self.client.delete_tag(id, "reason")
        self.client.log_batch(id, tags=[RunTag(key, value) for key, value in tags.items()])
        self.client.update_run(id, "RUNNING")

    def _search(self, filter: str) -> list[Run]:
        """Every run the filter admits, newest first."""
        newest = ["attributes.start_time DESC"]
        runs: list[Run] = []
        page: str | None = None
        while self.experiments:
            part = self.client.search_runs(self.experiments, filter, order_by=newest, page_token=page)
            runs += part
            page = part.token
            if not page:
                break
        return runs


class CellRun:
    """The run of a cell that is being trained."""

    def __init__(self, client: MlflowClient, id: str, *, new: bool) -> None:
        self.client = client
        self.id = id
        self.new = new
        self.logged = set() if new else {metric.step for metric in client.get_metric_history(id, "test_top1")}

    def log_epoch(self, result: "EpochResult") -> None:
        """Logs the epoch's metrics in one batch, unless they are there already."""
        if result.epoch in self.logged:
            return
        now = time.time_ns() // 1_000_000
        metrics = [Metric(key, value, now, result.epoch) for key, value in result.metrics.items()]
        self.client.log_batch(self.id, metrics=metrics)
        self.logged.add(result.epoch)

    def finish(self, predictions: Sequence["Prediction"]) -> None:
        """Keeps what the trained model says of every test clip, and ends the run."""
        rows = [f"{each.clip},{each.label},{each.predicted}" for each in predictions]
        self.client.log_text(self.id, "\n".join(["clip,label,predicted", *rows]) + "\n", "predictions.csv")
        right = sum(each.predicted == each.label for each in predictions)
        self.client.log_metric(self.id, "top1", right / len(predictions))
        self.client.set_terminated(self.id, "FINISHED")

    def fail(self, reason: str) -> None:
        """Ends the run as FAILED, the reason in its tag: of a traceback the last line, error.txt has all of it."""
        lines = reason.strip().splitlines()
        self.client.set_tag(self.id, "reason", lines[-1])
        if len(lines) > 1:
            self.client.log_text(self.id, reason, "error.txt")
        self.client.set_terminated(self.id, "FAILED")


@contextmanager
def _explained(uri: str) -> Iterator[None]:
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise RecordError(f"tracking.uri={uri}: {shorten(str(error), 200)}; mend it, or name another record") from error
