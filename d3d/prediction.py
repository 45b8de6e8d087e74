"""What a trained model says of a test clip; apart from training.py because the tables read it without torch."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean


@dataclass(frozen=True)
class Prediction:
    """The class predicted for one test clip, beside the right one."""

    clip: str
    label: int
    predicted: int
    take: str = ""  # clips of one take are not independent of each other; not known where empty
    probabilities: tuple[float, ...] = field(default=(), compare=False, repr=False)  # of each class, where known


def top1(predictions: Sequence[Prediction]) -> float:
    """The fraction of clips predicted right."""
    return sum(each.predicted == each.label for each in predictions) / len(predictions)


def mean_class_accuracy(predictions: Iterable[Prediction]) -> float:
    """The fraction of clips predicted right within each class that has any, averaged over these classes."""
    right: dict[int, list[bool]] = defaultdict(list)
    for each in predictions:
        right[each.label].append(each.predicted == each.label)
    return fmean(fmean(clips) for clips in right.values())
