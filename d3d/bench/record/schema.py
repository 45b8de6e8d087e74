"""What the record holds: the names of its tags, metrics and files, and the shape of plan.json and predictions.csv.

Whoever writes the record and whoever reads it import these from here, so that neither can mean something else than the
other. Older records stay readable: what they lack has a default, and a field that is new gets one.

The record has one *report* run per ablation of a launch, which keeps plan.json, and one *cell* run per training, test,
baseline or measurement. Nothing here imports torch, ray or mlflow.
"""

import csv
import io
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from pydantic import TypeAdapter, ValidationError

from d3d.bench.declare.ablations import Value, overrides_of
from d3d.prediction import Prediction

EXPERIMENT = "3d-deformable-transformer"  # the record's name in MLflow
DATABASE = "mlflow.db"  # in the storage folder
ARTIFACTS = "artifacts"  # the folder of the runs' files, beside the database
REPORT, CELL = "report", "cell"  # what a run is: values of the tag `kind`


class Tag(StrEnum):
    """The tags of runs."""

    KIND = "kind"  # REPORT or CELL
    PRESET = "preset"
    DATA = "data"  # how the data is called, such as "penn_action, rendered"
    SPLIT = "split"  # of the clips it was tested on, test or validation; old records do not say it
    DATA_DIGEST = "data_digest"  # several are joined with "+"

    LAUNCH = "launch"  # of a report: the id of the launch
    ABLATION = "ablation"  # of a report
    SEARCH = "search"  # of a report with one

    CELL = "cell"  # of a cell: its id
    ROW = "row"  # the first row that asked for the cell, such as "modules: full"; the same for all seeds of a row
    SEED = "seed"
    CODE_DIGEST = "code_digest"  # of the code that the cell ran through; several are joined with "+"
    DEVICE = "device"
    MODALITY = "modality"  # what of a clip the system looks at: R (frames), P (joints) or R+P
    TRAINED = "trained"  # of a test: the cell whose weights it tests
    MEASUREMENT = "measurement"  # of a measurement: what is measured
    BASELINE = "baseline"  # of a baseline: its method
    FUSED = "fused"  # of a fusion: the cells that it takes the mean of, joined with "+"
    TUNED = "tuned"  # of a row at the settings that a search found: the study
    STUDY = "study"  # of a trial of a search
    TRIAL = "trial"  # of a trial: its number
    PRUNED = "pruned"  # "true" where a trial was stopped early
    FAILURE = "failure"  # of a failed cell: which kind of failure
    REASON = "reason"  # of a failed cell: why, in a line
    DAMAGED = "damaged"  # a checkpoint was, and had to be left


ABLATION_PREFIX = "ablation."  # of tags that name each ablation a cell serves: "ablation.modules" is "true"
ENVIRONMENT_PREFIX = "environment."  # of the tags of d3d/bench/record/conditions.py


class Metric(StrEnum):
    """The metrics of cells: accuracies are fractions of the clips."""

    TOP1 = "top1"  # the result
    MEAN_CLASS_ACCURACY = "mean_class_accuracy"

    TRAIN_LOSS = "train_loss"  # these are of each epoch of a training
    TRAIN_TOP1 = "train_top1"
    LEARNING_RATE = "learning_rate"
    CLIPS_PER_SECOND = "clips_per_second"
    PEAK_MEMORY_MIB = "peak_memory_mib"
    PARAMETERS = "parameters"  # of a training: how many numbers it adjusts
    GMACS = "gmacs"  # of a training: billions of multiply-accumulates of one clip's forward pass
    EVAL_LOSS = "eval_loss"  # and these of each epoch after which the training was tested
    EVAL_TOP1 = "eval_top1"
    EVAL_MEAN_CLASS_ACCURACY = "eval_mean_class_accuracy"
    EVAL_CLIPS_PER_SECOND = "eval_clips_per_second"
    TEST_TOP1 = "test_top1"  # what EVAL_TOP1 was called before runs had the tag `split`
    MOVED_T = "moved_t"  # tokens that the points of 3D deformable attention moved along each axis, the mean
    MOVED_Y = "moved_y"
    MOVED_X = "moved_x"

    VALIDATION_TOP1 = "validation_top1"  # of a baseline: in cross-validation of the training clips
    ALPHA = "alpha"  # of a baseline: what was chosen there
    GAMMA = "gamma"

    SCORE_PAIRS = "score_pairs"  # of a measurement: see d3d/analysis/complexity.py
    PRINTED = "printed"
    FLOPS = "flops"
    SECONDS = "seconds"
    MEMORY_MIB = "memory_mib"


class File(StrEnum):
    """The files of runs, and the folders of them."""

    PLAN = "plan.json"  # of a report
    TABLES = "tables"  # of a report: its tables and figures
    SEARCH = "search"  # of a report: the pictures of its studies
    PREDICTIONS = "predictions.csv"  # of a cell: what the model says of each test clip
    PROBABILITIES = "probabilities.csv"  # of a cell: what the model gives each class of each test clip
    ERROR = "error.txt"  # of a failed cell: the traceback


@dataclass(frozen=True)
class Point:
    """One row of an ablation with one seed, as asked for, and the cell that answers it."""

    row: str
    axes: dict[str, Value]  # configuration key → value
    seed: int
    cell: str


@dataclass(frozen=True)
class Study:
    """The search over the settings of one row, as far as it has come."""

    study: str  # its name in Optuna
    trials: int  # that ended, however they did
    pruned: int
    failed: int
    epochs: int  # trained over all its trials
    validation_top1: float | None  # percent, of the best trial; None before there is one
    settings: dict[str, Value] | None  # of the best trial


@dataclass(frozen=True)
class Tuned:
    """What a launch with a search asks for beside its rows: each again, with the settings its study found."""

    search: str
    points: tuple[Point, ...]  # none of a row whose study is unfinished
    studies: dict[str, Study]  # by row


@dataclass(frozen=True)
class Launch:
    """What one launch asks of one ablation: its plan.json. Several points may share one cell."""

    ablation: str
    artefacts: tuple[str, ...]  # the tables and figures it makes
    title: str
    section: str  # of the paper
    claims: tuple[str, ...]  # as d3d/bench/declare/claims.py reads them
    preset: str
    data: str  # how the data is called, "penn_action, rendered"; it ends with VALIDATION where it was tested on that
    data_digest: str  # several are joined with "+"
    frames: int  # T
    points: tuple[Point, ...]
    command: str  # what a user types to fill the cells that are missing
    reference: str | None = None  # the row that the others are tested against
    tuned: Tuned | None = None  # None without a search
    settle: int | None = None  # with seeds=settle the most seeds a row may take; None where the seeds were named
    split: str = ""  # of the clips it was tested on, test or validation; the plans of old records do not say it
    overrides: tuple[str, ...] | None = None  # keys that its command line changed, as typed; None: the plan is older
    seeds: tuple[int, ...] = ()  # of its points
    id: str = ""  # its name in the record, which is also the report's tag; the plans of old records do not say it

    @property
    def changes(self) -> tuple[str, ...]:
        """The overrides; of a plan that does not list them, those of its command."""
        return overrides_of(shlex.split(self.command)) if self.overrides is None else self.overrides

    @property
    def cells(self) -> tuple[str, ...]:
        """The distinct cells, in the order in which the points name them, the tuned ones last."""
        points = (*self.points, *(self.tuned.points if self.tuned else ()))
        return tuple(dict.fromkeys(point.cell for point in points))


_LAUNCH = TypeAdapter(Launch)


def write_plan(launch: Launch) -> str:
    """The text of plan.json."""
    return _LAUNCH.dump_json(launch, indent=1).decode()


def read_plan(text: str) -> Launch:
    """The launch of a plan.json. Raises ValueError, which says in a line what is wrong and where."""
    try:
        return _LAUNCH.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{File.PLAN}, {place}: {first['msg']}") from error


def write_predictions(predictions: Iterable[Prediction]) -> str:
    """The text of predictions.csv: a header and a line a clip."""
    lines = [(each.clip, each.label, each.predicted, each.take) for each in predictions]
    return _table([("clip", "label", "predicted", "take"), *lines])


def write_probabilities(predictions: Sequence[Prediction]) -> str:
    """The text of probabilities.csv: a column for each class, by its number, and a line a clip."""
    header = ["clip", *map(str, range(len(predictions[0].probabilities)))]
    return _table([header, *([each.clip, *each.probabilities] for each in predictions)])


def with_probabilities(predictions: Iterable[Prediction], text: str) -> tuple[Prediction, ...]:
    """The predictions with what a probabilities.csv says of their clips. Raises ValueError like `read_predictions`."""
    _, *lines = csv.reader(io.StringIO(text, newline=""))
    try:
        known = {clip: tuple(map(float, numbers)) for clip, *numbers in lines}
        return tuple(replace(each, probabilities=known[each.clip]) for each in predictions)
    except (KeyError, ValueError) as error:
        raise ValueError(f"{File.PROBABILITIES}: {error!r}") from error


def _table(lines: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def read_predictions(text: str) -> tuple[Prediction, ...]:
    """The predictions of a predictions.csv, one a clip. Raises ValueError, which says in a line what is wrong.

    Those of old records say no `take`.
    """
    rows = csv.DictReader(io.StringIO(text, newline=""))
    try:
        predictions = tuple(
            Prediction(row["clip"], int(row["label"]), int(row["predicted"]), row.get("take") or "") for row in rows
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{File.PREDICTIONS}, line {rows.line_num}: {error!r}") from error
    if not predictions or len({each.clip for each in predictions}) < len(predictions):
        raise ValueError(f"{File.PREDICTIONS} holds no clip, or one twice")
    return predictions
