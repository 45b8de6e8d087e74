"""The prediction for a test clip, in a file of its own because the report uses it without torch."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import NamedTuple

PARTS = ("verb", "noun")  # the names of what a label may be made of


class PartPrediction(NamedTuple):
    """The class that is predicted for one part of a clip's label, and the true one."""

    name: str  # one of PARTS
    label: int
    predicted: int


@dataclass(frozen=True)
class Prediction:
    """The class that is predicted for one test clip, and the true one."""

    clip: str
    label: int
    predicted: int
    take: str = ""  # the recording; clips of one recording are not independent. Empty: not known
    probabilities: tuple[float, ...] = field(default=(), compare=False, repr=False)  # of each class; empty: not known
    parts: tuple[PartPrediction, ...] = field(default=(), repr=False)  # of the label; empty where it is one thing


def in_fold(prediction: Prediction, fold: int) -> Prediction:
    """The prediction as one of several folds, in more than one of which the clip may be tested.

    The clip is named after the fold too. Its take is that of the clip, so that what several folds say of one clip is
    never taken for independent.
    """
    return replace(prediction, clip=clip_in_fold(prediction.clip, fold), take=prediction.take or prediction.clip)


def clip_in_fold(clip: str, fold: int) -> str:
    """The name of a clip as one of several folds."""
    return f"fold {fold}: {clip}"


def fold_and_clip(name: str) -> tuple[int, str]:
    """The fold and the clip that `clip_in_fold` named. Raises ValueError for the name of a clip without a fold."""
    fold, colon, clip = name.removeprefix("fold ").partition(": ")
    if not colon:
        raise ValueError(f"{name}: names no fold")
    return int(fold), clip


def top1(predictions: Sequence[Prediction]) -> float:
    """The fraction of clips that are predicted correctly."""
    return sum(each.predicted == each.label for each in predictions) / len(predictions)


def of_part(predictions: Iterable[Prediction], name: str) -> tuple[Prediction, ...]:
    """The predictions of one part of the labels, without those whose label does not have it."""
    return tuple(
        Prediction(each.clip, part.label, part.predicted, each.take)
        for each in predictions
        for part in each.parts
        if part.name == name
    )


def part_top1(predictions: Sequence[Prediction]) -> dict[str, float]:
    """The name of each part of the labels → the fraction of clips of which this part is predicted correctly."""
    return {part.name: top1(of_part(predictions, part.name)) for part in predictions[0].parts}


def mean_class_accuracy(predictions: Iterable[Prediction]) -> float:
    """The fraction of clips of a class that are predicted correctly, averaged over the classes that have clips."""
    right: dict[int, list[bool]] = defaultdict(list)
    for each in predictions:
        right[each.label].append(each.predicted == each.label)
    return fmean(fmean(clips) for clips in right.values())
