"""The rows of a table: the finished cells of each row over its seeds, its accuracy, and notes on rows in words."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from d3d.bench.declare.ablations import Value
from d3d.bench.record.schema import Launch, Point
from d3d.errors import RecordError
from d3d.prediction import PARTS, Prediction, fold_and_clip, top1
from d3d.report.artefacts.registry import ACCURACY, BY_CLASS
from d3d.report.made_by import recipe
from d3d.report.record import Cell
from d3d.report.statistics.inference import LEAST_SEEDS, Sample, accuracy_interval, mean_and_std, sample

MISSING = "—"
METHOD = "baseline.method"  # a row that sets this key does not depend on a seed
SCOPES = {  # what an interval accounts for → the note that explains it
    "other trainings, other clips": "The interval of a row with several seeds is that of its expected accuracy over "
    "other trainings and other clips.",
    "these weights, other clips": "The interval of a row with one seed is that of these weights on other clips; it "
    "does not account for other trainings.",
    "other clips": "The interval of a row without seeds accounts for other clips; nothing else about it is random.",
}


@dataclass(frozen=True)
class Accuracy:
    """Top-1 or mean class accuracy in percent: mean and standard deviation over seeds, and the 95 % interval.

    The interval is that of the expected accuracy over other trainings and other clips; for a single seed, that of these
    weights on other clips. It is NaN if all clips are of one take, which says nothing about other takes.
    """

    mean: float
    std: float  # NaN for a single seed
    low: float
    high: float
    clips: int  # number of test clips


@dataclass(frozen=True, eq=False)
class Row:
    """One row of a table with the cells of its seeds."""

    label: str
    axes: Mapping[str, Value]  # the configuration keys that the row sets
    asked: Mapping[int, str]  # seed → cell id, in ascending order
    cells: Mapping[int, Cell]  # seed → cell, for the finished ones, in ascending order
    partial: bool  # whether the row has numbers if only some of its seeds are finished

    @property
    def missing(self) -> tuple[int, ...]:
        """The seeds without a finished cell."""
        return tuple(seed for seed in self.asked if seed not in self.cells)

    @property
    def counted(self) -> Mapping[int, Cell]:
        """The finished cells that the row's numbers are taken from: none if a seed is missing, unless `partial`."""
        return {} if self.missing and not self.partial else self.cells

    @property
    def correct(self) -> list[int]:
        """The number of correctly predicted test clips, for each counted seed."""
        return [sum(cell.correct.values()) for cell in self.counted.values()]

    @property
    def random(self) -> bool:
        """Whether another seed gives another result; a baseline has no seed."""
        return self.axes.get(METHOD) is None and all(cell.trained for cell in self.cells.values())

    @property
    def enough(self) -> bool:
        """Whether it has enough seeds to be tested."""
        return len(self.counted) >= LEAST_SEEDS or bool(self.counted and not self.random)

    def first(self, seeds: int) -> "Row":
        """The row with only its first `seeds` seeds; without any cell if one of these is not finished."""
        if not self.random:
            return self
        first = self.only(list(self.asked)[:seeds])
        return first if len(first.cells) == seeds else replace(first, cells={})

    @cached_property
    def sample(self) -> Sample | None:
        """The results of its trainings on the test clips, None if no cell counts.

        Raises RecordError if the seeds were tested on different clips.
        """
        return sample_of(self, takes_of(self)) if self.counted else None

    @cached_property
    def class_sample(self) -> Sample | None:
        """Like `sample`, for the mean class accuracy."""
        return sample_of(self, takes_of(self), by_class=True) if self.counted else None

    @cached_property
    def accuracy(self) -> Accuracy | None:
        """Top-1, None if no cell counts. Raises RecordError if the seeds were tested on different clips."""
        return self._accuracy(self.sample)

    @cached_property
    def class_accuracy(self) -> Accuracy | None:
        """Like `accuracy`, for the mean class accuracy."""
        return self._accuracy(self.class_sample)

    def _accuracy(self, made: Sample | None) -> Accuracy | None:
        if made is None:
            return None
        mean, std = mean_and_std([100 * value for value in made.accuracies.tolist()])
        low, high = accuracy_interval(made) if made.takes > 1 else (math.nan, math.nan)
        return Accuracy(mean, std, 100 * float(low), 100 * float(high), len(next(iter(self.counted.values())).correct))

    @cached_property
    def of_folds(self) -> dict[int, float]:
        """Fold → its mean top-1 over seeds in percent, if the row is averaged over folds."""
        found: dict[int, list[float]] = {}
        for cell in self.counted.values():
            if cell.folds:
                folds: dict[int, list[Prediction]] = {}
                for each in cell.predictions:
                    folds.setdefault(fold_and_clip(each.clip)[0], []).append(each)
                for fold, predictions in folds.items():
                    found.setdefault(fold, []).append(100 * top1(predictions))
        return {fold: fmean(values) for fold, values in sorted(found.items())}

    def metric(self, name: str) -> float | None:
        """The mean of a recorded metric over the counted seeds, None if no cell counts."""
        return fmean(cell.metric(name) for cell in self.counted.values()) if self.counted else None

    def of(self, part: str) -> "Row | None":
        """The row as if the labels were this part of them alone, such as the verb; with an empty part the row itself.

        None if it has cells that do not predict the part.
        """
        return self._parts.get(part) if part else self

    @cached_property
    def _parts(self) -> "dict[str, Row]":
        return {
            part: replace(self, cells={seed: cell.of_part(part) for seed, cell in self.cells.items()})
            for part in PARTS
            if all(cell.has_part(part) for cell in self.cells.values())
        }

    def same_training(self, other: "Row") -> bool:
        """Whether two rows are the same computation under two labels; they may have different numbers of seeds."""
        shared = self.asked.keys() & other.asked.keys()
        return bool(shared) and all(self.asked[seed] == other.asked[seed] for seed in shared)

    def same_weights(self, other: "Row") -> tuple[int, ...]:
        """The seeds that both rows have, if both test the same trained weights for all of these; otherwise none."""
        shared = tuple(seed for seed in self.counted if seed in other.counted)
        same = all(self.counted[seed].weights == other.counted[seed].weights for seed in shared)
        return shared if same else ()

    def only(self, seeds: Collection[int]) -> "Row":
        """The row with only these seeds."""
        return replace(
            self,
            asked={seed: id for seed, id in self.asked.items() if seed in seeds},
            cells={seed: cell for seed, cell in self.cells.items() if seed in seeds},
        )


def parts_of(rows: Sequence[Row]) -> tuple[str, ...]:
    """The parts of the labels of which any row has a number."""
    return tuple(part for part in PARTS if any(seen.accuracy for row in rows if (seen := row.of(part))))


def takes_of(*rows: Row) -> dict[str, str]:
    """Test clip → its take, if any cell of the rows recorded it; a clip without a recorded take is its own take."""
    known: dict[str, str] = {}
    for row in rows:
        for cell in row.counted.values():
            for each in cell.predictions:
                if each.take or each.clip not in known:
                    known[each.clip] = f"take {each.take}" if each.take else f"clip {each.clip}"
    return known


def sample_of(row: Row, takes: Mapping[str, str], by_class: bool = False) -> Sample:
    """The results of a row with counted cells on the test clips, in the order of the clips' names.

    `takes` is test clip → take. With `by_class` the accuracy is the mean class accuracy. Raises RecordError if the
    seeds were tested on different clips.
    """
    cells = list(row.counted.values())
    if any(cell.correct.keys() != cells[0].correct.keys() for cell in cells):
        named = ", ".join(f"{cell.id} on {len(cell.correct)}" for cell in cells)
        fault = f"{row.label}: its seeds were tested on different clips: {named}"
        raise RecordError(f"{fault}; delete the odd run (`make ui`), launch again")
    clips = sorted(cells[0].predictions, key=lambda each: each.clip)
    right = np.array([[cell.correct[each.clip] for each in clips] for cell in cells])
    classes = _numbers([each.label for each in clips]) if by_class else None
    distinct = _numbers([fold_and_clip(each.clip)[1] for each in clips]) if cells[0].folds else None
    groups = _numbers([takes[each.clip] for each in clips])
    return replace(sample(right, groups, classes, distinct), random=row.random)


def rows_of(launch: Launch, cells: Mapping[str, Cell], partial: bool) -> tuple[Row, ...]:
    """The rows of a launch in the order of its plan, with its finished cells by id.

    Raises RecordError if the plan has two cells for one seed of a row.
    """
    points: dict[str, dict[int, Point]] = {}
    for point in launch.points:
        seeds = points.setdefault(point.row, {})
        if point.seed in seeds and seeds[point.seed] != point:
            fault = f"launch={launch.id}: {point.row}, seed {point.seed} has two cells in its plan"
            raise RecordError(f"{fault}; name another launch with launch=")
        seeds[point.seed] = point
    return tuple(_row(label, dict(sorted(seeds.items())), cells, partial) for label, seeds in points.items())


def _row(label: str, points: Mapping[int, Point], cells: Mapping[str, Cell], partial: bool) -> Row:
    asked = {seed: point.cell for seed, point in points.items()}
    finished = {seed: cells[id] for seed, id in asked.items() if id in cells}
    return Row(label, next(iter(points.values())).axes, asked, finished, partial)


def tuned_rows(launch: Launch, cells: Mapping[str, Cell], partial: bool) -> tuple[Row, ...]:
    """The rows with tuned settings, in the order of the plan, without the rows whose study is unfinished."""
    return rows_of(replace(launch, points=launch.tuned.points), cells, partial) if launch.tuned else ()


def accuracy_text(row: Row) -> str:
    """Top-1 as mean ± standard deviation, or as a single number for one seed."""
    return spread_text(row.accuracy)


def spread_text(accuracy: Accuracy | None) -> str:
    """An accuracy as mean ± standard deviation, or as a single number for one seed."""
    if accuracy is None:
        return MISSING
    spread = "" if math.isnan(accuracy.std) else f" ± {accuracy.std:.2f}"
    return f"{accuracy.mean:.2f}{spread}"


def accuracy_values(row: Row) -> dict[str, str]:
    """Column → number of a row in the CSV, in percent with two decimals; empty if there is none."""
    if row.accuracy is None:
        return dict.fromkeys((*ACCURACY, BY_CLASS), "")
    accuracy = row.accuracy
    numbers = (accuracy.mean, accuracy.std, accuracy.low, accuracy.high)
    texts = ["" if math.isnan(number) else f"{number:.2f}" for number in numbers]
    by_class = f"{row.class_accuracy.mean:.2f}" if row.class_accuracy else ""
    return dict(zip((*ACCURACY, BY_CLASS), [*texts, str(accuracy.clips), by_class], strict=True))


def interval_text(row: Row) -> str:
    """The 95 % interval of a row's top-1."""
    known = row.accuracy and not math.isnan(row.accuracy.low)
    return f"{row.accuracy.low:.2f} to {row.accuracy.high:.2f}" if row.accuracy and known else MISSING


def interval_heading(rows: Sequence[Row]) -> str:
    """The heading of a column of intervals, with what they account for if that is the same for all rows."""
    scopes = _scopes(rows)
    return f"95 % interval ({scopes[0]})" if len(scopes) == 1 else "95 % interval"


def interval_note(rows: Sequence[Row]) -> list[str]:
    """A sentence for each kind of interval that the rows have."""
    return [SCOPES[scope] for scope in _scopes(rows)]


def _scopes(rows: Sequence[Row]) -> list[str]:
    """The kinds of intervals that the rows have, as keys of SCOPES in its order."""
    several, single, fixed = SCOPES
    there = {fixed if not row.random else single if len(row.counted) == 1 else several for row in rows if row.counted}
    return [scope for scope in SCOPES if scope in there]


def best_mean(rows: Iterable[Row]) -> float | None:
    """The highest mean top-1, rounded as it is shown; None if no row has a number."""
    return max((round(row.accuracy.mean, 2) for row in rows if row.accuracy), default=None)


def missing_lines(rows: Iterable[Row], command: str) -> tuple[str, ...]:
    """One line for each set of unfinished cells: the rows that need them, and the command that runs them."""
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
    """A footnote that lists the unfinished rows and the command that runs them; none if all are finished."""
    return [f"{said} To fill: `{command}`" for said in unfinished(rows)]


def unfinished(rows: Sequence[Row]) -> list[str]:
    """A sentence that lists the unfinished rows; none if all are finished."""
    lacking = [f"{row.label} (seed {', '.join(map(str, row.missing))})" for row in rows if row.missing]
    return [f"{MISSING} not finished: {'; '.join(lacking)}."] if lacking else []


def seeds_note(rows: Sequence[Row]) -> list[str]:
    """A warning if each number is that of a single seed."""
    cells = [cell for row in rows for cell in row.cells.values()]
    if max((len(row.asked) for row in rows), default=0) > 1 or (cells and not any(cell.trained for cell in cells)):
        return []
    return ["One seed: it is not known how much another training of the same row would differ, so nothing is tested."]


def chance_note(rows: Sequence[Row]) -> list[str]:
    """A note with the accuracy of random guessing and of always predicting the most frequent class.

    Where labels have parts, it has both of each part too.
    """
    said = []
    for part in ("", *parts_of(rows)):
        seen = [row.of(part) for row in rows]
        cells = [cell for row in seen if row for cell in row.counted.values()]
        tested = {tuple(each.label for each in cell.predictions) for cell in cells}
        for labels in sorted(tested, key=len, reverse=True):
            count = Counter(labels)
            most = 100 * max(count.values()) / len(labels)
            place = f"of the {part}" if part else f"on {len(labels)} clips"
            said.append(f"{place} chance is {100 / len(count):.1f} %, the majority class {most:.1f} %")
    return [f"{'; '.join(dict.fromkeys(said)).capitalize()}."] if said else []


def parts_note(rows: Sequence[Row]) -> list[str]:
    """A note on how parts of the labels are predicted, if they have parts."""
    parts = parts_of(rows)
    if not parts:
        return []
    return [
        f"{' and '.join(parts).capitalize()}: top-1 in percent of a part of the action, whose probability is the sum "
        "of the probabilities of all actions with it."
    ]


def setting(launch: Launch, rows: Sequence[Row]) -> str:
    """A line on how the numbers were measured: preset, data, frames, epochs, seeds and clips.

    Epochs and seeds are left out for baselines, which have neither.
    """
    cells = [cell for row in rows for cell in row.cells.values() if not cell.fused]  # a fusion has no frames
    seeds = len({seed for row in rows for seed in row.asked})
    frames = _several([int(cell.params["training.frames"]) for cell in cells if "training.frames" in cell.params])
    trained = [cell for cell in cells if cell.trained]
    epochs = _several([int(cell.params["training.epochs"]) for cell in trained if "training.epochs" in cell.params])
    parts = [recipe(launch), f"data {launch.data}", f"T = {frames}"]
    if trained or not cells:
        parts += [f"{epochs} epoch{'s' * (epochs != '1')}", f"{seeds} seed{'s' * (seeds != 1)}"]
    return ", ".join([*parts, clips_tested(launch, rows)])


def clips_tested(launch: Launch, rows: Sequence[Row]) -> str:
    """The number of clips and their split, such as "1068 test clips"."""
    clips: dict[str, list[int]] = {}
    for row in rows:
        for cell in row.counted.values():
            clips.setdefault(cell.params.get("data.split", launch.split), []).append(len(cell.correct))
    said = [f"{_several(counts)} {split} clips" for split, counts in (clips or {launch.split: []}).items()]
    folds = f" of folds {', '.join(map(str, launch.folds))} together" if launch.folds else ""
    return f"{' and '.join(said)}{folds}"


def _numbers(values: Sequence[str] | Sequence[int]) -> NDArray[np.int64]:
    """Numbers the distinct values from 0 without a gap."""
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def _several(values: Sequence[int]) -> str:
    """The value, or a range if the values differ."""
    if not values:
        return MISSING
    return str(values[0]) if min(values) == max(values) else f"{min(values)} to {max(values)}"
