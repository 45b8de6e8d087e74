from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from PIL import Image

from d3d.config import DataConfig
from d3d.data.poses.annotate import Estimate, estimate, estimate_all, write_dataset
from d3d.data.poses.listing import Video, list_videos
from d3d.data.readers.registry import open_dataset
from d3d.errors import DataError
from tests.data.poses.discs import HEIGHT, WIDTH, Discs, write_disc, write_videos

T = TypeVar("T")


def same(estimator: T) -> T:
    return estimator


def run(videos: list[Video], folder: Path, named: str = "discs", processes: int = 1) -> tuple[list[Estimate], int]:
    """The estimates of sound videos, and how many frames had to be looked at."""
    estimator = Discs()
    found = list(estimate_all(videos, folder, partial(same, estimator), named, processes))
    return [each for each in found if isinstance(each, Estimate)], estimator.frames


def test_joints_are_where_the_estimator_sees_them(tmp_path: Path) -> None:
    places = write_disc(tmp_path / "a.mp4", dark=3)
    found = estimate(Video("a", tmp_path / "a.mp4", "wave", "train", "a"), Discs())
    assert (found.height, found.width, found.points.shape, found.found) == (HEIGHT, WIDTH, (12, 17, 2), 9)
    assert np.abs(found.points[:9, 0] - places[:9]).max() < 1
    assert not found.scores[9:].any() and (found.scores[:9, :-1] == np.float32(0.9)).all()
    assert not found.scores[:, -1].any(), "a joint outside the picture is not seen"


def test_a_large_picture_is_looked_at_smaller_and_a_folder_of_images_is_a_clip(tmp_path: Path) -> None:
    picture = np.zeros((1500, 1200, 3), np.uint8)
    picture[900:920, 300:320] = 255
    (tmp_path / "a").mkdir()
    for number in range(2):
        Image.fromarray(picture).save(tmp_path / "a" / f"{number}.png", compress_level=1)
    found = estimate(Video("a", tmp_path / "a", "wave", "train", "a"), Discs())
    assert np.abs(found.points[:, 0] - (309.5, 909.5)).max() < 1


def test_what_was_estimated_is_kept_until_the_video_or_the_models_change(tmp_path: Path) -> None:
    root = write_videos(tmp_path / "videos", "wave/a.mp4", "wave/b.mp4")
    videos, folder = list_videos(root, None), tmp_path / "kept"
    first, looked = run(videos, folder)
    assert looked == 24
    again, looked = run(videos, folder)
    assert looked == 0 and all(np.array_equal(a.points, b.points) for a, b in zip(first, again, strict=True))
    assert run(videos, folder, "others")[1] == 24
    assert run(videos, folder)[1] == 24
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[:-40])
    assert run(videos, folder)[1] == 24, "a damaged file is made again"
    write_disc(root / "wave" / "b.mp4", length=13)
    assert run(videos, folder)[1] == 13
    assert len(list(folder.iterdir())) == 2, "nothing is left behind"


def test_several_processes_find_what_one_finds_and_name_the_broken(tmp_path: Path) -> None:
    root = write_videos(tmp_path / "videos", *(f"wave/{name}.mp4" for name in "abc"))
    (root / "wave" / "b.mp4").write_bytes(b"no video")
    videos = list_videos(root, None)
    one, two = (list(estimate_all(videos, tmp_path / f"{n}", Discs, "discs", n)) for n in (1, 2))
    for alone, beside in zip(one, two, strict=True):
        assert str(alone) == str(beside) if isinstance(alone, DataError) else isinstance(beside, Estimate)
    assert [isinstance(each, DataError) for each in one] == [False, True, False]
    assert "clip wave/b: " in str(one[1]) and "cannot be decoded as a video" in str(one[1])


def test_the_pickle_is_a_dataset(tmp_path: Path) -> None:
    names = [
        f"{split}/{action}/{take}.mp4" for split in ("train", "test") for action in ("wave", "jump") for take in "ab"
    ]
    root = write_videos(tmp_path / "videos", *names)
    videos = list_videos(root, None)
    estimates, _ = run(videos, tmp_path / "kept")
    path = tmp_path / "mine.pkl"
    assert write_dataset(path, list(zip(videos, estimates, strict=True))) == tmp_path / "mine.label_map.txt"
    data = DataConfig(name="pyskl", annotations=str(path), root=str(root), persons=1, resize=30, crop=24)
    dataset = open_dataset(data, tmp_path)
    assert dataset.classes == ("jump", "wave")
    assert [clip.id for clip in dataset.train] == ["train/jump/a", "train/jump/b", "train/wave/a", "train/wave/b"]
    assert [clip.label for clip in dataset.test] == [0, 0, 1, 1]
    assert dataset.train[0].visible[:, :-1].all() and not dataset.train[0].visible[:, -1].any()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["kept", "mine.label_map.txt", "mine.pkl", "videos"]
    with pytest.raises(DataError, match=r"none/mine\.label_map\.txt cannot be written .*choose another poses\.output"):
        write_dataset(tmp_path / "none" / "mine.pkl", list(zip(videos, estimates, strict=True)))
