"""Late fusion: several systems vote on a clip with their probabilities."""

from collections.abc import Sequence

import numpy as np

from d3d.errors import DataError
from d3d.prediction import Prediction


def fuse(parts: Sequence[Sequence[Prediction]]) -> tuple[Prediction, ...]:
    """Predictions from the mean of the parts' softmax probabilities, each part having the same weight.

    The clips are those of the first part, in its order. Raises DataError where the parts are of different clips or
    classes, or say no probabilities.
    """
    first, *others = parts
    by_clip = [{each.clip: each for each in part} for part in others]
    fused = []
    for own in first:
        votes = [own, *(part[own.clip] for part in by_clip if own.clip in part)]
        lengths = {len(vote.probabilities) for vote in votes}
        if len(votes) < len(parts) or len({vote.label for vote in votes}) > 1 or len(lengths) > 1:
            raise DataError(
                f"clip {own.clip}: the cells to be fused were tested on other clips; fuse rows of one dataset"
            )
        if lengths == {0}:
            raise DataError(
                f"clip {own.clip}: the cells to be fused were finished before probabilities were kept; "
                "stale=rerun runs them again"
            )
        mean = np.mean([vote.probabilities for vote in votes], axis=0)
        fused.append(Prediction(own.clip, own.label, int(mean.argmax()), own.take, tuple(mean.tolist())))
    if any(len(part) != len(first) for part in others):
        raise DataError("the cells to be fused were tested on other clips; fuse rows of one dataset")
    return tuple(fused)
