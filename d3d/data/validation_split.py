"""A validation split carved out of the training clips, so that nothing is chosen by looking at the test clips."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from d3d.data.clip import Dataset
from d3d.errors import DataError

FOLDS = 5  # one of them validates

Fold = tuple[NDArray[np.int64], NDArray[np.int64]]  # indices of the clips outside the fold, and of those in it


def validation_split(dataset: Dataset, fold: int | None = None) -> Dataset:
    """The dataset with its training clips divided: about a fifth become the test clips, the rest are trained on.

    The split is stratified by class, and clips of one group stay together (`Clip.group`). Where a class has fewer than
    five groups, the test clips are a larger part. The official test clips are in neither. The same dataset always gives
    the same splits, in which each training clip is a test clip once.

    Args:
        dataset: whose training clips are divided.
        fold: the number of the split, counted from 1; None: the first.

    Raises DataError where a class has only one group, and where there is no fold of this number.
    """
    folds = grouped_folds(dataset, "data.split=validation")
    if fold is not None and not 1 <= fold <= len(folds):
        raise DataError(
            f"data.fold={fold}: the training clips of {dataset.name} have folds 1 to {len(folds)}; choose one"
        )
    _, chosen = folds[(fold or 1) - 1]
    held = set(chosen.tolist())
    train = tuple(clip for index, clip in enumerate(dataset.train) if index not in held)
    test = tuple(clip for index, clip in enumerate(dataset.train) if index in held)
    ids = " ".join(clip.id for clip in test)
    digest = hashlib.sha256(f"{dataset.digest} validation {ids}".encode()).hexdigest()
    return replace(dataset, train=train, test=test, digest=digest)


def grouped_folds(dataset: Dataset, setting: str) -> list[Fold]:
    """Five folds of the training clips, or as many as the groups of the class with the fewest.

    Raises DataError where a class has only one group; the message names the `setting` that needs folds.
    """
    labels = [clip.label for clip in dataset.train]
    groups = [clip.group for clip in dataset.train]
    label, fewest = rarest(labels, groups, len(dataset.classes))
    if fewest < 2:
        raise DataError(
            f"{setting}: {dataset.classes[label]} has {fewest} independent training clips of {dataset.name}; at "
            "least two are needed, add clips or leave it out"
        )
    return folds_of(labels, groups, min(FOLDS, fewest))


def rarest(labels: Sequence[int], groups: Sequence[str], classes: int) -> tuple[int, int]:
    """The class, of labels from 0 to `classes` − 1, that has clips of the fewest groups, and how many these are."""
    takes = Counter(label for label, _ in set(zip(labels, groups, strict=True)))
    fewest, label = min((takes[label], label) for label in range(classes))
    return label, fewest


def folds_of(labels: Sequence[int], groups: Sequence[str], count: int) -> list[Fold]:
    """So many folds of clips, stratified by label, of which none divides a group; always the same ones.

    Each label must be of at least `count` groups.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # a slow import that most launches do not need

    folds = StratifiedGroupKFold(count, shuffle=True, random_state=0)
    return list(folds.split(np.zeros(len(labels)), labels, groups))
