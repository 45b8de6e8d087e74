import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from d3d.config import DataConfig
from d3d.data.clip import Clip
from d3d.data.formats.ntu_skeleton import read_skeleton_file
from d3d.data.frames.view import frame_view
from d3d.data.readers.ntu import PROTOCOLS, SUBJECTS_60, SUBJECTS_120, missing_skeletons, parse_name, trains
from d3d.data.readers.registry import find_source, open_dataset
from d3d.data.skeleton import NTU
from d3d.errors import DataError
from tests.data.ntu_files import (
    HEIGHT,
    SMALL,
    WIDTH,
    moving_body,
    skeleton_text,
    write_sample,
    write_skeleton,
)
from tests.data.video_files import found_discs, path_of_disc

NAME = "S001C001P001R001A002"
FIRST, SECOND = "72057594037944738", "72057594037944900"


def config(root: Path, **changed: Any) -> DataConfig:
    named: dict[str, Any] = {"name": "ntu60", "root": str(root), "frames": "rendered", "resize": 30, "crop": 24}
    return DataConfig(**(named | changed))


def read_one(root: Path, text: str, name: str = NAME, **changed: Any) -> Clip:
    write_skeleton(root, name, text)
    source = find_source(config(root, **changed), root)
    return source.read(source.entries[0]).clip


def test_bodies_are_tracked_by_their_ids_over_gaps(tmp_path: Path) -> None:
    places = np.stack([np.arange(10.0), 2 * np.arange(10.0)], axis=1)
    bodies = {
        SECOND: moving_body(places + 500, [4, 5, 8]),
        FIRST: moving_body(3 * places, [0, 1, 2, 6, 7, 8, 9]),
    }
    path = write_skeleton(tmp_path, NAME, skeleton_text(10, bodies))
    joints, visible = read_skeleton_file(path, 25)
    assert joints.shape == (2, 10, 25, 2) and joints.dtype == np.float32
    assert visible[0].all(axis=1).nonzero()[0].tolist() == [
        0,
        1,
        2,
        6,
        7,
        8,
        9,
    ]  # bodies are in the order in which they first appear
    assert visible[1].all(axis=1).nonzero()[0].tolist() == [4, 5, 8]
    assert joints[0, 7, 3].tolist() == [21, 42] and joints[1, 8, 24].tolist() == [508, 516]
    assert not joints[~visible].any()


def test_who_moves_most_is_first_and_the_rest_is_left_out(tmp_path: Path) -> None:
    places = np.stack([np.arange(10.0), np.zeros(10)], axis=1)
    bodies = {str(speed): moving_body(100 * speed + speed * places) for speed in (1, 4, 3)}
    text = skeleton_text(10, bodies)
    clip = read_one(tmp_path, text)
    assert clip.joints.shape == (10, 50, 2) and clip.visible.all()
    assert clip.joints[0, [0, 25], 0].tolist() == [400, 300]
    assert read_one(tmp_path, text, persons=1).joints[0, :, 0].tolist() == [400] * 25
    four = read_one(tmp_path, text, persons=4)
    assert four.visible.reshape(10, 4, 25).all(axis=(0, 2)).tolist() == [True, True, True, False]
    assert not four.joints[:, 75:].any()


def test_joints_are_those_of_the_colour_video(tmp_path: Path) -> None:
    clip = read_one(tmp_path, skeleton_text(3, {FIRST: moving_body(np.full((3, 2), (900.25, 431.5)))}))
    assert clip.joints[1, 0].tolist() == [900.25, 431.5]
    assert (clip.height, clip.width, clip.length) == (HEIGHT, WIDTH, 3)
    assert (clip.id, clip.label, clip.group) == (NAME, 1, "S001P001")


def test_a_joint_that_is_not_tracked_is_invisible_whatever_it_holds(tmp_path: Path) -> None:
    lines = skeleton_text(2, {FIRST: moving_body(np.full((2, 2), 9.0))}).splitlines()
    lines[4] = "0 0 0 0 0 -Infinity NaN 0 0 0 0 0"
    clip = read_one(tmp_path, "\n".join(lines))
    assert not clip.visible[0, 0] and clip.visible.sum() == 2 * 25 - 1
    assert clip.joints[0, 0].tolist() == [0, 0]


def damaged(change: str) -> str:
    """A file of two frames with two bodies, damaged."""
    body = moving_body(np.full((2, 2), 9.0))
    lines = skeleton_text(2, {FIRST: body, SECOND: body}).splitlines()
    second = 1 + 1 + 2 * 27  # the line before the second frame's
    return {
        "cut": "\n".join(lines[:40]),
        "cut line": "\n".join([*lines[:40], lines[40][:50]]),
        "empty": "",
        "nan": "\n".join([*lines[:10], re.sub("9.0000", "NaN", lines[10]), *lines[11:]]),
        "infinite": "\n".join([*lines[:10], re.sub("9.0000", "-Infinity", lines[10]), *lines[11:]]),
        "text": "\n".join([*lines[:10], re.sub("9.0000", "x", lines[10]), *lines[11:]]),
        "joints": "\n".join([*lines[:3], "20", *lines[4:]]),
        "twice": "\n".join(lines).replace(SECOND, FIRST),
        "more": "\n".join([*lines, "1"]),
        "frames": "\n".join(["3", *lines[1:]]),
        "no number": "\n".join([*lines[:second], "two", *lines[second + 1 :]]),
        "no frames": "0\n",
        "many frames": "250001\n",
        "many bodies": "\n".join(["125001", *lines[1:]]),
    }[change]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("cut", "line 41: the file ends where a joint should be"),
        ("cut line", "line 41: [0-9]+ numbers where a joint has 12"),
        ("empty", "line 1: the file ends where the number of frames should be"),
        ("nan", "line 11: a tracked joint at .nan, nan."),
        ("infinite", "line 11: a tracked joint at .-inf, -inf."),
        ("text", "line 11: could not convert string to float: 'x'"),
        ("joints", "line 4: 20 joints, not 25"),
        ("twice", f"line 30: body {FIRST} is twice in frame 1"),
        ("more", "line 112: more lines than its frames need"),
        ("frames", "line 112: the file ends where the number of bodies of frame 3 of 3 should be"),
        ("no number", "line 57: 'two' where the number of bodies of frame 2 of 2 should be"),
        ("no frames", "line 1: 0 frames"),
        ("many frames", "line 1: 250001 frames; a clip may have 1 to 250000"),
        ("many bodies", "line 30: 2 bodies in 125001 frames; the two numbers multiplied may be 250000"),
    ],
)
def test_a_damaged_file_is_named_with_its_line(tmp_path: Path, change: str, complaint: str) -> None:
    with pytest.raises(DataError, match=rf"clip {NAME}: .*{NAME}\.skeleton .*{complaint}.*; restore it$") as caught:
        read_one(tmp_path, damaged(change))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("sample", "name", "protocol", "train"),
    [
        ("S001C001P002R001A001", "ntu60", "xsub", True),
        ("S001C001P003R001A001", "ntu60", "xsub", False),
        ("S001C001P002R001A001", "ntu60", "xview", False),
        ("S001C002P003R001A001", "ntu60", "xview", True),
        ("S001C003P003R001A001", "ntu60", "xview", True),
        ("S018C003P103R001A120", "ntu120", "xsub", True),
        ("S018C003P104R001A120", "ntu120", "xsub", False),
        ("S018C003P104R001A120", "ntu120", "xset", True),
        ("S017C003P103R001A060", "ntu120", "xset", False),
    ],
)
def test_the_official_splits(sample: str, name: str, protocol: Any, train: bool) -> None:
    parsed = parse_name(sample)
    assert parsed is not None and trains(parsed, name, protocol) is train


def test_the_official_counts() -> None:
    assert (len(SUBJECTS_60), len(SUBJECTS_120)) == (20, 53)
    missing = missing_skeletons()
    assert (len(missing), sum(name < "S018" for name in missing)) == (535, 302)
    assert all(parse_name(name) for name in missing)


def test_the_listed_samples_and_the_other_dataset_are_left_out(tmp_path: Path) -> None:
    for name in (NAME, "S001C001P003R001A002", "S001C002P005R002A008", "S018C001P003R001A061", "notes"):
        write_sample(tmp_path, name, video=False)
    dataset = open_dataset(config(tmp_path), tmp_path)
    assert [clip.id for clip in (*dataset.train, *dataset.test)] == [NAME, "S001C001P003R001A002"]
    assert find_source(config(tmp_path), tmp_path).remarks[0].startswith("1 samples left out")
    larger = find_source(config(tmp_path, name="ntu120", protocol="xset"), tmp_path)
    assert len(larger.entries) == 3 and len(larger.classes) == 120


def test_labels_beyond_the_classes_and_an_empty_split_are_refused(tmp_path: Path) -> None:
    write_sample(tmp_path, "S001C001P001R001A061", video=False)
    with pytest.raises(DataError, match=r"clip S001C001P001R001A061 .*its label is 60, but there are 60 classes"):
        open_dataset(config(tmp_path), tmp_path)
    with pytest.raises(DataError, match="no test clip"):
        open_dataset(config(tmp_path, name="ntu120"), tmp_path)


@pytest.mark.parametrize(("name", "protocol"), [("ntu60", "xset"), ("ntu120", "xview")])
def test_a_protocol_of_the_other_dataset_is_refused(tmp_path: Path, name: str, protocol: str) -> None:
    with pytest.raises(DataError, match=f"data.protocol={protocol}: {name} has {' and '.join(PROTOCOLS[name])}"):
        find_source(config(tmp_path, name=name, protocol=protocol), tmp_path)


def test_a_folder_without_skeletons_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape(f"data.root={tmp_path}: no nturgb+d_skeletons/")):
        find_source(config(tmp_path), tmp_path)
    with pytest.raises(DataError, match=re.escape("data.root is not set: name the folder of NTU RGB+D")):
        find_source(DataConfig(name="ntu60"), tmp_path)


def test_the_disc_in_the_video_is_where_the_joints_are(tmp_path: Path) -> None:
    length = 90  # three seconds
    for name in (NAME, "S001C001P003R001A002"):
        write_sample(tmp_path, name, length, second=True)
    dataset = open_dataset(config(tmp_path, frames="files"), tmp_path)
    clip, indices = dataset.train[0], np.array([4, 30, 31, 59, 89])
    view = frame_view(clip, 60)
    assert np.abs(np.diff(path_of_disc(length, *SMALL), axis=0)).max() > 1
    found = found_discs(dataset.read_frames(clip, indices, view))
    assert np.abs(found - view.place(clip.joints[indices, 0])).max() < 0.5
    assert (clip.joints[:, 25:] == 300).all()


def test_absent_videos_are_counted_or_skipped(tmp_path: Path) -> None:
    for name, video in ((NAME, True), ("S001C001P003R001A002", True), ("S001C001P004R001A002", False)):
        write_sample(tmp_path, name, video=video)
    with pytest.raises(DataError, match=r"1 of 3 clips lack videos under nturgb\+d_rgb/ .S001C001P004R001A002."):
        open_dataset(config(tmp_path, frames="files"), tmp_path)
    dataset = open_dataset(config(tmp_path, frames="files", missing="skip"), tmp_path)
    assert (len(dataset.train), len(dataset.test), dataset.persons) == (1, 1, 2)


def test_a_mirrored_person_keeps_its_place(tmp_path: Path) -> None:
    write_sample(tmp_path, NAME, video=False)
    write_sample(tmp_path, "S001C001P003R001A001", video=False)
    dataset = open_dataset(config(tmp_path), tmp_path)
    names, mirrored = dataset.joint_names, dataset.mirrored
    assert len(names) == 50 and names[4] == "person_1_left_shoulder" and mirrored is not None
    for name, joint in zip(names, mirrored, strict=True):
        assert names[joint] == re.sub("left|right", lambda found: {"left": "right"}.get(found[0], "left"), name)
    assert open_dataset(config(tmp_path, persons=1), tmp_path).joint_names == NTU.joint_names


def test_samples_in_small_letters_and_videos_with_another_ending_are_found(tmp_path: Path) -> None:
    names = [f"S001C001P{performer:03d}R001A001" for performer in (1, 3)]
    for name in names:
        write_sample(tmp_path, name)
    before = open_dataset(DataConfig(name="ntu60", root=str(tmp_path)), tmp_path / "cache")
    skeletons, videos = tmp_path / "nturgb+d_skeletons", tmp_path / "NTURGB+D_RGB"
    (tmp_path / "nturgb+d_rgb").rename(videos)
    (skeletons / f"{names[0]}.skeleton").rename(skeletons / f"{names[0].lower()}.SKELETON")
    (videos / f"{names[0]}_rgb.avi").rename(videos / f"{names[0].lower()}_RGB.AVI")
    (videos / f"{names[1]}_rgb.avi").rename(videos / f"{names[1]}.avi")
    dataset = open_dataset(DataConfig(name="ntu60", root=str(tmp_path)), tmp_path / "cache")
    clips = (*dataset.train, *dataset.test)
    assert [clip.id for clip in clips] == names and dataset.digest == before.digest
    for clip in clips:
        assert dataset.read_frames(clip, np.arange(2), frame_view(clip, 30)).shape[0] == 2
    assert dataset.remarks[0].startswith("2 clips are read from files or folders of a similar name, such as S001")
