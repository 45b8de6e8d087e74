from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from d3d.config import DataConfig
from d3d.data.clip import Dataset
from d3d.data.readers.registry import open_dataset
from d3d.data.samples.sampling import check_frames
from d3d.data.skeleton import JOINTS
from d3d.data.synthetic.actions import ACTIONS, Action, Array, perform
from d3d.data.synthetic.scene import Scene, film
from d3d.errors import DataError

FEW = DataConfig(clips=30)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.suffix == ".jpg"}


def test_the_same_parameters_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = (open_dataset(FEW, tmp_path / name) for name in "ab")
    images = contents(tmp_path / "a")
    assert len(images) == sum(clip.length for clip in (*first.train, *first.test))
    assert images == contents(tmp_path / "b")
    assert first.digest == second.digest


def test_other_parameters_give_another_digest(synthetic: Dataset, tmp_path: Path) -> None:
    few = open_dataset(FEW, tmp_path)
    assert few.digest != synthetic.digest
    assert few.digest != open_dataset(DataConfig(clips=30, frames="rendered"), tmp_path).digest


def test_it_is_made_once(synthetic: Dataset, synthetic_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("d3d.data.synthetic.dataset.film", None)
    assert open_dataset(DataConfig(clips=60), synthetic_cache).digest == synthetic.digest


def test_an_interrupted_generation_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filmed = iter(range(20))

    def interrupted(action: Action, generator: np.random.Generator) -> Scene:
        if next(filmed, None) is None:
            raise KeyboardInterrupt
        return film(action, generator)

    monkeypatch.setattr("d3d.data.synthetic.dataset.film", interrupted)
    with pytest.raises(KeyboardInterrupt):
        open_dataset(FEW, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_two_at_once_share_one_whole_dataset(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        datasets = list(pool.map(lambda _: open_dataset(FEW, tmp_path), range(2)))
    assert datasets[0].digest == datasets[1].digest
    assert len(list(tmp_path.iterdir())) == 1


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=str(tmp_path / "file")):
        open_dataset(FEW, tmp_path / "file")


@pytest.mark.parametrize("name", ["synthetic", "synthetic_pairs"])
def test_a_root_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.root=somewhere"):
        open_dataset(DataConfig(name=name, root="somewhere"), tmp_path)


def test_splits_are_balanced(synthetic: Dataset) -> None:
    assert synthetic.classes == tuple(ACTIONS) and len(ACTIONS) == 15
    assert len(synthetic.train) + len(synthetic.test) == 60
    for split in (synthetic.train, synthetic.test):
        counts = Counter(clip.label for clip in split)
        assert set(counts) == set(range(15)) and max(counts.values()) == min(counts.values())
    assert not {clip.id for clip in synthetic.train} & {clip.id for clip in synthetic.test}


def test_thirty_clips_show_every_class_in_both_splits(tmp_path: Path) -> None:
    dataset = open_dataset(FEW, tmp_path)
    assert {clip.label for clip in dataset.train} == {clip.label for clip in dataset.test} == set(range(15))


def test_sixteen_frames_can_be_taken_of_every_clip(synthetic: Dataset) -> None:
    check_frames(synthetic, 16)


def test_some_joints_are_hidden_and_most_are_not(synthetic: Dataset) -> None:
    visible = np.concatenate([clip.visible.ravel() for clip in synthetic.train])
    assert 0.75 < visible.mean() < 0.97


def mean_motion(name: str, joint: str) -> Array:
    """The mean over clips of a joint's (x, y) in the first and in the last frame."""
    clips = [perform(ACTIONS[name], 20, np.random.default_rng(seed)) for seed in range(40)]
    ends: Array = np.stack([clip[[0, -1], JOINTS.index(joint)] for clip in clips]).mean(axis=0)
    return ends


@pytest.mark.parametrize(
    ("one", "other", "joint"),
    [
        ("sit_down", "stand_up", "head"),
        ("raise_arms", "lower_arms", "left_wrist"),
        ("throw", "draw_back", "right_wrist"),
    ],
)
def test_some_actions_differ_in_order_alone(one: str, other: str, joint: str) -> None:
    assert mean_motion(one, joint) == pytest.approx(mean_motion(other, joint)[::-1], abs=0.03)
    assert np.abs(np.diff(mean_motion(one, joint), axis=0)).max() > 0.2


@pytest.mark.parametrize(("one", "other"), [("swing_bat", "swing_racket"), ("press_barbell", "press_box")])
def test_some_actions_differ_in_their_prop_alone(one: str, other: str) -> None:
    first, second = (perform(ACTIONS[name], 20, np.random.default_rng(3)) for name in (one, other))
    assert (first == second).all() and ACTIONS[one].prop != ACTIONS[other].prop


def test_march_and_pace_differ_in_which_arm_goes_with_which_leg() -> None:
    def together(name: str) -> float:
        joints = np.concatenate([perform(ACTIONS[name], 20, np.random.default_rng(seed)) for seed in range(20)])
        wrist, ankle = (joints[:, JOINTS.index(f"right_{part}"), 0] for part in ("wrist", "ankle"))
        return float(np.corrcoef(wrist, ankle)[0, 1])

    assert together("march") < -0.8 and together("pace") > 0.8


def test_everybody_stands_on_the_ground() -> None:
    for action in ACTIONS.values():
        joints = perform(action, 20, np.random.default_rng(0))
        lowest = joints[..., 1].max(axis=1)
        assert (lowest <= 1e-9).all() and lowest.max() == pytest.approx(0, abs=0.02)
        assert np.ptp(joints[..., 1], axis=1).max() < 1.3
