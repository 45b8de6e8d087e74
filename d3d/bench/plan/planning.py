"""From a launch to its plan: its distinct cells, and for each ablation a report that says what they are needed for."""

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from d3d.bench.declare.ablations import RECIPE, Ablation, ablations, overrides_of
from d3d.bench.declare.launch import Launch
from d3d.bench.kinds.registry import KINDS, TRAINING
from d3d.bench.plan.cell import Cell
from d3d.bench.plan.identity import short_hash
from d3d.bench.plan.row_cells import Configs, Datasets, cell_of, ids_of, row_cell
from d3d.bench.record import schema
from d3d.bench.record.location import checkpoints
from d3d.bench.record.provenance import Code, code_of, current_code, part_of
from d3d.bench.record.schema import ABLATION_PREFIX, Point, Tag
from d3d.bench.search.planned_study import SPLIT, PlannedStudy, plan_study
from d3d.bench.search.study_progress import StudyProgress
from d3d.config import Config, DataConfig
from d3d.data.clip import Dataset
from d3d.data.readers.registry import open_dataset
from d3d.data.samples.augmentation import check_flip
from d3d.data.samples.sampling import check_frames, repeated_frames
from d3d.errors import ConfigError, DataError
from d3d.training.checkpoint import finished_epochs

if TYPE_CHECKING:
    from mlflow.entities import Run

Seeds = Mapping[str, Mapping[str, int]]
"""`RECIPE` or `TUNED` → row → the number of seeds it should have, where that is more than at first."""


@dataclass(frozen=True)
class Tuned:
    """The results of the search for the rows of one ablation; a row whose study is unfinished has no points."""

    study_progress: Mapping[str, StudyProgress]  # by row
    points: tuple[Point, ...]
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Report:
    """What one ablation of a launch asks for: its points, several of which may share a cell, and the cells."""

    launch: Launch
    ablation: Ablation
    configs: Configs = field(repr=False)  # of its rows
    points: tuple[Point, ...]
    cells: tuple[Cell, ...]  # with all cells that these need
    reference: str | None  # the row that the others are compared with; None: there is none
    studies: Mapping[str, PlannedStudy] = field(default_factory=dict)  # by row; with a search, of what is trained
    tuned: Tuned | None = None  # None without studies
    wanted: Seeds = field(default_factory=dict)  # of `seeds=settle`

    def seeds_of(self, part: str, row: str) -> tuple[int, ...]:
        """The seeds that a row should have by now; `part` is RECIPE or TUNED."""
        more = self.wanted.get(part, {}).get(row, 0)
        return self.launch.seeds if more <= len(self.launch.seeds) else tuple(range(more))

    @property
    def id(self) -> str:
        """Its id in the record: the same for the same command, and whether it is launched alone or with others."""
        cells = sorted(cell.id for cell in self.cells if cell.config.seed in {0, *self.launch.seeds})
        named: list[Any] = [self.ablation.name, self.launch.preset, self.launch.data, cells]
        if self.launch.settle:
            named.append({"settle": self.launch.settle})
        if self.studies and self.launch.search:
            named.append({"search": self.launch.search.name, "trials": self.launch.search.trials})
        return short_hash(named)

    @property
    def all_cells(self) -> tuple[Cell, ...]:
        """Its cells, the tuned cells, and those that the trials of its studies start from."""
        trials = {need.id: need for study in self.studies.values() for need in study.starts}
        return (*self.cells, *trials.values(), *(self.tuned.cells if self.tuned else ()))

    @property
    def data_digest(self) -> str:
        """The digests of all datasets of its cells, joined by "+"; empty where it needs no data."""
        return "+".join(sorted({cell.data_digest for cell in self.cells}))

    @property
    def command(self) -> str:
        """The command that runs it, and that continues it."""
        arguments = list(self.launch.arguments)
        if len(self.launch.ablations) > 1:
            arguments = [f"ablation={self.ablation.name}", *(a for a in arguments if not a.startswith("ablation="))]
        return f"python orchestrate.py {shlex.join(arguments)}"

    @property
    def recorded(self) -> schema.Launch:
        """Its plan.json: everything that the report needs to place the results of the cells."""
        launch, ablation = self.launch, self.ablation
        return schema.Launch(
            id=self.id,
            ablation=ablation.name,
            artefacts=ablation.artefacts,
            title=ablation.title,
            section=ablation.section,
            claims=ablation.claims,
            reference=self.reference,
            command=self.command,
            preset=launch.preset,
            overrides=overrides_of(launch.arguments),
            data=launch.data,
            split=launch.config.data.split,
            data_digest=self.data_digest,
            seeds=tuple(sorted({point.seed for point in self.points})),
            settle=launch.settle,
            frames=launch.config.training.frames,
            points=self.points,
            folds=launch.config.data.folds if len(launch.config.data.folds) > 1 else (),
            left_out=tuple(dict.fromkeys(id for cell in self.cells for id in cell.left_out)),
            tuned=self._tuned_recorded(),
        )

    def _tuned_recorded(self) -> schema.Tuned | None:
        if self.tuned is None or self.launch.search is None:
            return None
        return schema.Tuned(
            search=self.launch.search.name,
            points=self.tuned.points,
            studies={row: progress.recorded for row, progress in self.tuned.study_progress.items()},
        )


@dataclass(frozen=True)
class Plan:
    """Everything that a launch asks for."""

    launch: Launch
    reports: tuple[Report, ...]
    codes: Mapping[str, Code]  # the current code, by part
    opened: Datasets = field(repr=False)  # the datasets of its rows

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """The distinct cells in the order in which they run: a cell comes after those that it needs."""
        distinct = {cell.id: cell for report in reversed(self.reports) for cell in reversed(report.all_cells)}
        asked = dict.fromkeys(cell.id for report in self.reports for cell in report.all_cells)
        digests = {
            digest: place for place, digest in enumerate(dict.fromkeys(distinct[id].data_digest for id in asked))
        }

        def place(cell: Cell) -> tuple[int, int, int]:  # on one dataset after the other: a worker keeps one open
            return KINDS.index(cell.kind), cell.depth, digests[cell.data_digest]

        return tuple(sorted((distinct[id] for id in asked), key=place))

    @cached_property
    def shared(self) -> dict[str, int]:
        """The project's other ablations → the number of its reports' cells that they ask for too.

        Empty for a recorded cell that is run anew: it has no preset by which other ablations could be configured.
        """
        if not self.launch.models:
            return {}
        cells = {cell.id for report in self.reports for cell in report.cells}
        others = [each for each in ablations().values() if each not in self.launch.ablations]
        counts = {each.name: len(cells & ids_of(self.launch, each, self.opened)) for each in others}
        return {name: count for name, count in counts.items() if count}

    @cached_property
    def datasets(self) -> dict[str, Dataset]:
        """The datasets of its cells and of the trials of its studies, by digest."""
        validation = [study.validation for report in self.reports for study in report.studies.values()]
        return {dataset.digest: dataset for dataset in (*self.opened.values(), *validation)}

    @property
    def remarks(self) -> tuple[str, ...]:
        """The remarks about its datasets, and about clips that are shorter than their samples, each once."""
        configs = [config for report in self.reports for config in report.configs.values()]
        asked = sorted({frames for config in configs for frames in _asked(config).values()})
        repeated = [repeated_frames(dataset, frames) for frames in asked for dataset in self.opened.values()]
        about = [dataset.remarks for dataset in self.opened.values()]
        return tuple(dict.fromkeys(remark for remarks in (*about, *repeated) for remark in remarks))

    @property
    def artefacts(self) -> tuple[str, ...]:
        """The tables and figures of all its ablations."""
        return tuple(name for report in self.reports for name in report.ablation.artefacts)

    def ablations_of(self, cell: str) -> tuple[str, ...]:
        """The ablations of this launch that ask for the cell with this id."""
        return tuple(r.ablation.name for r in self.reports if any(each.id == cell for each in r.all_cells))

    def tags_of(self, cell: str) -> dict[str, str]:
        """Tags of the run of the cell with this id: the ablations that ask for it, and the study that tuned it."""
        tuned = {
            point.cell: report.tuned.study_progress[point.row].study
            for report in self.reports
            if report.tuned
            for point in report.tuned.points
        }
        ablations = {f"{ABLATION_PREFIX}{name}": "true" for name in self.ablations_of(cell)}
        return ablations | ({Tag.TUNED.value: tuned[cell]} if cell in tuned else {})

    @cached_property
    def studies(self) -> tuple[PlannedStudy, ...]:
        """The distinct studies: rows may share one."""
        return tuple({study.id: study for report in self.reports for study in report.studies.values()}.values())

    @cached_property
    def study_progress(self) -> dict[str, StudyProgress]:
        """How far each study is, by its id; of none before `with_tuned_rows`."""
        return {
            report.studies[row].id: progress
            for report in self.reports
            if report.tuned
            for row, progress in report.tuned.study_progress.items()
        }

    @property
    def untuned(self) -> bool:
        """Whether a study is unfinished or has found no settings."""
        return any(each.left or each.best is None for each in self.study_progress.values())

    @property
    def trials_left(self) -> int:
        """The trials that all studies together have left."""
        return sum(each.left for each in self.study_progress.values())

    def code_of(self, cell: Cell) -> Code:
        """The current code that computes a cell."""
        return self.codes[part_of(cell.kind_name, cell.config.model.system)]

    def stale(self, finished: Mapping[str, "Run"]) -> tuple[Cell, ...]:
        """The finished cells that were computed with other code."""
        there = [cell for cell in self.cells if cell.id in finished]
        return tuple(cell for cell in there if not self.code_of(cell).made(code_of(finished[cell.id])))

    def counted(self, finished: Mapping[str, "Run"]) -> dict[str, "Run"]:
        """The finished cells that this launch does not run again: with stale=rerun, none of other code."""
        again = {cell.id for cell in self.stale(finished)} if self.launch.stale == "rerun" else ()
        return {id: run for id, run in finished.items() if id not in again}

    @property
    def continued(self) -> dict[str, Code]:
        """Part of the code → the code whose runs are continued; runs of a part that is missing always are."""
        return dict(self.codes) if self.launch.stale == "rerun" else {}

    def continued_code(self, cell: Cell) -> Code | None:
        """The code that a run of the cell must be of to be continued; None: any code."""
        return self.code_of(cell) if self.launch.stale == "rerun" else None

    def unfinished(self, finished: Collection[str]) -> tuple[Cell, ...]:
        """The cells to run, in order, where `finished` are `counted` as finished.

        A finished training runs again where a cell or a trial that is to run needs its weights and they are missing or
        damaged.
        """
        folder = checkpoints(self.launch.storage)
        left = (
            study for study in self.studies if study.id in self.study_progress and self.study_progress[study.id].left
        )
        to_run = {start.id for study in left for start in study.starts}
        for cell in reversed(self.cells):  # whoever needs a cell comes after it
            gone = cell.id in to_run and finished_epochs(folder / cell.id, cell.config) < cell.epochs
            if cell.id in finished and not gone:
                to_run.discard(cell.id)
            else:
                to_run.add(cell.id)
                to_run |= {need.id for need in cell.needs if cell.kind.loads}
        return tuple(cell for cell in self.cells if cell.id in to_run)


def make_plan(launch: Launch) -> Plan:
    """The plan of a launch. Opens its datasets, and generates the synthetic one. Raises ConfigError and DataError."""
    codes = current_code(launch.config.model.system)
    configs = [{row.label: launch.configure(row) for row in ablation.rows} for ablation in launch.ablations]
    trained = [config for rows in configs for config in rows.values() if config.measurement.module is None]
    folds = dict.fromkeys(data for config in trained for data in config.data.each_fold)
    datasets = {data: open_dataset(data, launch.storage / "data") for data in folds}
    for config in trained:
        _check_classes(config.data, datasets)
        for data in config.data.each_fold:
            if config.baseline.method is None:
                check_flip(datasets[data], config.augmentation)
            for key, frames in _asked(config).items():
                check_frames(datasets[data], frames, key)
    reports = tuple(
        _report(Report(launch, ablation, rows, (), (), None), datasets)
        for ablation, rows in zip(launch.ablations, configs, strict=True)
    )
    return Plan(launch, _with_studies(launch, reports, datasets) if launch.search else reports, codes, datasets)


def _asked(config: Config) -> dict[str, int]:
    """Key → the number of frames for which it asks."""
    asked = {"training.frames": config.training.frames, "evaluation.frames": config.evaluation.frames}
    return {key: frames for key, frames in asked.items() if frames is not None}


def _check_classes(data: DataConfig, datasets: Datasets) -> None:
    """Raises DataError where the folds of a row have different numbers of classes."""
    counts = {number: len(datasets[fold].classes) for number, fold in zip(data.folds, data.each_fold, strict=False)}
    if len(set(counts.values())) > 1:
        said = ", ".join(f"fold {number} has {count}" for number, count in counts.items())
        fault = f"data.fold={list(data.folds)}: folds must have the same classes, but {said} in their training clips"
        raise DataError(f"{fault}; name their number, data.classes={max(counts.values())}")


def with_seeds(plan: Plan, wanted: Mapping[str, Seeds]) -> Plan:
    """The plan in which rows have the wanted number of seeds; `wanted` is by the name of the ablation."""
    asked = [replace(report, wanted=wanted.get(report.ablation.name, {}), tuned=None) for report in plan.reports]
    return replace(plan, reports=tuple(_report(report, plan.opened) for report in asked))


def _with_studies(launch: Launch, reports: Sequence[Report], datasets: Datasets) -> tuple[Report, ...]:
    """The reports with a study for each row whose cells are trainings. Raises ConfigError where there is none."""
    assert launch.search
    configs = [config for report in reports for config in report.configs.values()]
    for config in configs:
        if len(config.data.folds) > 1:
            fault = f"data.fold={list(config.data.folds)}: what one fold trains on and tunes by, another is tested on"
            raise ConfigError(f"search={launch.search.name}: {fault}; name one fold, data.fold={config.data.folds[0]}")
    splits = {
        data: replace(data, split=SPLIT) for config in configs for data in config.data.each_fold if data in datasets
    }
    validation = {data: open_dataset(split, launch.storage / "data") for data, split in splits.items()}
    planned = []
    for report in reports:
        trainings = {cell.id for cell in report.cells if cell.kind is TRAINING}
        trained = {point.row for point in report.points if point.cell in trainings}
        studies = {}
        for row in report.ablation.rows:
            if row.label in trained:
                config = report.configs[row.label]
                (data,) = config.data.each_fold
                clips = datasets[data], validation[data]
                studies[row.label] = plan_study(launch, report.ablation, row, replace(config, data=data), *clips)
        planned.append(replace(report, studies=studies))
    if not any(report.studies for report in planned):
        raise ConfigError(f"search={launch.search.name}: {launch.name} trains nothing to be tuned; leave it out")
    return tuple(planned)


def _report(report: Report, datasets: Datasets) -> Report:
    """The report with its points, its cells and its reference, for the seeds that each row is to have."""
    ablation = report.ablation
    seeds = {row.label: report.seeds_of(RECIPE, row.label) for row in ablation.rows}
    points: dict[tuple[str, int], Point] = {}
    cells: dict[str, Cell] = {}
    for seed in sorted(set().union(*seeds.values())):
        for row in ablation.rows:
            if seed in seeds[row.label]:
                cell = row_cell(ablation, report.configs, row, seed, datasets)
                cells.setdefault(cell.id, cell)
                number = cell.config.seed  # 0 for a measurement or a baseline, which needs one seed
                points.setdefault((row.label, number), Point(row.label, row.settings, number, cell.id))
    for cell in list(cells.values()):
        for need in cell.with_needs:
            cells.setdefault(need.id, need)
    asked = tuple(points.values())
    reference = _reference(report.launch, asked, datasets)
    return replace(report, points=asked, cells=tuple(cells.values()), reference=reference)


def _reference(launch: Launch, points: Sequence[Point], datasets: Datasets) -> str | None:
    """The row called full; otherwise the row with the launch's own configuration, if there is one."""
    if any(point.row == "full" for point in points):
        return "full"
    if not datasets.keys() >= set(launch.config.data.each_fold):
        return None
    own = cell_of("", replace(launch.config, seed=launch.seeds[0]), datasets).id
    return next((point.row for point in points if point.cell == own), None)
