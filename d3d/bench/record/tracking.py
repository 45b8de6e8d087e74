"""The record in MLflow: one run per cell, one report run per ablation of a launch.

The worker of a cell finds the cell's run by its tag or creates it, logs each epoch once, in one batch and before the
epoch is checkpointed, and ends the run. So a killed training leaves neither a gap nor a duplicate.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from textwrap import shorten
from types import MappingProxyType
from typing import TYPE_CHECKING

from mlflow import MlflowClient, entities
from mlflow.entities import Param, Run, RunTag
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from d3d.bench.database import make_database, sqlite_file
from d3d.bench.declare.ablations import flatten
from d3d.bench.record.conditions import joined
from d3d.bench.record.provenance import Code, code_of
from d3d.bench.record.run_files import files_of, location_of_new_runs, make_relocatable, read_file, write_file
from d3d.bench.record.schema import (
    ABLATION_PREFIX,
    CELL,
    DATABASE,
    EXPERIMENT,
    REPORT,
    File,
    Metric,
    Tag,
    read_predictions,
    with_probabilities,
    write_plan,
    write_predictions,
    write_probabilities,
)
from d3d.errors import RecordError
from d3d.prediction import Prediction, mean_class_accuracy, top1

if TYPE_CHECKING:
    from d3d.bench.plan.cell import Cell
    from d3d.bench.plan.planning import Plan, Report
    from d3d.bench.run.failures import Failure
    from d3d.training.loop import EpochResult

CELLS, REPORTS = (f"tags.{Tag.KIND} = '{kind}'" for kind in (CELL, REPORT))  # as MLflow's search takes them
NEWEST_FIRST = ["attributes.start_time DESC"]
NEWEST = 100  # runs that an estimate looks at
PURPOSE_TAGS = (ABLATION_PREFIX, Tag.TUNED)  # tags that say what a cell is for
MODEL_TRAINING = {"mlflow.experimentKind": "custom_model_development"}  # what the MLflow page opens as


def prepare(uri: str, storage: Path) -> "Record":
    """The record of a launch that holds the storage folder, made where there is none. Raises RecordError.

    What is RUNNING in the folder's own database then belongs to a launch that was killed, and is said to be KILLED.
    """
    database = sqlite_file(uri)
    with _explained(uri):
        if database and not database.exists():
            make_database(database, MlflowClient)
        client = MlflowClient(uri)
        if client.get_experiment_by_name(EXPERIMENT) is None:
            own = location_of_new_runs(database, storage) if database else None  # a server says itself where files go
            client.create_experiment(EXPERIMENT, artifact_location=own, tags=MODEL_TRAINING)
        record = Record(uri)
        if database == storage / DATABASE:
            make_relocatable(database)
            record.end_orphans()
        return record


def finished_cells(plan: "Plan") -> dict[str, Run]:
    """The plan's cells that are finished; nothing is made where there is no record yet. Raises RecordError."""
    with _opened(plan.launch.tracking_uri) as record:
        return record.finished(cell.id for cell in plan.cells) if record else {}


def recorded(plan: "Plan") -> tuple["Report", ...]:
    """Those of the plan's reports that were launched before. Raises RecordError."""
    with _opened(plan.launch.tracking_uri) as record:
        return tuple(report for report in plan.reports if record and record.holds(report))


def timed_cells(plan: "Plan") -> dict[str, Run]:
    """The newest finished cells of the plan's preset and data that are not the plan's own: how long such a cell takes.

    Raises RecordError.
    """
    own = {cell.id for cell in plan.cells}
    with _opened(plan.launch.tracking_uri) as record:
        newest = record.newest(plan.launch.preset, plan.launch.data) if record else {}
    return {id: run for id, run in newest.items() if id not in own}


@contextmanager
def _opened(uri: str) -> Iterator["Record | None"]:
    """The record to read from, None where there is none yet."""
    database = sqlite_file(uri)
    with _explained(uri):
        yield None if database and not database.exists() else Record(uri)


class Record:
    """The runs of this project under one tracking URI; without `prepare` there may be none."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.client = MlflowClient(uri)
        experiment = self.client.get_experiment_by_name(EXPERIMENT)
        self.experiments = [str(experiment.experiment_id)] if experiment else []

    def finished(self, cells: Iterable[str]) -> dict[str, Run]:
        """Of these cells the finished ones, with their runs; the newest counts, for a cell can be run again.

        A query for each: in a large record that costs as much as reading one or two of its runs.
        """
        newest = {id: runs[0] for id in cells if (runs := self._search(f"tags.{Tag.CELL} = '{id}'"))}
        return {id: run for id, run in newest.items() if run.info.status == "FINISHED"}

    def newest(self, preset: str, data: str) -> dict[str, Run]:
        """The newest finished cells on such a preset and data, a hundred at most."""
        filter = f"{CELLS} and tags.{Tag.PRESET} = '{preset}' and tags.{Tag.DATA} = '{data}'"
        runs = self.client.search_runs(self.experiments, filter, max_results=NEWEST, order_by=NEWEST_FIRST)
        return {run.data.tags[Tag.CELL]: run for run in reversed(runs) if run.info.status == "FINISHED"}

    def begin(
        self, cell: "Cell", tags: Mapping[str, str], *, anew: bool = False, code: Code | None = None
    ) -> "CellRun":
        """The cell's run, set to RUNNING: the newest there is, or a new one where that is finished and `anew`.

        One that is finished already, by another launch or a worker that outlived its own, stays as it is. With `code`
        a run that other code made stays as it ended, and a new one begins.
        """
        tags = {**tags, **cell.kind.tags(cell), Tag.SPLIT.value: cell.config.data.split, Tag.ROW.value: cell.row}
        runs = self._runs(cell)
        if runs and code and not code.made(code_of(runs[0])):
            runs = []
        for needed in cell.needs:
            for run in self._runs(needed)[:1]:
                tags |= _both(run, tags)
        finished = bool(runs) and runs[0].info.status == "FINISHED"
        if finished and not anew:
            self._update_tags(runs[0], {key: value for key, value in tags.items() if key.startswith(PURPOSE_TAGS)})
            return CellRun(self, runs[0], new=False)
        if runs and not finished:
            self._resume(runs[0], tags)
            return CellRun(self, runs[0], new=False)
        seed = str(cell.config.seed)
        tags |= {Tag.KIND: CELL, Tag.CELL: cell.id, Tag.SEED: seed, Tag.DATA_DIGEST: cell.data_digest}
        run = self.client.create_run(self.experiments[0], run_name=cell.label, tags=tags)
        params = [Param(key, str(value)) for key, value in flatten(asdict(cell.config)).items()]
        self.client.log_batch(run.info.run_id, params=params)
        return CellRun(self, run, new=True)

    def predictions(self, cell: str) -> tuple[Prediction, ...]:
        """What a finished cell says of each test clip, with probabilities where they were kept. Raises RecordError."""
        run = self.finished([cell]).get(cell)
        if run is None:
            raise RecordError(f"cell {cell}: is not finished; run the same command again")
        with _explained(self.uri):
            predictions = read_predictions(read_file(run, self.uri, File.PREDICTIONS))
            try:
                return with_probabilities(predictions, read_file(run, self.uri, File.PROBABILITIES))
            except FileNotFoundError:  # finished before they were kept
                return predictions

    def latest(self, cell: str) -> Run | None:
        """The newest run of a cell, however it ended."""
        runs = self._search(f"{CELLS} and tags.{Tag.CELL} = '{cell}'")
        return runs[0] if runs else None

    def curve(self, run: Run) -> list[tuple[int, float]]:
        """The epochs of a training that were tested, in their order, each with its top-1."""
        names = (Metric.TEST_TOP1, Metric.EVAL_TOP1)  # as it was called before, and as it is
        histories = (self.client.get_metric_history(run.info.run_id, name) for name in names)
        return sorted({metric.step: metric.value for history in histories for metric in history}.items())

    def prune(self, cell: str) -> None:
        """Ends the run of a search's trial that did not promise well."""
        run = self.latest(cell)
        if run:
            self.client.set_tag(run.info.run_id, Tag.PRUNED, "true")
            self.client.set_terminated(run.info.run_id, "KILLED")

    def end(self, cells: Iterable[str], failed: Mapping[str, "Failure"]) -> None:
        """No run is left RUNNING: those of cells that failed are FAILED, the others were KILLED."""
        for cell in cells:
            for run in self._search(f"tags.{Tag.CELL} = '{cell}' and attributes.status = 'RUNNING'"):
                if cell in failed:
                    CellRun(self, run, new=False).fail(failed[cell])
                else:
                    self.client.set_terminated(run.info.run_id, "KILLED")

    def end_orphans(self) -> None:
        """Says of every run that is RUNNING that it was KILLED."""
        for run in self._search("attributes.status = 'RUNNING'"):
            self.client.set_terminated(run.info.run_id, "KILLED")

    def tag_finished(self, plan: "Plan", finished: Mapping[str, Run]) -> None:
        """Tags finished cells with each ablation of a launch that asks for them too, and old ones with their row."""
        for cell in plan.cells:
            if cell.id in finished:
                row = finished[cell.id].data.tags.get(Tag.ROW, cell.row)
                self._update_tags(finished[cell.id], {**plan.tags_of(cell.id), Tag.ROW.value: row})

    def _update_tags(self, run: Run, tags: Mapping[str, str]) -> None:
        for key, value in tags.items():
            if run.data.tags.get(key) != value:
                self.client.set_tag(run.info.run_id, key, value)

    @contextmanager
    def reports(self, plan: "Plan") -> Iterator[None]:
        """A report run for each ablation: FINISHED after the block, KILLED where the block was left by an error."""
        runs = [self._report(report) for report in plan.reports]
        status = "KILLED"
        try:
            yield
            status = "FINISHED"
        finally:
            for run in runs:
                self.client.set_terminated(run, status)

    def holds(self, report: "Report") -> bool:
        """Whether it was launched before."""
        return bool(self._report_runs(report))

    def log_plans(self, plan: "Plan") -> None:
        """Keeps what a search has come to with the report runs."""
        for report in plan.reports:
            self._log_plan(self._report_runs(report)[0], report)

    def log_search(self, report: "Report", paths: Iterable[Path]) -> None:
        """Keeps the pictures of the studies of an ablation with its report run."""
        self._keep(report, paths, File.SEARCH)

    def log_tables(self, plan: "Plan", paths: Iterable[Path]) -> None:
        """Keeps the tables and figures of each ablation with its report run."""
        for report in plan.reports:
            self._keep(report, [path for path in paths if path.stem in report.ablation.artefacts], File.TABLES)

    def _keep(self, report: "Report", paths: Iterable[Path], folder: str) -> None:
        files = files_of(self._report_runs(report)[0], self.uri)
        for path in paths:
            files.log_artifact(str(path), folder)  # type: ignore[no-untyped-call]

    def _report(self, report: "Report") -> str:
        """The id of the ablation's report run, RUNNING and with its plan: the one there is, or a new one."""
        runs, launch = self._report_runs(report), report.launch
        if runs:
            run = runs[0]
            self.client.update_run(run.info.run_id, "RUNNING")
            self.client.set_tag(run.info.run_id, Tag.SPLIT, launch.config.data.split)  # which records once did not say
        else:
            tags: dict[str, str] = {
                Tag.KIND: REPORT,
                Tag.LAUNCH: report.id,
                Tag.ABLATION: report.ablation.name,
                Tag.PRESET: launch.preset,
                Tag.DATA: launch.data,
                Tag.SPLIT: launch.config.data.split,
                Tag.DATA_DIGEST: report.data_digest,
            }
            name = f"{report.ablation.name}, {launch.preset}, {launch.data}"
            if report.studies and launch.search:
                tags[Tag.SEARCH] = launch.search.name
                name += f", {launch.search.name} × {launch.search.trials}"
            run = self.client.create_run(self.experiments[0], run_name=name, tags=tags)
        self._log_plan(run, report)
        return str(run.info.run_id)

    def _log_plan(self, run: Run, report: "Report") -> None:
        write_file(run, self.uri, File.PLAN, write_plan(report.recorded))

    def _report_runs(self, report: "Report") -> list[Run]:
        return self._search(f"{REPORTS} and tags.{Tag.LAUNCH} = '{report.id}'")

    def _runs(self, cell: "Cell") -> list[Run]:
        return self._search(f"{CELLS} and tags.{Tag.CELL} = '{cell.id}'")

    def _resume(self, run: Run, tags: Mapping[str, str]) -> None:
        id, before = run.info.run_id, run.data
        if before.metrics:  # the epochs of this run may come to be of several versions of the code, or processors
            tags = {**tags, **_both(run, tags)}
        tags = {**tags, Tag.ROW.value: before.tags.get(Tag.ROW, tags[Tag.ROW])}  # the first that asked for it
        for tag in {Tag.REASON, Tag.FAILURE, Tag.PRUNED} & before.tags.keys():  # of how it ended before
            self.client.delete_tag(id, tag)
        self.client.log_batch(id, tags=[RunTag(key, value) for key, value in tags.items()])
        self.client.update_run(id, "RUNNING")

    def _search(self, filter: str) -> list[Run]:
        """Every run the filter admits, newest first."""
        runs: list[Run] = []
        page: str | None = None
        while self.experiments:
            part = self.client.search_runs(self.experiments, filter, order_by=NEWEST_FIRST, page_token=page)
            runs += part
            page = part.token
            if not page:
                break
        return runs


class CellRun:
    """The run of a cell that is being carried out."""

    def __init__(self, record: Record, run: Run, *, new: bool) -> None:
        self.record = record
        self.client = record.client
        self.uri = record.uri
        self.run = run  # as it was found
        self.id = str(run.info.run_id)
        self.new = new
        metrics = run.data.metrics if run.info.status == "FINISHED" else {}
        self.results = {key.value: metrics[key] for key in (Metric.TOP1, Metric.SECONDS) if key in metrics}
        history = [] if new else self.client.get_metric_history(self.id, Metric.TRAIN_LOSS)
        self.logged = {metric.step for metric in history}

    def log_epoch(self, result: "EpochResult") -> None:
        """Logs the epoch's metrics in one batch, unless they are there already."""
        if result.epoch in self.logged:
            return
        now = time.time_ns() // 1_000_000
        metrics = [entities.Metric(key, value, now, result.epoch) for key, value in result.metrics.items()]
        self.client.log_batch(self.id, metrics=metrics)
        self.logged.add(result.epoch)

    def finish(self, predictions: Sequence[Prediction], metrics: Mapping[str, float] = MappingProxyType({})) -> None:
        """Keeps what the trained model says of every test clip, and ends the run."""
        if predictions[0].probabilities:
            write_file(self.run, self.uri, File.PROBABILITIES, write_probabilities(predictions))
        write_file(self.run, self.uri, File.PREDICTIONS, write_predictions(predictions))
        results: dict[str, float] = {
            Metric.TOP1: top1(predictions),
            Metric.MEAN_CLASS_ACCURACY: mean_class_accuracy(predictions),
        }
        self.end({**results, **metrics})

    def end(self, metrics: Mapping[str, float]) -> None:
        """Logs the results and ends the run. Killed in between, the next worker logs them again, to no effect.

        MLflow keeps the same value at the same time once, so their time is when the run began.
        """
        began = self.client.get_run(self.id).info.start_time
        results = [entities.Metric(key, value, began, 0) for key, value in metrics.items()]
        self.client.log_batch(self.id, metrics=results)
        self.client.set_terminated(self.id, "FINISHED")

    def note(self, key: str, text: str) -> None:
        """Keeps something that is to be known of the run as its tag."""
        self.client.set_tag(self.id, key, text)

    def fail(self, failure: "Failure") -> None:
        """Ends the run as FAILED, its kind and reason in tags; of a traceback error.txt has all."""
        self.client.set_tag(self.id, Tag.FAILURE, failure.kind)
        self.client.set_tag(self.id, Tag.REASON, failure.reason)
        if failure.text.strip() != failure.reason:
            write_file(self.run, self.uri, File.ERROR, failure.text)
        self.client.set_terminated(self.id, "FAILED")


def _both(before: Run, tags: Mapping[str, str]) -> dict[str, str]:
    """What made a result of which a part is that run's: of the tags that say so each value once."""
    digests = "+".join(filter(None, (code_of(before), tags[Tag.CODE_DIGEST])))
    return {Tag.CODE_DIGEST: "+".join(dict.fromkeys(digests.split("+"))), **joined(before.data.tags, tags)}


@contextmanager
def _explained(uri: str) -> Iterator[None]:
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise RecordError(f"tracking.uri={uri}: {shorten(str(error), 200)}; mend it, or name another record") from error
