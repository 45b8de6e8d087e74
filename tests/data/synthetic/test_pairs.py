from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from d3d.config import DataConfig
from d3d.data.clip import Dataset
from d3d.data.readers.registry import open_dataset
from d3d.data.synthetic.pairs import NOUNS, PAIRS, VERBS
from d3d.data.synthetic.scene import film
from d3d.errors import DataError

PAIRED = DataConfig(name="synthetic_pairs", clips=60)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pairs")


@pytest.fixture(scope="module")
def pairs(cache: Path) -> Dataset:
    """Three clips of each pair, one of them a test clip."""
    return open_dataset(PAIRED, cache)


def test_a_class_is_its_verb_and_its_noun(pairs: Dataset) -> None:
    verb, noun = pairs.parts
    assert (verb.name, noun.name) == ("verb", "noun") and (verb.classes, noun.classes) == (VERBS, tuple(NOUNS))
    for label, name in enumerate(pairs.classes):
        assert name == f"{verb.classes[verb.of_class[label]]} {noun.classes[noun.of_class[label]]}"


def test_a_verb_tells_nothing_of_the_noun(pairs: Dataset) -> None:
    for split, clips in ((pairs.train, 2), (pairs.test, 1)):
        assert Counter(clip.label for clip in split) == dict.fromkeys(range(len(PAIRS)), clips)


def test_the_figure_moves_the_same_whatever_it_holds() -> None:
    scenes = [film(PAIRS[f"throw {noun}"], np.random.default_rng(5)) for noun in NOUNS]
    assert all((scene.joints == scenes[0].joints).all() for scene in scenes)
    assert all((scene.visible == scenes[0].visible).all() for scene in scenes)


@pytest.mark.parametrize("verb", VERBS)
def test_every_frame_shows_what_is_held(verb: str) -> None:
    scenes = [film(PAIRS[f"{verb} {noun}"], np.random.default_rng(6)) for noun in NOUNS]
    for frames in zip(*(scene.frames for scene in scenes), strict=True):
        ball, other, stick = (np.asarray(frame, int) for frame in frames)
        assert min((np.abs(ball - frame).max(axis=2) > 50).sum() for frame in (other, stick)) > 20  # pixels


def test_frames_drawn_from_the_joints_come_with_a_remark(pairs: Dataset, cache: Path) -> None:
    drawn = open_dataset(replace(PAIRED, frames="rendered"), cache)
    assert not pairs.remarks and "nobody can tell its nouns" in drawn.remarks[0]


def test_fewer_clips_than_two_a_pair_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.clips=35: must be at least 36, two for each of the 18 pairs"):
        open_dataset(replace(PAIRED, clips=35), tmp_path)
    assert not list(tmp_path.iterdir())
