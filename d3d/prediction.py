"""The prediction for a test clip, in a file of its own because the report uses it without torch."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean


@dataclass(frozen=True)
class Prediction:
    """The class that is predicted for one test clip, and the true one."""

    clip: str
    label: int
    predicted: int
    take: str = ""  # the recording; clips of one recording are not independent. Empty: not known
    probabilities: tuple[float, ...] = field(default=(), compare=False, repr=False)  # of each class; empty: not known


def top1(predictions: Sequence[Prediction]) -> float:
    """The fraction of clips that are predicted correctly."""
    return sum(each.predicted == each.label for each in predictions) / len(predictions)


def mean_class_accuracy(predictions: Iterable[Prediction]) -> float:
    """The fraction of clips of a class that are predicted correctly, averaged over the classes that have clips."""
    right: dict[int, list[bool]] = defaultdict(list)
    for each in predictions:
        right[each.label].append(each.predicted == each.label)
    return fmean(fmean(clips) for clips in right.values())
