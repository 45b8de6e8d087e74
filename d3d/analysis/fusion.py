"""Late fusion: the class probabilities of several systems for a clip are averaged."""

from collections.abc import Sequence

import numpy as np

from d3d.errors import DataError
from d3d.prediction import Prediction


def fuse(parts: Sequence[Sequence[Prediction]]) -> tuple[Prediction, ...]:
    """Predictions from the unweighted mean of the parts' softmax probabilities.

    Each part has the predictions of one cell; the clips come in the order of the first. Raises DataError where the
    parts have different clips or classes, or no probabilities.
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
                f"clip {own.clip}: the cells to be fused were finished before probabilities were recorded; "
                "stale=rerun runs them again"
            )
        mean = np.mean([vote.probabilities for vote in votes], axis=0)
        fused.append(Prediction(own.clip, own.label, int(mean.argmax()), own.take, tuple(mean.tolist())))
    if any(len(part) != len(first) for part in others):
        raise DataError("the cells to be fused were tested on other clips; fuse rows of one dataset")
    return tuple(fused)
