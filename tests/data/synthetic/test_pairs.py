from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from d3d.analysis.baselines import classify, features
from d3d.config import BaselineConfig, DataConfig
from d3d.data.clip import Clip, Dataset
from d3d.data.frames.view import frame_view
from d3d.data.readers.registry import open_dataset
from d3d.data.synthetic.pairs import NOUNS, PAIRS, VERBS
from d3d.data.synthetic.scene import HAND, HEIGHT, film
from d3d.errors import DataError
from d3d.prediction import Prediction, part_top1

PAIRED = DataConfig(name="synthetic_pairs", clips=200)
REACH = 12  # pixels around the hand


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pairs")


@pytest.fixture(scope="module")
def pairs(cache: Path) -> Dataset:
    """Eleven clips of each pair, four of them test clips."""
    return open_dataset(PAIRED, cache)


def test_a_class_is_its_verb_and_its_noun(pairs: Dataset) -> None:
    verb, noun = pairs.parts
    assert (verb.name, noun.name) == ("verb", "noun") and (verb.classes, noun.classes) == (VERBS, tuple(NOUNS))
    for label, name in enumerate(pairs.classes):
        assert name == f"{verb.classes[verb.of_class[label]]} {noun.classes[noun.of_class[label]]}"


def test_a_verb_tells_nothing_of_the_noun(pairs: Dataset) -> None:
    for split, clips in ((pairs.train, 7), (pairs.test, 4)):
        assert Counter(clip.label for clip in split) == dict.fromkeys(range(len(PAIRS)), clips)


def test_the_figure_moves_the_same_whatever_it_holds() -> None:
    scenes = [film(PAIRS[f"throw {noun}"], np.random.default_rng(5)) for noun in NOUNS]
    assert all((scene.joints == scenes[0].joints).all() for scene in scenes)
    assert all((scene.visible == scenes[0].visible).all() for scene in scenes)


@pytest.mark.parametrize("verb", VERBS)
def test_every_frame_shows_what_is_held(verb: str) -> None:
    scenes = [film(PAIRS[f"{verb} {noun}"], np.random.default_rng(6)) for noun in NOUNS]
    for frames in zip(*(scene.frames for scene in scenes), strict=True):
        ball, *others = (np.asarray(frame, int) for frame in frames)
        assert min((np.abs(ball - other).max(axis=2) > 50).sum() for other in others) > 20  # pixels


def test_frames_drawn_from_the_joints_come_with_a_remark(pairs: Dataset, cache: Path) -> None:
    drawn = open_dataset(replace(PAIRED, frames="rendered"), cache)
    assert not pairs.remarks and "nobody can tell its nouns" in drawn.remarks[0]


def test_fewer_clips_than_two_a_pair_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.clips=35: must be at least 36, two for each of the 18 pairs"):
        open_dataset(replace(PAIRED, clips=35), tmp_path)
    assert not list(tmp_path.iterdir())


def test_joints_alone_tell_the_verb_and_no_noun(pairs: Dataset) -> None:
    accuracy = part_top1(classify(BaselineConfig(method="ridge"), 8, pairs).predictions)
    assert accuracy["verb"] > 0.75
    assert accuracy["noun"] == pytest.approx(1 / 3, abs=0.17), "three standard deviations of guessing on 72 clips"


def test_a_single_frame_tells_the_noun_and_which_two_verbs_it_may_be(pairs: Dataset) -> None:
    train, test = (np.array([single_frame(pairs, clip) for clip in clips]) for clips in (pairs.train, pairs.test))
    probe = Ridge(10).fit(train, np.eye(len(PAIRS))[[clip.label for clip in pairs.train]])
    predictions = [
        Prediction(clip.id, clip.label, 0, parts=tuple(part.predict(clip.label, scores) for part in pairs.parts))
        for clip, scores in zip(pairs.test, probe.predict(test), strict=True)
    ]
    accuracy = part_top1(predictions)
    assert accuracy["noun"] > 0.9
    assert 0.35 < accuracy["verb"] < 0.65, "half, as every other frame is of the verb that goes the other way"


def single_frame(dataset: Dataset, clip: Clip) -> np.ndarray:
    """The pixels around the hand in the frame nearest to the middle that shows it, and all joints of the middle one."""
    middle, shown = clip.length // 2, np.flatnonzero(clip.visible[:, HAND])
    moment = int(shown[np.abs(shown - middle).argmin()]) if len(shown) else middle
    (frame,) = dataset.read_frames(clip, np.array([moment]), frame_view(clip, HEIGHT))
    x, y = np.rint(clip.joints[moment, HAND]).astype(int)
    framed = np.pad(frame, ((REACH, REACH), (REACH, REACH), (0, 0)))
    around = framed[y : y + 2 * REACH : 2, x : x + 2 * REACH : 2] / 255
    return np.concatenate([around.ravel(), features(clip, 1)])
