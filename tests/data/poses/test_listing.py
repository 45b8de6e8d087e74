from collections import Counter
from pathlib import Path

import pytest

from d3d.data.poses.listing import Video, list_videos
from d3d.errors import DataError


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def splits(videos: list[Video]) -> dict[str, str]:
    return {video.id: video.split for video in videos}


def test_folders_are_classes_and_a_fifth_of_each_is_tested(tmp_path: Path) -> None:
    names = [
        f"{action}/{take:02d}.{ending}" for action in ("wave", "jump") for take in range(10) for ending in ("mp4",)
    ]
    root = touch(tmp_path, *names, "notes.txt", "wave/notes.txt", ".hidden/a.mp4")
    videos = list_videos(root, None)
    assert [video.id for video in videos] == sorted(name[:-4] for name in names)
    assert {video.action for video in videos if video.id.startswith("wave")} == {"wave"}
    assert Counter((video.action, video.split) for video in videos) == {
        ("jump", "train"): 8, ("jump", "val"): 2, ("wave", "train"): 8, ("wave", "val"): 2,
    }  # fmt: skip
    assert list_videos(root, None) == videos


def test_clips_of_one_recording_are_on_one_side(tmp_path: Path) -> None:
    root = touch(tmp_path, *(f"wave/v_Wave_g{group:02d}_c{take:02d}.avi" for group in range(5) for take in range(4)))
    sides: dict[str, set[str]] = {}
    for video in list_videos(root, None):
        sides.setdefault(video.group, set()).add(video.split)
    assert len(sides) == 5 and all(len(each) == 1 for each in sides.values())


def test_folders_may_be_splits(tmp_path: Path) -> None:
    root = touch(tmp_path, "Train/wave/a.mp4", "test/wave/b.MP4")
    assert splits(list_videos(root, None)) == {"Train/wave/a": "train", "test/wave/b": "val"}
    touch(tmp_path, "valid/wave/c.mp4")
    assert sorted(splits(list_videos(root, None)).values()) == ["test", "train", "val"]


def test_a_list_says_everything(tmp_path: Path) -> None:
    root = touch(tmp_path / "videos", "a.mp4", "deep/b.mkv", "c.mp4")
    path = tmp_path / "list.csv"
    path.write_text("\ufeffClip,Class,Split,Group\r\na,wave,train,film\r\nB.mkv,jump,testing,\r\n\r\n", "utf-8")
    found = list_videos(root, path)
    assert found == [
        Video("a", root / "a.mp4", "wave", "train", "film"),
        Video("deep/b", root / "deep" / "b.mkv", "jump", "val", "deep/b"),
    ]
    path.write_text("class,clip\nwave,a\nwave,c\n")
    assert sorted(splits(list_videos(root, path)).values()) == ["train", "val"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", r"its first line is not clip,class,split,group"),
        ("a,wave\n", r"its first line is not clip,class,split,group"),
        ("clip,class,clip\n", r"its first line is not"),
        ("clip,class\na\n", r"line 2 is 'a', not clip,class"),
        ("clip,class\na,\n", r"line 2 is 'a,', not clip,class"),
        ("clip,class\nz,wave\n", r"line 2: z is not under "),
        ("clip,class\n../a,wave\n", r"line 2: '\.\./a' is no name below data\.root"),
        ("clip,class\n/etc/passwd,wave\n", r"line 2: '/etc/passwd' is no name below"),
        ("clip,class\na,wave\na,wave\n", r"2 videos are called a; rename or remove all but one"),
        ("clip,class,split\na,wave,train\nb,wave,\n", r"1 of 2 videos have no split \(b\); give all one"),
        (
            "clip,class,split\na,wave,train\nb,wave,train\n",
            r"the splits are train; there must be train, and test or val",
        ),
        ("clip,class\na,wave\nb,jump\n", r"has 1 independent video, and at least one to train on and one to test on"),
        ('clip,class\na,"w\nx"\n', r"'w\\nx' of a cannot be the name of a class; rename it"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    root = touch(tmp_path / "videos", "a.mp4", "b.mp4")
    path = tmp_path / "list.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"poses\.list=.*list\.csv: .*{fault}"):
        list_videos(root, path)


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        ((), r"there is no video; put them into a folder for each class"),
        (("a.mp4",), r"a\.mp4 is a clip and lies in no folder of a class; the layouts are"),
        (("wave/a.mp4", "wave/cover.jpg"), r"wave is a folder of images, so a clip, and lies in no folder of a class"),
        (("wave/a\n.mp4", "wave/b.mp4"), r"wave/a\\n has characters that cannot be shown; rename it"),
        (("x/y/a.mp4", "train/y/a.mp4"), r"lies in no folder of a class"),
        (("wave/a.mp4", "wave/a.avi"), r"2 videos are called wave/a"),
        (("wave/a.mp4", "jump/a.mp4", "jump/b.mp4"), r"wave has 1 independent video"),
        (("train/wave/a.mp4",), r"the splits are train; there must be train, and test or val"),
    ],
)
def test_folders_that_cannot_be_used_are_refused(tmp_path: Path, names: tuple[str, ...], fault: str) -> None:
    with pytest.raises(DataError, match=rf"data\.root=.*{fault}"):
        list_videos(touch(tmp_path, *names), None)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.root=.*none: is no folder"):
        list_videos(tmp_path / "none", None)
