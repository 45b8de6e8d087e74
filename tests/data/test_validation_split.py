from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from d3d.data.clip import Clip, Dataset
from d3d.data.skeleton import PENN_ACTION
from d3d.data.validation_split import validation_split
from d3d.errors import DataError


def dataset(takes: dict[int, list[int]]) -> Dataset:
    """A dataset whose classes have groups of this many clips each, and one test clip."""

    def clip(id: str, label: int, train: bool, group: str) -> Clip:
        return Clip(id, label, train, 48, 64, np.zeros((20, 13, 2), np.float32), np.ones((20, 13), bool), group)

    train = tuple(
        clip(f"{label}-{take}-{number}", label, True, f"{label}-{take}")
        for label, sizes in takes.items()
        for take, size in enumerate(sizes)
        for number in range(size)
    )
    test = tuple(clip(f"test-{label}", label, False, f"test-{label}") for label in takes)
    classes = tuple(f"action {label}" for label in takes)
    return Dataset("made", classes, PENN_ACTION, train, test, "da7a", lambda *_: np.zeros(0, np.uint8))


MANY = dataset({0: [3, 1, 2, 5, 1, 1, 4, 2, 3, 3], 1: [1] * 20, 2: [2] * 15})


def test_it_parts_the_training_clips_and_leaves_the_test_clips_out() -> None:
    split = validation_split(MANY)
    assert {clip.id for clip in (*split.train, *split.test)} == {clip.id for clip in MANY.train}
    assert len(split.train) + len(split.test) == len(MANY.train)


def test_no_group_is_on_both_sides() -> None:
    split = validation_split(MANY)
    assert not {clip.group for clip in split.train} & {clip.group for clip in split.test}


def test_every_action_gives_about_a_fifth() -> None:
    split = validation_split(MANY)
    given, of = Counter(clip.label for clip in split.test), Counter(clip.label for clip in MANY.train)
    assert all(0.1 <= given[label] / of[label] <= 0.35 for label in of)


def test_the_same_clips_give_the_same_split_with_a_digest_of_its_own() -> None:
    first, second = validation_split(MANY), validation_split(MANY)
    assert (first.train, first.test, first.digest) == (second.train, second.test, second.digest)
    assert first.digest != MANY.digest
    assert validation_split(replace(MANY, digest="0ther")).digest != first.digest


def test_each_training_clip_is_tested_in_one_fold_and_the_first_is_the_default() -> None:
    folds = [validation_split(MANY, number) for number in range(1, 6)]
    assert sorted(clip.id for fold in folds for clip in fold.test) == sorted(clip.id for clip in MANY.train)
    assert len({fold.digest for fold in folds}) == 5
    assert (folds[0].test, folds[0].digest) == (validation_split(MANY).test, validation_split(MANY).digest)
    for number in (0, 6):
        with pytest.raises(DataError, match=rf"data.fold={number}: the training clips of made have folds 1 to 5;"):
            validation_split(MANY, number)


def test_an_action_of_two_takes_has_one_on_either_side() -> None:
    split = validation_split(dataset({0: [4, 4], 1: [2] * 10}))
    assert {clip.label for clip in split.train} == {clip.label for clip in split.test} == {0, 1}


def test_an_action_of_a_single_take_cannot_be_split() -> None:
    with pytest.raises(DataError, match="action 1 has 1 independent"):
        validation_split(dataset({0: [1] * 6, 1: [8]}))
