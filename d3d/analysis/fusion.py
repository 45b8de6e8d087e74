"""Late fusion: the class probabilities of several systems for a clip are averaged."""

from collections.abc import Sequence

import numpy as np

from d3d.data.clip import LabelPart
from d3d.errors import DataError
from d3d.prediction import Prediction


def fuse(cells: Sequence[Sequence[Prediction]], parts: Sequence[LabelPart] = ()) -> tuple[Prediction, ...]:
    """Predictions from the unweighted mean of the cells' softmax probabilities.

    Args:
        cells: the predictions of each cell; the clips come in the order of the first.
        parts: of the labels, which are then predicted from that mean too.

    Raises DataError where the cells have different clips or classes, or no probabilities.
    """
    first, *others = cells
    by_clip = [{each.clip: each for each in cell} for cell in others]
    fused = []
    for own in first:
        votes = [own, *(cell[own.clip] for cell in by_clip if own.clip in cell)]
        lengths = {len(vote.probabilities) for vote in votes}
        if len(votes) < len(cells) or len({vote.label for vote in votes}) > 1 or len(lengths) > 1:
            raise DataError(
                f"clip {own.clip}: the cells to be fused were tested on other clips; fuse rows of one dataset"
            )
        if lengths == {0}:
            raise DataError(
                f"clip {own.clip}: the cells to be fused were finished before probabilities were recorded; "
                "stale=rerun runs them again"
            )
        mean = np.mean([vote.probabilities for vote in votes], axis=0)
        predicted = tuple(part.predict(own.label, mean) for part in parts)
        fused.append(Prediction(own.clip, own.label, int(mean.argmax()), own.take, tuple(mean.tolist()), predicted))
    if any(len(cell) != len(first) for cell in others):
        raise DataError("the cells to be fused were tested on other clips; fuse rows of one dataset")
    return tuple(fused)
