"""Reads the record of trainings from MLflow into plain dataclasses, without ever writing to it.

d3d/bench/record/schema.py says what the record holds. A cell counts only once its run is FINISHED.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from d3d.attention_maps import Maps, read_maps, read_numbers
from d3d.bench.database import has_tables, sqlite_file
from d3d.bench.declare.ablations import VALIDATION
from d3d.bench.record.access import check_answers, connect, experiment_of, record_errors_explained
from d3d.bench.record.location import record_uri
from d3d.bench.record.provenance import kind_of, part_of
from d3d.bench.record.run_files import files_of, read_bytes
from d3d.bench.record.schema import (
    ABLATION_PREFIX,
    CELL,
    ENVIRONMENT_PREFIX,
    EXPERIMENT,
    REPORT,
    File,
    Launch,
    Metric,
    Tag,
    read_classes,
    read_plan,
    read_predictions,
    with_probabilities,
)
from d3d.errors import RecordError
from d3d.prediction import Prediction, clip_in_fold, fold_and_clip, of_part
from d3d.worst_clips import read_pictures

BASELINES = "baselines"  # the ablation of the classical methods
LONGEST = 180  # letters of a folder's name, without the launch's id
T = TypeVar("T")
RUNS_PER_CELL = 10  # a separate query for a cell takes at least as long as reading this many runs


@dataclass(frozen=True)
class Cell:
    """A finished cell; if it was finished more than once, its newest run."""

    id: str
    run_id: str
    metrics: Mapping[str, float]  # the last value of each
    params: Mapping[str, str]
    code_digest: str  # of the code it ran through; if that changed between its epochs, several joined with "+"
    data_digest: str
    finished_runs: int  # the number of runs that finished this cell; more than 1 gets a note
    read_predictions: Callable[[], tuple[Prediction, ...]] = field(repr=False, compare=False)
    weights: str = ""  # the cell that trained the tested weights: for a training the cell itself
    kind: str = field(default="training", kw_only=True)  # training, test, fusion, baseline, folds or measurement
    fused: bool = field(default=False, kw_only=True)  # whether predictions were averaged
    folds: tuple[str, ...] = field(default=(), kw_only=True)  # the cells whose predictions it has together, if any
    environment: Mapping[str, str] = field(default_factory=dict, kw_only=True)  # see d3d/bench/record/conditions.py
    modality: str = field(default="", kw_only=True)  # R, P or R+P; empty in old records
    seconds: float = field(default=0.0, kw_only=True)  # from the start of its run to the end, interruptions included

    def metric(self, name: str) -> float:
        """The last value of a metric. Raises RecordError if the finished run lacks it."""
        if name not in self.metrics:
            raise damaged(self.run_id, self.id, f"{name} is not recorded")
        return self.metrics[name]

    def has_part(self, part: str) -> bool:
        """Whether the cell predicts this part of the labels, such as the verb."""
        return f"{part}_top1" in self.metrics

    def of_part(self, part: str) -> "Cell":
        """The cell as if the labels were this part of them alone. Raises RecordError if it predicts no such part."""
        metrics = {**self.metrics, Metric.TOP1.value: self.metric(f"{part}_top1")}
        return replace(self, metrics=metrics, read_predictions=lambda: of_part(self.predictions, part))

    @property
    def code(self) -> str:
        """The part of the code that the cell ran through, see `provenance.part_of`."""
        return part_of(self.kind, self.params.get("model.system", "d3d"))

    @cached_property
    def correct(self) -> Mapping[str, bool]:
        """Test clip → whether it was predicted correctly. Raises RecordError if that contradicts the recorded top-1."""
        right = {each.clip: each.label == each.predicted for each in self.predictions}
        top1 = self.metric(Metric.TOP1)
        if abs(sum(right.values()) - top1 * len(right)) > 0.5:
            fault = f"top1 is {top1:.4f}, but {File.PREDICTIONS} has {sum(right.values())} of {len(right)} right"
            raise damaged(self.run_id, self.id, fault)
        return right

    @property
    def trained(self) -> bool:
        """Whether the cell tests trained weights, which depend on epochs and a seed; a baseline has neither."""
        return self.params.get("baseline.method", "None") == "None"

    @cached_property
    def predictions(self) -> tuple[Prediction, ...]:
        """The prediction for each test clip, read from the record on first use."""
        return self.read_predictions()


@dataclass(frozen=True)
class CellState:
    """How far a cell is that has a run: FINISHED if any of its runs is, or else how its newest run ended."""

    status: str  # MLflow's: FINISHED, FAILED, KILLED or RUNNING
    reason: str  # why it failed, in a line; empty if it did not


class Record:
    """The record in a storage folder or at a tracking URI, opened for reading."""

    def __init__(self, storage: Path, tracking_uri: str | None = None) -> None:
        """With `tracking_uri` None, opens <storage>/mlflow.db.

        Raises RecordError if there is no record, ConfigError if the URI cannot be that of one.
        """
        self.uri = record_uri(tracking_uri, storage)
        if database := sqlite_file(self.uri):
            _require_database(database)
        check_answers(self.uri)
        with record_errors_explained(self.uri):
            self._client = connect(self.uri)
            experiment = experiment_of(self._client)
        if experiment is None:
            raise RecordError(f"{self.uri}: no experiment {EXPERIMENT} in it; launch an ablation first")
        self._experiment: str = experiment
        self._cells: dict[str, Cell] = {}  # cells read so far, because ablations share them
        self.skipped: dict[str, str] = {}  # id of a report run whose plan cannot be read → what is wrong with the plan

    def launches(self, id: str | None = None, *, own: Collection[str] = ()) -> tuple[Launch, ...]:
        """The newest launch of each ablation on each dataset, newest first; with `id`, only the launch of that id.

        The age of a launch is the time since its command was last run; those with an id in `own` are newer than all
        others, whatever the clocks of other machines say. A launch whose plan cannot be read, for example because
        another version wrote it, is left out and listed in `skipped`. Raises RecordError if the launch `id` is not in
        the record or its plan cannot be read.
        """

        def age(run: Run) -> tuple[bool, tuple[int, str]]:
            return run.data.tags.get(Tag.LAUNCH) in own, _last_used(run)

        reports = sorted(self._runs(f"tags.{Tag.KIND} = '{REPORT}'"), key=age, reverse=True)
        if id is not None:
            known = [run.data.tags.get(Tag.LAUNCH, "") for run in reports]
            reports = [run for run in reports if run.data.tags.get(Tag.LAUNCH) == id]
            if not reports:
                there = f"there are: {', '.join(known)}" if known else "it holds none"
                raise RecordError(f"launch={id}: not in {self.uri}; {there}")
            return (self._launch(reports[0]),)
        newest: dict[tuple[str, str], Launch] = {}
        for run in _distinct(reports):
            key = (run.data.tags.get(Tag.ABLATION, ""), run.data.tags.get(Tag.DATA, ""))
            if Tag.SPLIT in run.data.tags and key in newest:
                continue
            if launch := self._readable(run):
                newest.setdefault((key[0], launch.data), launch)
        return tuple(newest.values())

    @cached_property
    def every_launch(self) -> tuple[tuple[Launch, int], ...]:
        """All launches and when the command of each was last run, in ms since 1970; the newest first.

        Those whose plan cannot be read are left out, as in `launches`.
        """
        reports = sorted(self._runs(f"tags.{Tag.KIND} = '{REPORT}'"), key=_last_used, reverse=True)
        read = [(self._readable(run), _last_used(run)[0]) for run in _distinct(reports)]
        return tuple((launch, used) for launch, used in read if launch)

    def states(self) -> dict[str, CellState]:
        """Cell → how far it is; cells without a run are left out."""
        states: dict[str, CellState] = {}
        for run in sorted(self._runs(f"tags.{Tag.KIND} = '{CELL}'"), key=_last_used):
            id, tags = run.data.tags.get(Tag.CELL, ""), run.data.tags
            if id not in states or states[id].status != "FINISHED":
                failed = run.info.status == "FAILED"
                states[id] = CellState(run.info.status, tags.get(Tag.REASON, "unknown") if failed else "")
        return states

    @cached_property
    def baselines(self) -> tuple[Launch, ...]:
        """All launches of the baselines with a readable plan, newest first."""
        reports = self._runs(f"tags.{Tag.KIND} = '{REPORT}' and tags.{Tag.ABLATION} = '{BASELINES}'")
        launches = (self._readable(run) for run in sorted(reports, key=_last_used, reverse=True))
        return tuple(launch for launch in launches if launch)

    def cells(self, launch: Launch) -> dict[str, Cell]:
        """The finished cells of a launch, by id."""
        unread = [id for id in launch.cells if id not in self._cells]
        if unread:
            found = self._tagged(launch.ablation, RUNS_PER_CELL * len(unread))
            for id in unread:
                runs = found.get(id) or _finished(self._runs(f"tags.{Tag.CELL} = '{id}'"))
                if runs:
                    self._cells[id] = self._cell(id, runs)
        return {id: self._cells[id] for id in launch.cells if id in self._cells}

    def each_fold(self, cell: Cell) -> tuple[Cell, ...]:
        """The finished cells of the folds of a cell; the cell itself if it is of one."""
        return tuple(each for id in cell.folds if (each := self.cell(id))) or (cell,)

    def cell(self, id: str) -> Cell | None:
        """The finished cell of an id, None if there is none, as of a text that is no id."""
        if not id.isalnum():
            return None
        runs = _finished(self._runs(f"tags.{Tag.CELL} = '{id}'"))
        return self._cell(id, runs) if runs else None

    def history(self, cell: Cell, metric: str) -> dict[int, float]:
        """Epoch → the value of a metric after it, in ascending order; empty where it was not recorded."""
        values = self._client.get_metric_history(cell.run_id, metric)
        return {each.step: each.value for each in sorted(values, key=lambda each: (each.step, each.timestamp))}

    def classes(self, cell: Cell) -> dict[int, str]:
        """Number → name of the classes of the cell's clips and predictions; empty where they were not recorded.

        Raises RecordError if they cannot be read.
        """
        return self._parsed(cell, File.PREDICTIONS, read_classes)

    def probable(self, cell: Cell) -> tuple[Prediction, ...]:
        """The cell's predictions with their probabilities, where these were recorded.

        Raises RecordError if they cannot be read.
        """
        if not self._has(cell, File.PROBABILITIES):
            return cell.predictions
        return self._parsed(cell, File.PROBABILITIES, lambda text: with_probabilities(cell.predictions, text))

    def pictures(self, cell: Cell) -> dict[str, bytes]:
        """Clip → a JPEG of it, for the clips that the cell, or each of its folds, was most wrong about.

        Empty where none were kept. Raises RecordError if they cannot be read.
        """
        if cell.folds:
            return self._of_folds(cell, self.pictures)
        return self._decoded(cell, File.WORST_CLIPS, read_pictures) if self._has(cell, File.WORST_CLIPS) else {}

    def attention(self, cell: Cell) -> dict[str, dict[str, float]]:
        """Clip → the numbers of a test that looked at attention, or of all folds of one.

        Raises RecordError if they cannot be read.
        """
        if cell.folds:
            return self._of_folds(cell, self.attention)
        return self._parsed(cell, File.ATTENTION, read_numbers)

    def maps(self, cell: Cell) -> Maps:
        """The maps of a test that looked at attention, of several folds the first. Raises RecordError if unreadable."""
        return self._decoded(self.each_fold(cell)[0], File.MAPS, read_maps)

    def _of_folds(self, cell: Cell, read: Callable[[Cell], Mapping[str, T]]) -> dict[str, T]:
        """What is read of each fold of a cell that is still there, by the names that its clips have in the cell."""
        folds = dict.fromkeys(fold_and_clip(each.clip)[0] for each in cell.predictions)
        return {
            clip_in_fold(clip, fold): value
            for fold, id in zip(folds, cell.folds, strict=False)
            if (own := self.cell(id))
            for clip, value in read(own).items()
        }

    def _has(self, cell: Cell, name: str) -> bool:
        """Whether the cell's run has a file."""
        return name in {file.path for file in files_of(self._client.get_run(cell.run_id), self.uri).list_artifacts()}

    def _parsed(self, cell: Cell, name: str, parse: Callable[[str], T]) -> T:
        return self._decoded(cell, name, lambda content: parse(content.decode("utf-8")))

    def _decoded(self, cell: Cell, name: str, decode: Callable[[bytes], T]) -> T:
        try:
            return decode(self._content(self._client.get_run(cell.run_id), name))
        except UnicodeDecodeError as error:
            raise damaged(cell.run_id, cell.id, f"{name} cannot be read") from error
        except ValueError as error:
            raise damaged(cell.run_id, cell.id, str(error)) from error

    def _tagged(self, ablation: str, limit: int) -> dict[str, list[Run]]:
        """The finished runs tagged with an ablation, by cell, in one query; none if there are more than `limit`."""
        filter = f"tags.`{ABLATION_PREFIX}{ablation}` = 'true'"
        runs = self._client.search_runs([self._experiment], filter, max_results=limit)
        cells: dict[str, list[Run]] = {}
        for run in [] if runs.token else _finished(runs):
            cells.setdefault(run.data.tags.get(Tag.CELL, ""), []).append(run)
        return cells

    def _runs(self, filter: str) -> list[Run]:
        """All runs that match MLflow's filter, newest first."""
        runs: list[Run] = []
        page: str | None = None
        while True:
            part = self._client.search_runs(
                [self._experiment], filter, order_by=["attributes.start_time DESC"], page_token=page
            )
            runs += part
            page = part.token
            if not page:
                return runs

    def _readable(self, run: Run) -> Launch | None:
        """The launch of a report run, None if its plan cannot be read."""
        try:
            return self._launch(run)
        except RecordError as error:
            self.skipped[run.info.run_id] = str(error)
            return None

    def _launch(self, run: Run) -> Launch:
        text, id = self._read(run, File.PLAN), run.data.tags.get(Tag.LAUNCH, "")
        try:
            launch = replace(read_plan(text), id=id)
        except ValueError as error:
            raise damaged(run.info.run_id, id, str(error)) from error
        return launch if launch.split else self._with_split(launch)

    def _with_split(self, launch: Launch) -> Launch:
        """Completes the launch of an old plan, which does not name the split, from the parameters of its cells."""
        for id in launch.cells:
            runs = self._client.search_runs([self._experiment], f"tags.{Tag.CELL} = '{id}'", max_results=1)
            if runs and "data.split" in runs[0].data.params:
                split = runs[0].data.params["data.split"]
                return replace(launch, split=split, data=launch.data + VALIDATION * (split == "validation"))
        return replace(launch, split="test")

    def _cell(self, id: str, runs: Sequence[Run]) -> Cell:
        run = max(runs, key=_last_used)
        return Cell(
            id=id,
            run_id=run.info.run_id,
            metrics=run.data.metrics,
            params=run.data.params,
            kind=kind_of(run.data.tags),
            fused=Tag.FUSED in run.data.tags,
            folds=tuple(re.findall(r"\b[0-9a-f]{16}\b", run.data.tags.get(Tag.FOLDS, ""))),
            code_digest=_tag(run, Tag.CODE_DIGEST),
            data_digest=_tag(run, Tag.DATA_DIGEST),
            finished_runs=len(runs),
            read_predictions=lambda: self._predictions(run, id),
            weights=run.data.tags.get(Tag.TRAINED, id),
            modality=run.data.tags.get(Tag.MODALITY, ""),
            seconds=((run.info.end_time or 0) - (run.info.start_time or 0)) / 1000,
            environment={
                key.removeprefix(ENVIRONMENT_PREFIX): value
                for key, value in run.data.tags.items()
                if key.startswith(ENVIRONMENT_PREFIX)
            },
        )

    def _predictions(self, run: Run, id: str) -> tuple[Prediction, ...]:
        text = self._read(run, File.PREDICTIONS)
        try:
            predictions = read_predictions(text, run.data.tags.get(Tag.TESTED))
            for each in predictions if Tag.FOLDS in run.data.tags else ():
                fold_and_clip(each.clip)
            return predictions
        except ValueError as error:
            raise damaged(run.info.run_id, id, str(error)) from error

    def _read(self, run: Run, name: str) -> str:
        try:
            return self._content(run, name).decode("utf-8")
        except UnicodeDecodeError as error:
            raise damaged(run.info.run_id, run.info.run_name or "", f"{name} cannot be read") from error

    def _content(self, run: Run, name: str) -> bytes:
        try:
            return read_bytes(run, self.uri, name)
        except (OSError, MlflowException) as error:
            files_of(run, self.uri).list_artifacts()  # raises if it is the server that cannot be reached
            raise damaged(run.info.run_id, run.info.run_name or "", f"{name} cannot be read") from error


def folder_of(launch: Launch) -> str:
    """The name of a launch's folder below tables/: unique, and valid on every file system."""
    named, id = (_slug(text) for text in (f"{launch.ablation} {launch.preset} {launch.data}", launch.id))
    return f"{named[:LONGEST]}-{id}"


def _distinct(reports: Iterable[Run]) -> list[Run]:
    """The first run of each launch: a server whose answer was lost was asked again, and created another."""
    first: dict[str, Run] = {}
    for run in reports:
        first.setdefault(run.data.tags.get(Tag.LAUNCH) or run.info.run_id, run)
    return list(first.values())


def _slug(text: str) -> str:
    """The text with everything but letters, digits, "_" and "." replaced by "-"."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", text)


def _last_used(run: Run) -> tuple[int, str]:
    """When a run was last started or ended, in ms since 1970, and the run's id to break ties."""
    return max(run.info.start_time or 0, run.info.end_time or 0), run.info.run_id


def _finished(runs: Iterable[Run]) -> list[Run]:
    """The finished runs. In the filter of a query on SQLite, the status would take longer than all the rest."""
    return [run for run in runs if run.info.status == "FINISHED"]


def _tag(run: Run, key: str) -> str:
    if key not in run.data.tags:
        raise damaged(run.info.run_id, run.data.tags.get(Tag.CELL, ""), f"{key} is not recorded")
    return str(run.data.tags[key])


def damaged(run_id: str, id: str, fault: str) -> RecordError:
    """The error for a run of cell or launch `id` that contradicts itself."""
    return RecordError(f"run {run_id} of {id}: {fault}; delete the run (`make ui`) and launch again")


def _require_database(path: Path) -> None:
    """Raises RecordError if there is no database, because MLflow would otherwise create one.

    It does not open the file: to close it again would release SQLite's locks on it in this process.
    """
    if not (path.is_file() and has_tables(path)):
        way_out = "launch an ablation (`python orchestrate.py ablation=stride_grid`), or name the folder with storage="
        raise RecordError(f"{path}: there is no record; {way_out}")
