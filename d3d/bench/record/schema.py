"""Defines what the record holds: names of tags, metrics and files, and the format of plan.json and predictions.csv.

The code that writes the record and the code that reads it both import these, so that they always agree. Older records
stay readable: every field that they lack has a default, and a new field must have one.

The record has one *report* run for each ablation of a launch, which holds plan.json, and one *cell* run for each
pretraining, training, test, fusion, baseline, joined folds or measurement. Nothing here imports torch, ray or mlflow.
"""

import csv
import hashlib
import io
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from pydantic import TypeAdapter, ValidationError

from d3d.bench.declare.ablations import Value, overrides_of
from d3d.prediction import PARTS, PartPrediction, Prediction
from d3d.redaction import redacted
from d3d.text import from_spreadsheet_entry, spreadsheet_entry

EXPERIMENT = "3d-deformable-transformer"  # the record's name in MLflow
DATABASE = "mlflow.db"  # in the storage folder
ARTIFACTS = "artifacts"  # the folder of the runs' files, beside the database
REPORT, CELL = "report", "cell"  # the values of the tag `kind`
PLACES_OF_RECORD = ("storage=", "tracking.uri=")  # arguments of a command that say where to record


class Tag(StrEnum):
    """The tags of runs."""

    KIND = "kind"  # REPORT or CELL
    PRESET = "preset"
    DATA = "data"  # the name of the data, such as "penn_action, rendered"
    SPLIT = "split"  # of the clips it was tested on, test or validation; missing in old records
    DATA_DIGEST = "data_digest"  # several are joined with "+"
    LEFT_OUT = "left_out"  # of a cell whose dataset has clips that are not used: how many and which

    LAUNCH = "launch"  # of a report: the id of the launch
    ABLATION = "ablation"  # of a report
    SEARCH = "search"  # of a report with a search: its name

    CELL = "cell"  # of a cell: its id
    ROW = "row"  # the first row that asked for the cell, such as "modules: full"; the same for all seeds of a row
    SEED = "seed"
    CODE_DIGEST = "code_digest"  # of the code that the cell ran through; several are joined with "+"
    DEVICE = "device"
    MODALITY = "modality"  # what the system reads of a clip: R (frames), P (joints) or R+P
    TESTED = "tested"  # of a cell: the number of its test clips and a digest of their names; missing in old records
    TRAINED = "trained"  # of a test: the cell whose weights it tests; of joined folds: those of each, joined with "+"
    ATTENTION = "attention"  # "true" of a test that looked at attention
    MEASUREMENT = "measurement"  # of a measurement: what is measured
    BASELINE = "baseline"  # of a baseline: its method
    FUSED = "fused"  # of a fusion: the cells whose predictions it averages, joined with "+"
    FOLDS = "folds"  # of what joins the folds of a row: their cells, joined with "+"
    TUNED = "tuned"  # of a cell with tuned settings: the study that found them
    STUDY = "study"  # of a trial of a search
    TRIAL = "trial"  # of a trial: its number
    PRUNED = "pruned"  # of a trial: "true" if it was stopped early
    FAILURE = "failure"  # of a failed cell: the kind of failure
    REASON = "reason"  # of a failed cell: the reason in a line
    DAMAGED = "damaged"  # of a training: a message that a damaged checkpoint could not be used


ABLATION_PREFIX = "ablation."  # of a tag for each ablation that asked for a cell: "ablation.modules" is "true"
CLAIMS_PREFIX = "claims."  # of a metric of a report for each of VERDICTS: how many claims got it
VERDICTS = ("holds", "fails", "inconclusive", "not tested")
ENVIRONMENT_PREFIX = "environment."  # of the tags of d3d/bench/record/conditions.py


class Metric(StrEnum):
    """The metrics of cells. Accuracies are fractions of the clips."""

    TOP1 = "top1"  # the result
    MEAN_CLASS_ACCURACY = "mean_class_accuracy"
    VERB_TOP1 = "verb_top1"  # these are of labels that are a verb and a noun; a column of the predictions has each clip
    NOUN_TOP1 = "noun_top1"

    TRAIN_LOSS = "train_loss"  # these are of each epoch of a training
    TRAIN_TOP1 = "train_top1"
    LEARNING_RATE = "learning_rate"
    CLIPS_PER_SECOND = "clips_per_second"
    PEAK_MEMORY_MIB = "peak_memory_mib"
    PARAMETERS = "parameters"  # of a training: the number of trainable parameters
    FROZEN = "frozen_parameters"  # of a training: the number of parameters that are not trained; missing in old records
    GMACS = "gmacs"  # of a training: billions of multiply-accumulates of one clip's forward pass
    EVAL_LOSS = "eval_loss"  # these are of each epoch after which the training was tested
    EVAL_TOP1 = "eval_top1"
    EVAL_MEAN_CLASS_ACCURACY = "eval_mean_class_accuracy"
    EVAL_VERB_TOP1 = "eval_verb_top1"
    EVAL_NOUN_TOP1 = "eval_noun_top1"
    EVAL_CLIPS_PER_SECOND = "eval_clips_per_second"
    TEST_TOP1 = "test_top1"  # what EVAL_TOP1 was called before runs had the tag `split`
    MOVED_T = "moved_t"  # mean distance in tokens that the points of 3D deformable attention moved along each axis
    MOVED_Y = "moved_y"
    MOVED_X = "moved_x"

    VALIDATION_TOP1 = "validation_top1"  # of a baseline: in cross-validation on the training clips
    ALPHA = "alpha"  # of a baseline: the values chosen in cross-validation
    GAMMA = "gamma"

    RECONSTRUCTION_LOSS = "reconstruction_loss"  # the result of a pretraining, and of each of its epochs

    SCORE_PAIRS = "score_pairs"  # of a measurement: see d3d/analysis/complexity.py
    PRINTED = "printed"
    FLOPS = "flops"
    SECONDS = "seconds"
    MEMORY_MIB = "memory_mib"


RESULTS = (Metric.TOP1, Metric.SECONDS, Metric.RECONSTRUCTION_LOSS)  # every finished cell has one of them


class File(StrEnum):
    """The files and folders of runs."""

    PLAN = "plan.json"  # of a report
    TABLES = "tables"  # of a report: its tables and figures
    SEARCH = "search"  # of a report: the plots of its studies
    RECONSTRUCTIONS = "reconstructions.png"  # of a pretraining: a few training clips, see kinds/pretraining.py
    PREDICTIONS = "predictions.csv"  # of a cell: the predicted class of each test clip
    PROBABILITIES = "probabilities.csv"  # of a cell: the probability of each class for each test clip
    WORST_CLIPS = "worst_clips.jpg"  # of a training or a test: pictures of the clips that are most wrong, if any is
    ATTENTION = "attention.csv"  # of a test that looked at attention: its numbers of each test clip
    MAPS = "attention_maps.npz"  # of such a test: the maps of a few clips, see d3d/attention_maps.py
    ERROR = "error.txt"  # of a failed cell: the traceback


@dataclass(frozen=True)
class Point:
    """One row of an ablation with one seed, and the cell that gives its result."""

    row: str
    axes: dict[str, Value]  # configuration key → value
    seed: int
    cell: str


@dataclass(frozen=True)
class Study:
    """The progress of the search over the settings of one row."""

    study: str  # its name in Optuna
    trials: int  # that have ended: complete, pruned or failed
    pruned: int
    failed: int
    epochs: int  # trained in all trials together
    validation_top1: float | None  # percent, of the best trial; None before the first complete trial
    settings: dict[str, Value] | None  # of the best trial


@dataclass(frozen=True)
class Tuned:
    """The tuned rows of a launch with a search: each row again, with the settings that its study found."""

    search: str
    points: tuple[Point, ...]  # without the rows whose study is unfinished
    studies: dict[str, Study]  # by row


@dataclass(frozen=True)
class Launch:
    """What a launch asks for in one ablation, as plan.json holds it. Several points may share one cell."""

    ablation: str
    artefacts: tuple[str, ...]  # the tables and figures that are built from it
    title: str
    section: str  # of the paper
    claims: tuple[str, ...]  # as d3d/bench/declare/claims.py reads them
    preset: str
    data: str  # the name of the data; it ends with VALIDATION if that split is tested on
    data_digest: str  # several are joined with "+"
    frames: int  # T
    points: tuple[Point, ...]
    command: str  # what a user types to run the cells that are missing
    reference: str | None = None  # the label of the row that the others are compared with
    tuned: Tuned | None = None  # None without a search
    settle: int | None = None  # with seeds=settle the largest number of seeds of a row; None: the seeds were given
    split: str = ""  # of the clips it is tested on, test or validation; empty in old plans
    overrides: tuple[str, ...] | None = None  # the keys that its command line changed, as typed; None in old plans
    seeds: tuple[int, ...] = ()  # of its points
    folds: tuple[int, ...] = ()  # that its rows are averages over; none where there is one, and in old plans
    left_out: tuple[str, ...] = ()  # ids of the clips that its cells do not use, missing or damaged; none in old plans
    id: str = ""  # also the tag `launch` of the report run; empty in old plans

    @property
    def portable_command(self) -> str:
        """The command without where it recorded: the record may have been moved or copied since."""
        return shlex.join(word for word in shlex.split(self.command) if not word.startswith(PLACES_OF_RECORD))

    @property
    def changes(self) -> tuple[str, ...]:
        """The overrides; for an old plan, which does not list them, those in its command."""
        return overrides_of(shlex.split(self.command)) if self.overrides is None else self.overrides

    @property
    def cells(self) -> tuple[str, ...]:
        """The ids of its cells, each once, in the order of the points, with the tuned ones last."""
        points = (*self.points, *(self.tuned.points if self.tuned else ()))
        return tuple(dict.fromkeys(point.cell for point in points))


_LAUNCH = TypeAdapter(Launch)


ACTION = "action"  # the column of predictions.csv with the name of a clip's class


def write_plan(launch: Launch) -> str:
    """The text of plan.json."""
    return _LAUNCH.dump_json(launch, indent=1).decode()


def read_plan(text: str) -> Launch:
    """The launch in a plan.json, without the secrets of URIs, which older versions wrote into the command.

    Raises ValueError that says in a line what is wrong and where.
    """
    try:
        launch = _LAUNCH.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{File.PLAN}, {place}: {first['msg']}") from error
    for name in (launch.ablation, *launch.cells):  # these stand between quotes in searches of the record
        if re.search(r"[\"'`\\]", name):
            raise ValueError(
                f"{File.PLAN}: {name!r} has a quote and cannot be the name of an ablation or the id of a cell"
            )
    return replace(launch, command=redacted(launch.command))


def write_predictions(predictions: Sequence[Prediction], classes: Sequence[str] = ()) -> str:
    """The text of predictions.csv: a header, and a line for each clip.

    For each part of the labels it has two more columns, such as `verb` with the true class and `predicted_verb`. With
    the names of all `classes`, the last two have the names of the clip's class and of the predicted one.
    """
    header = ["clip", "label", "predicted", "take"]
    for part in predictions[0].parts:
        header += [part.name, _predicted(part.name)]
    if classes:
        header += [ACTION, _predicted(ACTION)]
    lines = [
        [
            *(spreadsheet_entry(each.clip), each.label, each.predicted, each.take),
            *(number for part in each.parts for number in (part.label, part.predicted)),
            *(spreadsheet_entry(classes[number]) for number in (each.label, each.predicted) if classes),
        ]
        for each in predictions
    ]
    return _table([header, *lines])


def _predicted(part: str) -> str:
    """The column of predictions.csv with the predicted classes of a part of the labels."""
    return f"predicted_{part}"


def write_probabilities(predictions: Sequence[Prediction]) -> str:
    """The text of probabilities.csv: a line for each clip, and a column for each class, named by its number."""
    header = ["clip", *map(str, range(len(predictions[0].probabilities)))]
    return _table([header, *([spreadsheet_entry(each.clip), *each.probabilities] for each in predictions)])


def with_probabilities(predictions: Iterable[Prediction], text: str) -> tuple[Prediction, ...]:
    """The predictions with the probabilities in a probabilities.csv. Raises ValueError as `read_predictions` does."""
    try:
        _, *lines = csv.reader(io.StringIO(text, newline=""))
        known = {from_spreadsheet_entry(clip): tuple(map(float, numbers)) for clip, *numbers in lines}
        return tuple(replace(each, probabilities=known[each.clip]) for each in predictions)
    except (KeyError, ValueError, csv.Error) as error:
        raise ValueError(f"{File.PROBABILITIES}: {error!r}") from error


def _table(lines: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def clips_tested(predictions: Sequence[Prediction]) -> str:
    """The number of clips and a digest of their names in any order, as the tag `tested` holds them."""
    names = "\n".join(sorted(each.clip for each in predictions))
    return f"{len(predictions)} clips, {hashlib.sha256(names.encode()).hexdigest()[:16]}"


def read_classes(text: str) -> dict[int, str]:
    """Number → name of the classes in a predictions.csv, of those that a clip has or was taken for.

    Empty in old records. Raises ValueError that says in a line what is wrong.
    """
    rows = csv.DictReader(io.StringIO(text, newline=""))
    columns = {"label": ACTION, "predicted": _predicted(ACTION)}
    if not {*columns, *columns.values()} <= {*(rows.fieldnames or ())}:
        return {}
    try:
        return {int(row[number]): from_spreadsheet_entry(row[name]) for row in rows for number, name in columns.items()}
    except (AttributeError, TypeError, ValueError, csv.Error) as error:
        raise ValueError(f"{File.PREDICTIONS}, line {rows.line_num}: {error!r}") from error


def read_predictions(text: str, tested: str | None = None) -> tuple[Prediction, ...]:
    """The predictions in a predictions.csv, one for each clip.

    Args:
        text: Of the file. In old records the predictions have no `take`, and none of parts of the labels.
        tested: The tag `tested` of the run; None in old records, whose predictions are taken as complete.

    Raises ValueError that says in a line what is wrong, for example that clips are missing.
    """
    rows = csv.DictReader(io.StringIO(text, newline=""))
    try:
        parts = [part for part in PARTS if part in (rows.fieldnames or ())]
        predictions = tuple(
            Prediction(
                from_spreadsheet_entry(row["clip"]),
                int(row["label"]),
                int(row["predicted"]),
                row.get("take") or "",
                parts=tuple(PartPrediction(part, int(row[part]), int(row[_predicted(part)])) for part in parts),
            )
            for row in rows
        )
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise ValueError(f"{File.PREDICTIONS}, line {rows.line_num}: {error!r}") from error
    if not predictions or len({each.clip for each in predictions}) < len(predictions):
        raise ValueError(f"{File.PREDICTIONS} has no clip, or has a clip twice")
    if tested and tested != clips_tested(predictions):
        raise ValueError(f"{File.PREDICTIONS} has {clips_tested(predictions)}; the cell was tested on {tested}")
    return predictions
