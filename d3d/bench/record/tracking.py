"""Writes the record in MLflow: one run for each cell, and one report run for each ablation of a launch.

The worker of a cell finds the cell's run by its tag or creates it. It logs each epoch once, in one batch and before the
epoch is checkpointed, and then ends the run. A killed training therefore leaves neither a gap nor a duplicate.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from textwrap import shorten
from types import MappingProxyType
from typing import TYPE_CHECKING

from mlflow import MlflowClient, entities
from mlflow.entities import Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode

from d3d.bench.database import make_database, sqlite_file
from d3d.bench.declare.ablations import flatten
from d3d.bench.record.access import at_the_end, connect, exists, experiment_of, record_errors_explained
from d3d.bench.record.conditions import joined
from d3d.bench.record.provenance import Code, code_of
from d3d.bench.record.run_files import ANYWHERE, files_of, make_relocatable, read_file, write_file
from d3d.bench.record.schema import (
    ABLATION_PREFIX,
    CELL,
    CLAIMS_PREFIX,
    DATABASE,
    EXPERIMENT,
    REPORT,
    RESULTS,
    VERDICTS,
    File,
    Metric,
    Tag,
    clips_tested,
    read_predictions,
    with_probabilities,
    write_plan,
    write_predictions,
    write_probabilities,
)
from d3d.bench.record.views import EXPLANATION, NOTE, note_of, views_of
from d3d.errors import RecordError
from d3d.prediction import Prediction, mean_class_accuracy, part_top1, top1

if TYPE_CHECKING:
    from d3d.bench.plan.cell import Cell
    from d3d.bench.plan.planning import Plan, Report
    from d3d.bench.run.failures import Failure
    from d3d.training.loop import EpochResult

CELLS, REPORTS = (f"tags.{Tag.KIND} = '{kind}'" for kind in (CELL, REPORT))  # as MLflow's search takes them
NEWEST_FIRST = ["attributes.start_time DESC"]
NEWEST = 100  # the number of runs that an estimate of durations reads
PURPOSE_TAGS = (ABLATION_PREFIX, Tag.TUNED)  # tags that say what a cell is for
MODEL_TRAINING = {"mlflow.experimentKind": "custom_model_development"}  # the view in which MLflow's page opens


def prepare(uri: str, storage: Path) -> "Record":
    """The record for a launch that has locked the storage folder, created if there is none. Raises RecordError.

    Because of the lock, a run that is RUNNING in the folder's own database belongs to a killed launch: it is set to
    KILLED.
    """
    database = sqlite_file(uri)
    with record_errors_explained(uri):
        if database:
            make_database(database, MlflowClient)
        client = connect(uri)
        if experiment_of(client) is None:
            _create_experiment(client, ANYWHERE if database else None)  # None: a server decides
        record = Record(uri)
        if database == storage / DATABASE:
            make_relocatable(database)
            record.end_orphans()
        return record


def _create_experiment(client: MlflowClient, location: str | None) -> None:
    """Creates the experiment, unless another launch did, or the same request whose answer was lost, a moment ago."""
    try:
        client.create_experiment(EXPERIMENT, artifact_location=location, tags=MODEL_TRAINING)
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
            raise


def finished_cells(plan: "Plan", cells: "Sequence[Cell] | None" = None) -> dict[str, Run]:
    """Cell id → run, for those of these cells of a plan that are finished; None: for all of its cells.

    Creates no record. Raises RecordError.
    """
    asked = plan.cells if cells is None else cells
    with _opened(plan.launch.tracking_uri) as record:
        return record.finished(cell.id for cell in asked) if record else {}


def recorded(plan: "Plan") -> tuple["Report", ...]:
    """The plan's reports that were launched before. Raises RecordError."""
    with _opened(plan.launch.tracking_uri) as record:
        return tuple(report for report in plan.reports if record and record.holds(report))


def timed_cells(plan: "Plan") -> dict[str, Run]:
    """The newest finished cells with the plan's preset and data, without the plan's own, to estimate durations from.

    Raises RecordError.
    """
    own = {cell.id for cell in plan.cells}
    with _opened(plan.launch.tracking_uri) as record:
        newest = record.newest(plan.launch.preset, plan.launch.data) if record else {}
    return {id: run for id, run in newest.items() if id not in own}


def cells_that_finished(uri: str) -> frozenset[str]:
    """The ids of all finished cells of a record. Raises RecordError where there is none."""
    with _opened(uri) as record:
        if record is None:
            raise RecordError(f"{uri}: there is no record; name the one of this folder with tracking.uri=")
        return frozenset(run.data.tags.get(Tag.CELL, "") for run in record.cells() if _is_finished(run))


@contextmanager
def _opened(uri: str) -> Iterator["Record | None"]:
    """The record to read from, None if there is none yet."""
    with record_errors_explained(uri):
        yield Record(uri) if exists(uri) else None


class Record:
    """The runs of this project at one tracking URI. It may have no experiment yet unless `prepare` made it."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.client = connect(uri)
        experiment = experiment_of(self.client)
        self.experiments = [experiment] if experiment else []

    def finished(self, cells: Iterable[str]) -> dict[str, Run]:
        """Cell id → run, for those of the cells whose newest run is finished; older runs of a cell do not count.

        Makes a query for each cell, which in a large record takes no longer than reading one or two runs.
        """
        newest = {id: runs[0] for id in cells if (runs := self._search(f"tags.{Tag.CELL} = '{id}'"))}
        return {id: run for id, run in newest.items() if _is_finished(run)}

    def cells(self) -> list[Run]:
        """The runs of all cells, newest first."""
        return self._search(CELLS)

    def newest(self, preset: str, data: str) -> dict[str, Run]:
        """Cell id → run, for the newest finished cells with this preset and data, at most NEWEST."""
        filter = f"{CELLS} and tags.{Tag.PRESET} = '{preset}' and tags.{Tag.DATA} = '{data}'"
        runs = self.client.search_runs(self.experiments, filter, max_results=NEWEST, order_by=NEWEST_FIRST)
        return {run.data.tags.get(Tag.CELL, ""): run for run in reversed(runs) if _is_finished(run)}

    def begin(self, cell: "Cell", tags: Mapping[str, str], *, code: Code | None = None) -> "CellRun":
        """The run of a cell, set to RUNNING: its newest run, or a new one if it has none.

        A finished run stays as it is, whether another launch or a leftover worker finished it.

        Args:
            cell: The cell.
            tags: The tags of the run, apart from those that follow from the cell.
            code: The code whose runs may be continued; a run made by other code stays as it ended, and a new one is
                started. None, the default, allows any code.
        """
        tags = {**tags, **cell.kind.tags(cell), Tag.SPLIT.value: cell.config.data.split, Tag.ROW.value: cell.row}
        for needed in cell.needs:
            for run in self._runs(needed)[:1]:
                tags |= _joined_provenance(run, tags)
        params = {key: str(value) for key, value in flatten(asdict(cell.config)).items()}
        runs = self._runs(cell)
        if runs and code and not code.made(code_of(runs[0])):
            runs = []
        if runs and _is_finished(runs[0]):
            self._update_tags(runs[0], {key: value for key, value in tags.items() if key.startswith(PURPOSE_TAGS)})
            return CellRun(self, runs[0], new=False)
        if runs:
            self._end_others(runs)
            self._resume(runs[0], tags, params)
            return CellRun(self, runs[0], new=False)
        seed = str(cell.config.seed)
        tags |= {Tag.KIND: CELL, Tag.CELL: cell.id, Tag.SEED: seed, Tag.DATA_DIGEST: cell.data_digest}
        run = self._create(cell.label, tags, lambda: self._runs(cell))
        self._log(run, params=params)
        return CellRun(self, run, new=True)

    def _create(self, name: str, tags: Mapping[str, str], find: Callable[[], list[Run]]) -> Run:
        """A new run with these tags, one of those that `find` returns.

        If the answer of a server is lost, MLflow's client asks again, and the run is created twice, with one time.
        """
        created = self.client.create_run(self.experiments[0], run_name=name, tags=dict(tags))
        same = [run for run in find() if run.info.start_time == created.info.start_time]
        self._end_others(same)
        return same[0]

    def _end_others(self, runs: Sequence[Run]) -> None:
        """Sets all runs but the first to KILLED if they are RUNNING: nobody writes to them."""
        for run in runs[1:]:
            if run.info.status == "RUNNING":
                self.client.set_terminated(run.info.run_id, "KILLED")

    def _log(self, run: Run, tags: Mapping[str, str] = MappingProxyType({}), *, params: Mapping[str, str]) -> None:
        """Logs tags, and the parameters that the run lacks because whoever created it was killed."""
        missing = [Param(key, value) for key, value in params.items() if key not in run.data.params]
        self.client.log_batch(run.info.run_id, params=missing, tags=[RunTag(*each) for each in tags.items()])

    def predictions(self, cell: str) -> tuple[Prediction, ...]:
        """The predictions of a finished cell, with probabilities if they were recorded. Raises RecordError."""
        run = self.finished([cell]).get(cell)
        if run is None:
            raise RecordError(f"cell {cell}: it is not finished; run the same command again")
        files = {file.path for file in files_of(run, self.uri).list_artifacts()}
        try:
            predictions = read_predictions(read_file(run, self.uri, File.PREDICTIONS), run.data.tags.get(Tag.TESTED))
            if File.PROBABILITIES not in files:  # finished by a version that did not record probabilities
                return predictions
            return with_probabilities(predictions, read_file(run, self.uri, File.PROBABILITIES))
        except (OSError, ValueError) as error:
            fault = f"run {run.info.run_id} of {cell}: {shorten(str(error), 200)}"
            raise RecordError(f"{fault}; delete the run (`make ui`) and launch again") from error

    def latest(self, cell: str) -> Run | None:
        """The newest run of a cell, with any status; None if it has none."""
        runs = self._search(f"{CELLS} and tags.{Tag.CELL} = '{cell}'")
        return runs[0] if runs else None

    def curve(self, run: Run) -> list[tuple[int, float]]:
        """(epoch, top-1) for each epoch after which a training was tested, in order; top-1 is a fraction."""
        names = (Metric.TEST_TOP1, Metric.EVAL_TOP1)  # the former name and the current one
        histories = (self.client.get_metric_history(run.info.run_id, name) for name in names)
        return sorted({metric.step: metric.value for history in histories for metric in history}.items())

    def prune(self, cell: str) -> None:
        """Ends the run of a pruned trial as KILLED, with the tag `pruned`."""
        run = self.latest(cell)
        if run:
            self.client.set_tag(run.info.run_id, Tag.PRUNED, "true")
            self.client.set_terminated(run.info.run_id, "KILLED")

    def end(self, cells: Iterable[str], failed: Mapping[str, "Failure"]) -> None:
        """Ends the runs of cells that are still RUNNING: as FAILED for cells in `failed`, as KILLED for the others."""
        ids = set(cells)
        for run in self._search(f"{CELLS} and attributes.status = 'RUNNING'") if ids else ():
            cell = run.data.tags.get(Tag.CELL, "")
            if cell in ids & failed.keys():
                CellRun(self, run, new=False).fail(failed[cell])
            elif cell in ids:
                self.client.set_terminated(run.info.run_id, "KILLED")

    def end_orphans(self) -> None:
        """Sets every run that is RUNNING to KILLED."""
        for run in self._search("attributes.status = 'RUNNING'"):
            self.client.set_terminated(run.info.run_id, "KILLED")

    def tag_finished(self, plan: "Plan", finished: Mapping[str, Run]) -> None:
        """Tags a plan's finished cells with each of its ablations that asks for them, and cells without a row tag."""
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
        """A context with a report run for each ablation, FINISHED after the block or KILLED if an error left it."""
        runs = [self._report(report) for report in plan.reports]
        status = "KILLED"

        def end() -> None:
            for run in runs:
                self.client.set_terminated(run, status)

        with at_the_end(end):
            yield
            status = "FINISHED"

    def holds(self, report: "Report") -> bool:
        """Whether the report was launched before."""
        return bool(self._report_runs(report))

    def log_plans(self, plan: "Plan") -> None:
        """Writes the plan of each ablation, with the progress of its studies, to its report run."""
        for report in plan.reports:
            self._log_plan(self._report_runs(report)[0], report)

    def log_search(self, report: "Report", paths: Iterable[Path]) -> None:
        """Adds the plots of an ablation's studies to its report run."""
        self._log_files(self._report_runs(report)[0], paths, File.SEARCH)

    def log_tables(
        self, plan: "Plan", files: Mapping[str, Sequence[Path]], verdicts: Mapping[str, Mapping[str, int]]
    ) -> None:
        """Adds the tables and figures of each ablation to its report run, whose page then begins with them.

        Args:
            plan: The plan.
            files: Artefact → its files.
            verdicts: Artefact → each of VERDICTS that a claim of it got → how many did. These become metrics.
        """
        for report in plan.reports:
            artefacts = report.ablation.artefacts
            own = [path for name in artefacts for path in files.get(name, ())]
            found, now = self._report_runs(report)[0], time.time_ns() // 1_000_000
            run = found.info.run_id
            self._log_files(found, own, File.TABLES)
            if note := note_of([path.read_text("utf-8") for path in own if path.suffix == ".md"]):
                self.client.set_tag(run, NOTE, note)
            for verdict in VERDICTS if verdicts.keys() & set(artefacts) else ():
                count = sum(verdicts.get(name, {}).get(verdict, 0) for name in artefacts)
                self.client.log_metric(run, f"{CLAIMS_PREFIX}{verdict.replace(' ', '_')}", count, now, 0)

    def _log_files(self, run: Run, paths: Iterable[Path], folder: str) -> None:
        files = files_of(run, self.uri)
        for path in paths:
            files.log_artifact(str(path), folder)  # type: ignore[no-untyped-call]

    def _report(self, report: "Report") -> str:
        """The id of an ablation's report run, created if there is none, set to RUNNING and with its current plan."""
        runs, launch = self._report_runs(report), report.launch
        if runs:
            run = runs[0]
            self._end_others(runs)
            self.client.update_run(run.info.run_id, "RUNNING")
            self.client.set_tag(run.info.run_id, Tag.SPLIT, launch.config.data.split)  # old records lack it
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
            run = self._create(name, tags, lambda: self._report_runs(report))
        self._log_plan(run, report)
        self._save_views(report)
        return str(run.info.run_id)

    def _save_views(self, report: "Report") -> None:
        """Saves the views of the report's ablation on MLflow's page, and the note that explains them."""
        [experiment] = self.experiments
        tags, now = self.client.get_experiment(experiment).tags, time.time_ns() // 1_000_000
        launch, keys = report.launch, report.ablation.axes
        for view in views_of(report.ablation.name, launch.preset, launch.data, keys):
            self.client.set_experiment_tag(experiment, view.tag, view.value(now, tags.get(view.tag)))
        if NOTE not in tags:
            self.client.set_experiment_tag(experiment, NOTE, EXPLANATION)

    def _log_plan(self, run: Run, report: "Report") -> None:
        write_file(run, self.uri, File.PLAN, write_plan(report.recorded))

    def _report_runs(self, report: "Report") -> list[Run]:
        return self._search(f"{REPORTS} and tags.{Tag.LAUNCH} = '{report.id}'")

    def _runs(self, cell: "Cell") -> list[Run]:
        return self._search(f"{CELLS} and tags.{Tag.CELL} = '{cell.id}'")

    def _resume(self, run: Run, tags: Mapping[str, str], params: Mapping[str, str]) -> None:
        id, before = run.info.run_id, run.data
        if before.metrics:  # its epochs may be of several versions of the code or several processors
            tags = {**tags, **_joined_provenance(run, tags)}
        tags = {**tags, Tag.ROW.value: before.tags.get(Tag.ROW, tags[Tag.ROW])}  # the first row that asked for it
        for tag in {Tag.REASON, Tag.FAILURE, Tag.PRUNED} & before.tags.keys():  # they say how it ended before
            self.client.delete_tag(id, tag)
        self._log(run, tags, params=params)
        self.client.update_run(id, "RUNNING")

    def _search(self, filter: str) -> list[Run]:
        """All runs that match MLflow's filter, newest first."""
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
    """The run of a cell that a worker is computing.

    A run that was finished before, and whose training only restores its weights, stays as it is: nothing is logged.
    """

    def __init__(self, record: Record, run: Run, *, new: bool) -> None:
        """`new` says whether the run was just created, so that it has no epochs yet."""
        self.record = record
        self.client = record.client
        self.uri = record.uri
        self.run = run  # as it was when it was found
        self.id = str(run.info.run_id)
        self.new = new
        self.finished = _is_finished(run)
        metrics = run.data.metrics if self.finished else {}
        self.results = {key.value: metrics[key] for key in RESULTS if key in metrics}
        history = [] if new else self.client.get_metric_history(self.id, Metric.TRAIN_LOSS)
        self.logged = {metric.step for metric in history}

    def log_epoch(self, result: "EpochResult") -> None:
        """Logs the metrics of an epoch in one batch, unless they were logged before."""
        if self.finished or result.epoch in self.logged:
            return
        now = time.time_ns() // 1_000_000
        metrics = [entities.Metric(key, value, now, result.epoch) for key, value in result.metrics.items()]
        self.client.log_batch(self.id, metrics=metrics)
        self.logged.add(result.epoch)

    def finish(
        self,
        predictions: Sequence[Prediction],
        metrics: Mapping[str, float] = MappingProxyType({}),
        classes: Sequence[str] = (),
    ) -> None:
        """Records the prediction for every test clip, its accuracies and further metrics, and ends the run.

        `classes` are the names of all classes of the dataset, for readers of the predictions.
        """
        if predictions[0].probabilities:
            write_file(self.run, self.uri, File.PROBABILITIES, write_probabilities(predictions))
        write_file(self.run, self.uri, File.PREDICTIONS, write_predictions(predictions, classes))
        results: dict[str, float] = {
            Metric.TOP1: top1(predictions),
            Metric.MEAN_CLASS_ACCURACY: mean_class_accuracy(predictions),
            **{Metric(f"{part}_top1"): accuracy for part, accuracy in part_top1(predictions).items()},
        }
        self.end({**results, **metrics}, {Tag.TESTED.value: clips_tested(predictions)})

    def end(self, metrics: Mapping[str, float], tags: Mapping[str, str] = MappingProxyType({})) -> None:
        """Logs the results and their tags, and ends the run.

        The results get the time at which the run began. If a worker is killed before the run ends, the next worker logs
        them again with the same time, and MLflow stores equal values with equal times only once.
        """
        began = self.client.get_run(self.id).info.start_time
        results = [entities.Metric(key, value, began, 0) for key, value in metrics.items()]
        self.client.log_batch(self.id, metrics=results, tags=[RunTag(*each) for each in tags.items()])
        self.client.set_terminated(self.id, "FINISHED")

    def attach(self, name: str, content: bytes) -> None:
        """Adds a file to the run."""
        write_file(self.run, self.uri, name, content)

    def note(self, key: str, text: str) -> None:
        """Adds a tag to the run, unless it is finished."""
        if not self.finished:
            self.client.set_tag(self.id, key, text)

    def fail(self, failure: "Failure") -> None:
        """Ends the run as FAILED, with the kind and reason of the failure as tags and a traceback in error.txt.

        A finished run stays finished.
        """
        if self.finished:
            return
        self.client.set_tag(self.id, Tag.FAILURE, failure.kind)
        self.client.set_tag(self.id, Tag.REASON, failure.reason)
        if failure.text.strip() != failure.reason:
            write_file(self.run, self.uri, File.ERROR, failure.text)
        self.client.set_terminated(self.id, "FAILED")


def _is_finished(run: Run) -> bool:
    """Whether a run of a cell is FINISHED and has a result; an incomplete one is run again."""
    return run.info.status == "FINISHED" and bool(run.data.metrics.keys() & set(RESULTS))


def _joined_provenance(before: Run, tags: Mapping[str, str]) -> dict[str, str]:
    """The code and environment tags of a result that continues or builds on an earlier run: each value once."""
    digests = "+".join(filter(None, (code_of(before), tags[Tag.CODE_DIGEST])))
    return {Tag.CODE_DIGEST: "+".join(dict.fromkeys(digests.split("+"))), **joined(before.data.tags, tags)}
