"""A validation split carved out of the training clips, so that nothing is chosen by looking at the test clips."""

import hashlib
from collections import Counter
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from d3d.data.clip import Dataset
from d3d.errors import DataError

FOLDS = 5  # one of which validates

Fold = tuple[NDArray[np.int64], NDArray[np.int64]]  # indices of clips


def validation_split(dataset: Dataset) -> Dataset:
    """The dataset whose test clips are about a fifth of its training clips, and whose training clips are the others.

    Every action is on both sides in about its share, and clips of one group stay together (`Clip.group`). Where an
    action has fewer than five groups the split is coarser. The official test clips are not in it. The same dataset
    gives the same split. Raises DataError where an action has a single group.
    """
    _, chosen = grouped_folds(dataset, "data.split=validation")[0]
    held = set(chosen.tolist())
    train = tuple(clip for index, clip in enumerate(dataset.train) if index not in held)
    test = tuple(clip for index, clip in enumerate(dataset.train) if index in held)
    ids = " ".join(clip.id for clip in test)
    digest = hashlib.sha256(f"{dataset.digest} validation {ids}".encode()).hexdigest()
    return replace(dataset, train=train, test=test, digest=digest)


def grouped_folds(dataset: Dataset, asking: str) -> list[Fold]:
    """The training clips divided five ways, or fewer where an action has fewer groups: (others, fold) of each.

    Raises DataError, which names the setting that is `asking`, where an action has a single group.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # takes a second, and most launches need none

    labels = [clip.label for clip in dataset.train]
    groups = [clip.group for clip in dataset.train]
    takes = Counter(label for label, _ in set(zip(labels, groups, strict=True)))
    fewest, label = min((takes[label], label) for label in range(len(dataset.classes)))
    if fewest < 2:
        raise DataError(
            f"{asking}: {dataset.classes[label]} has {fewest} independent training clips of {dataset.name}; two are "
            "the least, add clips or leave it out"
        )
    folds = StratifiedGroupKFold(min(FOLDS, fewest), shuffle=True, random_state=0)
    return list(folds.split(np.zeros(len(labels)), labels, groups))
