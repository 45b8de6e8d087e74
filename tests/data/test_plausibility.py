from pathlib import Path
from typing import Any

import numpy as np
import pytest

from d3d.config import DataConfig
from d3d.data.clip import Clip
from d3d.data.look.check import check
from d3d.data.plausibility import doubts, fit_of, frequent
from d3d.data.readers.registry import find_source, open_dataset
from d3d.errors import DataError
from tests.data import ntu_files
from tests.data.pyskl_files import HEIGHT, WIDTH, annotation, write_pickle, write_videos


def clip(joints: Any, height: int = HEIGHT, width: int = WIDTH, visible: Any = None) -> Clip:
    joints = np.asarray(joints, np.float32)
    seen = np.ones(joints.shape[:2], bool) if visible is None else visible
    return Clip("c", 0, True, height, width, joints, seen, "c")


def walking(clips: int = 12, seed: int = 0) -> list[np.ndarray]:
    """L×17×2 joints of persons all over a picture of HEIGHT × WIDTH."""
    generator = np.random.default_rng(seed)
    return [generator.uniform(0, (WIDTH - 1, HEIGHT - 1), (20, 17, 2)) for _ in range(clips)]


def said(clips: list[Clip], available: int = 0) -> list[str]:
    """The doubts about these clips, without their counts and examples."""
    fits = {f"c{n}": fit_of(each, available) for n, each in enumerate(clips)}
    return [doubt.text.partition(" clips ")[2].partition(": c")[0] for doubt in doubts(fits)]


@pytest.mark.parametrize(
    ("changed", "statement"),
    [
        (lambda joints: clip(joints), None),
        (lambda joints: clip(joints - 2), None),
        (lambda joints: clip(joints / (WIDTH, HEIGHT)), "have all their joints within a few pixels"),
        (
            lambda joints: clip((joints - HEIGHT / 2) / (HEIGHT / 3), 480, 640),
            "have all their joints within a few pixels",
        ),
        (lambda joints: clip(joints / (WIDTH / 2, HEIGHT / 2) - 1), "have all their joints within a few pixels"),
        (
            lambda joints: clip(np.where(np.arange(17)[:, None] == 3, -1, joints)),
            "have joints at (-1, -1) again and again",
        ),
        (lambda joints: clip(4 * joints), "have most of their joints outside the picture"),
        (lambda joints: clip(joints - (WIDTH / 2, HEIGHT / 2)), "have most of their joints outside the picture"),
        (
            lambda joints: clip(joints, WIDTH, HEIGHT),
            "outside the picture that fit if its height and width are exchanged",
        ),
        (lambda joints: clip(joints, 2 * HEIGHT, 2 * WIDTH), "have no joint beyond 50 % of the picture's sides"),
        (lambda joints: clip(np.repeat(joints[:, :1], 17, axis=1)), "have all joints at one place"),
        (lambda joints: clip(np.repeat(joints[:1], 20, axis=0)), "have joints that never move"),
        (lambda joints: clip(joints, visible=np.zeros((20, 17), bool)), "have no visible joint"),
    ],
)
def test_what_is_hardly_right_is_said_and_nothing_else(changed: Any, statement: str | None) -> None:
    found = said([changed(joints) for joints in walking()])
    assert len(found) == (statement is not None), found
    assert statement is None or statement in found[0]


def test_more_frames_than_joints_are_said_and_a_few_more_are_not() -> None:
    clips = [clip(joints) for joints in walking()]
    assert said(clips, 24) == said(clips, 20) == said(clips, 0) == []
    (found,) = said(clips, 100)
    assert "5.0 times as many in the median (100 for 20 in the first)" in found


def test_a_launch_says_only_what_concerns_many_clips() -> None:
    fits = {f"c{n}": fit_of(clip(joints), 0) for n, joints in enumerate(walking(40))}
    fits["c7"] = fit_of(clip(4 * walking(1)[0]), 0)
    (doubt,) = doubts(fits)
    assert doubt.text == "1 of 40 clips have most of their joints outside the picture: c7" and not doubt.impossible
    assert frequent([doubt], 40) == () and frequent([doubt], 9) == (doubt.text,)


def written(root: Path, **changed: Any) -> DataConfig:
    clips = [annotation(f"c{n}", 0, **{key: make() for key, make in changed.items()}) for n in range(4)]
    path = write_pickle(root / "a.pkl", clips[:2], clips[2:])
    return DataConfig(name="pyskl", annotations=str(path), frames="rendered", resize=30, crop=24, skeleton="coco")


@pytest.mark.parametrize("scale", [(1 / WIDTH, 1 / HEIGHT), (7, 7)])
def test_a_dataset_of_which_most_cannot_be_right_is_refused(tmp_path: Path, scale: tuple[float, float]) -> None:
    data = written(tmp_path, keypoint=lambda: annotation("c", 0)["keypoint"] * np.array(scale))
    with pytest.raises(
        DataError, match=r"4 of 4 clips have .*: c0, c1, c2, …; joints are counted in pixels of the pic"
    ):
        open_dataset(data, tmp_path)
    found = check(find_source(data, tmp_path), data, 4, 1, lambda: None)
    assert len(found.faults) == 1 and found.doubts == ()


def test_check_and_launch_say_that_a_video_has_another_rate(tmp_path: Path) -> None:
    data = written(tmp_path)
    slow = [annotation(f"c{n}", 0, 60) for n in range(4)]
    root = write_videos(tmp_path / "videos", slow)
    data = DataConfig(**(vars(data) | {"frames": "files", "root": str(root)}))
    (remark,) = open_dataset(data, tmp_path).remarks
    assert remark.startswith("4 of 4 clips have more frames in their files than joints, 5.0 times as many")
    assert check(find_source(data, tmp_path), data, 4, 1, lambda: None).doubts == (remark,)


def test_a_cached_dataset_is_doubted_as_before(tmp_path: Path) -> None:
    for performer in (1, 3):
        ntu_files.write_sample(tmp_path, f"S001C001P{performer:03d}R001A001", video=False)
    data = DataConfig(name="ntu60", root=str(tmp_path), frames="rendered")
    first, second = (open_dataset(data, tmp_path / "cache") for _ in range(2))
    assert (
        first.remarks
        == second.remarks
        == ("2 of 2 clips have all joints at one place: S001C001P001R001A001, S001C001P003R001A001",)
    )
