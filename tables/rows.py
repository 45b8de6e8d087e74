"""A row of a table: what an ablation asks for over its seeds, and what of it is finished."""

import math
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from d3d.errors import RecordError
from d3d.prediction import mean_class_accuracy
from experiments.declarations import Value
from tables.artefacts import ACCURACY, BY_CLASS
from tables.record import Cell, Launch, Point
from tables.statistics import class_interval, mean_and_std, wilson_interval

MISSING = "—"
PRIVATE = ("storage=", "tracking.uri=", "cluster.", "resources.")  # of a command what says nothing of its numbers


@dataclass(frozen=True)
class Accuracy:
    """Top-1 or mean class accuracy, percent: mean and deviation over seeds, 95 % interval over the test clips."""

    mean: float
    std: float  # NaN of a single seed
    low: float
    high: float
    clips: int


@dataclass(frozen=True, eq=False)
class Row:
    """One row; a seed is in `cells` once its cell is finished."""

    label: str
    axes: Mapping[str, Value]
    asked: Mapping[int, str]  # seed → cell id, ascending
    cells: Mapping[int, Cell]  # seed → finished cell, ascending
    partial: bool  # whether some of the seeds are enough for a number

    @property
    def missing(self) -> tuple[int, ...]:
        """The seeds without a finished cell."""
        return tuple(seed for seed in self.asked if seed not in self.cells)

    @property
    def counted(self) -> Mapping[int, Cell]:
        """The finished cells that the row's numbers are of: none where a seed is missing, unless partial."""
        return {} if self.missing and not self.partial else self.cells

    @property
    def correct(self) -> list[int]:
        """Test clips right, for each counted seed."""
        return [sum(cell.correct.values()) for cell in self.counted.values()]

    @cached_property
    def accuracy(self) -> Accuracy | None:
        """None where nothing is counted. Raises RecordError where the seeds were tested on different clips."""
        cells = list(self.counted.values())
        if not cells:
            return None
        if any(cell.correct.keys() != cells[0].correct.keys() for cell in cells):
            named = ", ".join(f"{cell.id} on {len(cell.correct)}" for cell in cells)
            fault = f"{self.label}: its seeds were tested on different clips: {named}"
            raise RecordError(f"{fault}; delete the odd run (`make ui`), launch again")
        clips = len(cells[0].correct)
        mean, std = mean_and_std([100 * correct / clips for correct in self.correct])
        low, high = wilson_interval(self.correct, clips)
        return Accuracy(mean, std, 100 * low, 100 * high, clips)

    @property
    def classes(self) -> tuple[list[float], list[int]]:
        """Of each class with test clips the fraction right, in the mean of the counted seeds, and how many clips."""
        right: dict[int, list[bool]] = {}
        for cell in self.counted.values():
            for each in cell.predictions:
                right.setdefault(each.label, []).append(each.predicted == each.label)
        shares = [fmean(clips) for clips in right.values()]
        return shares, [len(clips) // len(self.counted) for clips in right.values()]

    @cached_property
    def class_accuracy(self) -> Accuracy | None:
        """The mean class accuracy, None where nothing is counted. Raises RecordError as `accuracy` does."""
        if self.accuracy is None:
            return None
        mean, std = mean_and_std([100 * mean_class_accuracy(cell.predictions) for cell in self.counted.values()])
        low, high = class_interval(*self.classes)
        return Accuracy(mean, std, 100 * low, 100 * high, self.accuracy.clips)

    def metric(self, name: str) -> float | None:
        """The mean of a recorded number over the counted seeds."""
        return fmean(cell.metric(name) for cell in self.counted.values()) if self.counted else None

    def same_training(self, other: "Row") -> bool:
        """Whether two rows are one computation."""
        return self.asked == other.asked


def rows_of(launch: Launch, cells: Mapping[str, Cell], partial: bool) -> tuple[Row, ...]:
    """The launch's rows in the order of its plan. Raises RecordError where the plan names a seed of a row twice."""
    points: dict[str, dict[int, Point]] = {}
    for point in launch.points:
        seeds = points.setdefault(point.row, {})
        if point.seed in seeds and seeds[point.seed] != point:
            fault = f"launch={launch.id}: {point.row}, seed {point.seed} stands for two cells in its plan"
            raise RecordError(f"{fault}; name another launch with launch=")
        seeds[point.seed] = point
    return tuple(_row(label, dict(sorted(seeds.items())), cells, partial) for label, seeds in points.items())


def _row(label: str, points: Mapping[int, Point], cells: Mapping[str, Cell], partial: bool) -> Row:
    asked = {seed: point.cell for seed, point in points.items()}
    finished = {seed: cells[id] for seed, id in asked.items() if id in cells}
    return Row(label, next(iter(points.values())).axes, asked, finished, partial)


def tuned_rows(launch: Launch, cells: Mapping[str, Cell], partial: bool) -> tuple[Row, ...]:
    """The rows with the settings a search found for each, in the order of the plan; none whose study is unfinished."""
    return rows_of(replace(launch, points=launch.tuned.points), cells, partial) if launch.tuned else ()


def differences(left: Row, right: Row) -> NDArray[np.int64] | None:
    """Seeds × clips, 1 where only the left row was right, −1 where only the right; of the seeds that both have.

    None where there is no such seed, or the rows were not tested on the same clips.
    """
    seeds = [seed for seed in left.counted if seed in right.counted]
    pairs = [(left.counted[seed].correct, right.counted[seed].correct) for seed in seeds]
    if not pairs or any(ours.keys() != theirs.keys() for ours, theirs in pairs):
        return None
    return np.array([[int(ours[clip]) - int(theirs[clip]) for clip in sorted(pairs[0][0])] for ours, theirs in pairs])


def accuracy_text(row: Row) -> str:
    """Top-1: mean ± standard deviation; one seed has no spread."""
    return spread_text(row.accuracy)


def spread_text(accuracy: Accuracy | None) -> str:
    """Mean ± standard deviation."""
    if accuracy is None:
        return MISSING
    spread = "" if math.isnan(accuracy.std) else f" ± {accuracy.std:.2f}"
    return f"{accuracy.mean:.2f}{spread}"


def accuracy_values(row: Row) -> dict[str, str]:
    """The CSV's numbers of a row; percent with two decimals, empty where there is none."""
    if row.accuracy is None:
        return dict.fromkeys((*ACCURACY, BY_CLASS), "")
    accuracy = row.accuracy
    numbers = (accuracy.mean, accuracy.std, accuracy.low, accuracy.high)
    texts = ["" if math.isnan(number) else f"{number:.2f}" for number in numbers]
    by_class = f"{row.class_accuracy.mean:.2f}" if row.class_accuracy else ""
    return dict(zip((*ACCURACY, BY_CLASS), [*texts, str(accuracy.clips), by_class], strict=True))


def interval_text(row: Row) -> str:
    """The interval over the test clips."""
    return f"{row.accuracy.low:.2f} to {row.accuracy.high:.2f}" if row.accuracy else MISSING


def best_mean(rows: Iterable[Row]) -> float | None:
    """The highest mean, as it is shown."""
    return max((round(row.accuracy.mean, 2) for row in rows if row.accuracy), default=None)


def missing_lines(rows: Iterable[Row], command: str) -> tuple[str, ...]:
    """One line for all rows that lack the same cells: which, and the command that fills them."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        if row.missing:
            groups.setdefault(tuple(row.asked[seed] for seed in row.missing), []).append(row)
    lines = []
    for ids, lacking in groups.items():
        seeds = ", ".join(map(str, lacking[0].missing))
        others = f" (and {len(lacking) - 1} more rows)" if len(lacking) > 1 else ""
        place = f"{lacking[0].label}{others}, seed{'s' * (len(ids) > 1)} {seeds}"
        lines.append(f"{place}: not finished (cell{'s' * (len(ids) > 1)} {' '.join(ids)}); run: {command}")
    return tuple(lines)


def missing_note(rows: Sequence[Row], command: str) -> list[str]:
    """The same in a table's footnote: what the dash stands for."""
    lacking = [f"{row.label} (seed {', '.join(map(str, row.missing))})" for row in rows if row.missing]
    return [f"{MISSING} not finished: {'; '.join(lacking)}. To fill: `{command}`"] if lacking else []


def seeds_note(rows: Sequence[Row]) -> list[str]:
    """A warning where a single seed stands behind the numbers."""
    cells = [cell for row in rows for cell in row.cells.values()]
    if max((len(row.asked) for row in rows), default=0) > 1 or (cells and not any(cell.trained for cell in cells)):
        return []
    return ["One seed: the tests speak of these trainings; another seed may order the rows otherwise."]


def chance_note(rows: Sequence[Row]) -> list[str]:
    """What naming any class, and always naming the most frequent one, has right of the clips that were tested on."""
    tested = {tuple(each.label for each in cell.predictions) for row in rows for cell in row.counted.values()}
    said = []
    for labels in sorted(tested, key=len, reverse=True):
        count = Counter(labels)
        most = 100 * max(count.values()) / len(labels)
        said.append(f"of {len(labels)} clips chance is {100 / len(count):.1f} %, the majority class {most:.1f} %")
    return [f"{'; '.join(dict.fromkeys(said)).capitalize()}."] if said else []


def setting(launch: Launch, rows: Sequence[Row]) -> str:
    """What the numbers were measured on, in a line; baselines have neither epochs nor seeds."""
    cells = [cell for row in rows for cell in row.cells.values()]
    seeds = len({seed for row in rows for seed in row.asked})
    frames = _several([int(cell.params["training.frames"]) for cell in cells if "training.frames" in cell.params])
    trained = [cell for cell in cells if cell.trained]
    epochs = _several([int(cell.params["training.epochs"]) for cell in trained if "training.epochs" in cell.params])
    parts = [recipe(launch), f"data {launch.data}", f"T = {frames}"]
    if trained or not cells:
        parts += [f"{epochs} epoch{'s' * (epochs != '1')}", f"{seeds} seed{'s' * (seeds != 1)}"]
    return ", ".join([*parts, clips_tested(launch, rows)])


def recipe(launch: Launch) -> str:
    """The preset, and the keys of it that the command line changed."""
    changed = f" with {', '.join(launch.changes)}" if launch.changes else ""
    return f"preset {launch.preset}{changed}"


def made_by(launch: Launch) -> str:
    """The command in a sentence, without what is of its machine alone; of a path from the root only its last part."""
    words = []
    for word in shlex.split(launch.command):
        key, equals, value = word.partition("=")
        path = value.strip("'\"")
        if not word.startswith(PRIVATE):
            words.append(f"{key}={Path(path).name}" if equals and path.startswith(("/", "~")) else word)
    return f"Made by `{shlex.join(words)}`."


def clips_tested(launch: Launch, rows: Sequence[Row]) -> str:
    """How many clips the numbers are of, and of which split: "1068 test clips"."""
    clips: dict[str, list[int]] = {}
    for row in rows:
        for cell in row.counted.values():
            clips.setdefault(cell.params.get("data.split", launch.split), []).append(len(cell.correct))
    return " and ".join(f"{_several(counts)} {split} clips" for split, counts in (clips or {launch.split: []}).items())


def _several(values: Sequence[int]) -> str:
    """What differs is a range."""
    if not values:
        return MISSING
    return str(values[0]) if min(values) == max(values) else f"{min(values)} to {max(values)}"
