import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from d3d.config import DataConfig
from d3d.data.clip import Clip
from d3d.data.frames.view import frame_view
from d3d.data.readers.registry import find_source, open_dataset
from d3d.data.skeleton import KNOWN, Skeleton, nameless
from d3d.data.source import read_each
from d3d.errors import ConfigError, DataError
from tests.data.pyskl_files import annotation, write_dataset, write_pickle, write_videos
from tests.data.video_files import found_discs


def config(path: Path, **changed: Any) -> DataConfig:
    named: dict[str, Any] = {"name": "pyskl", "annotations": str(path), "frames": "rendered", "resize": 30, "crop": 24}
    return DataConfig(**(named | changed))


def read_one(tmp_path: Path, each: Any, **changed: Any) -> Clip:
    other = annotation("other", 0)
    source = find_source(config(write_pickle(tmp_path / "a.pkl", [other], [each]), **changed), tmp_path)
    found = list(read_each(source))[1]
    if isinstance(found, DataError):
        raise found
    return found.clip


def test_the_splits_are_those_named(tmp_path: Path) -> None:
    path = write_dataset(tmp_path, video=False)
    dataset = open_dataset(config(path), tmp_path)
    assert (len(dataset.train), len(dataset.test), dataset.classes[3]) == (16, 8, "class_3")
    turned = open_dataset(config(path, splits=("val", "train")), tmp_path)
    assert (len(turned.train), len(turned.test)) == (8, 16)
    with pytest.raises(DataError, match=r"no split 'xsub_val' in .*it has train, val; .*data\.splits=\[train,val\]"):
        find_source(config(path, splits=("train", "xsub_val")), tmp_path)


def test_clips_are_read_in_several_processes_alike(tmp_path: Path) -> None:
    source = find_source(config(write_dataset(tmp_path, video=False)), tmp_path)
    for found, alone in zip(read_each(source, 2), read_each(source), strict=True):
        assert not isinstance(found, DataError) and not isinstance(alone, DataError)
        assert found.clip.id == alone.clip.id and np.array_equal(found.clip.joints, alone.clip.joints)


def test_joints_are_pixels_and_a_score_above_zero_is_what_is_seen(tmp_path: Path) -> None:
    each = annotation("c", 0)
    each["keypoint_score"][0, 3, [2, 5, 6]] = (0, np.nan, 0.01)
    each["keypoint"][0, 3, [2, 5]] = np.nan
    clip = read_one(tmp_path, each)
    assert clip.joints.shape == (12, 34, 2) and clip.joints.dtype == np.float32
    assert clip.visible[3, :7].tolist() == [True, True, False, True, True, False, True]
    assert not clip.joints[~clip.visible].any() and not clip.visible[:, 17:].any()
    assert clip.joints[4, 9].tolist() == each["keypoint"][0, 4, 9].tolist()
    assert (clip.height, clip.width, clip.train, clip.group) == (90, 160, False, "c")


def test_without_scores_a_joint_at_zero_is_not_seen(tmp_path: Path) -> None:
    each = annotation("c", 0, keypoint_score=None)
    each["keypoint"][0, 2, 4] = 0
    clip = read_one(tmp_path, each)
    assert not clip.visible[2, 4] and clip.visible[:, :17].sum() == 12 * 17 - 1


def test_any_number_of_persons_and_joints(tmp_path: Path) -> None:
    path = write_dataset(tmp_path, video=False, joints=7)
    dataset = open_dataset(config(path, persons=3), tmp_path)
    assert dataset.joint_names[7] == "person_2_joint_0" and len(dataset.joint_names) == 21
    assert dataset.mirrored is None, "nobody knows left from right"
    present = {clip.id[-1]: clip.visible.reshape(-1, 3, 7).any(axis=(0, 2)).sum() for clip in dataset.train}
    assert present == {"0": 2, "1": 1, "2": 1, "3": 2}
    frames = dataset.read_frames(dataset.train[0], np.arange(3), frame_view(dataset.train[0], 48))
    assert frames.shape[1] == 48 and frames[0].std() > 5
    nobody = read_one(tmp_path, annotation("c", 0, persons=0))
    assert not nobody.visible.any()


def write_hand(path: Path) -> Path:
    """Seven joints, of which two swap places in a mirror image."""
    names = [f"finger {joint}" for joint in range(7)]
    limbs = [[child, names[0]] for child in names[1:]]
    described = {"joints": names, "mirrored": [names[1:3]], "limbs": limbs, "centre": names[0]}
    path.write_text(yaml.safe_dump(described))
    return path


def test_a_file_beside_the_annotations_says_what_the_joints_are(tmp_path: Path) -> None:
    keypoint = np.random.default_rng(0).uniform(0, 90, (1, 12, 7, 2))
    train, val = ([annotation(id, 0, joints=7, keypoint=keypoint)] for id in "ab")
    path = write_pickle(tmp_path / "hands.pkl", train, val)
    before = open_dataset(config(path), tmp_path)
    write_hand(tmp_path / "hands.skeleton.yaml")
    dataset = open_dataset(config(path), tmp_path)
    assert dataset.joint_names[8] == "person_2_finger 1" and not dataset.remarks
    assert dataset.mirrored == (0, 2, 1, 3, 4, 5, 6, 7, 9, 8, 10, 11, 12, 13) and dataset.skeleton.centre == 0
    assert dataset.digest != before.digest, "it is flipped and drawn in another way"
    clip, view = dataset.train[0], frame_view(dataset.train[0], 48)
    frames, dots = (each.read_frames(clip, np.arange(3), view) for each in (dataset, before))
    assert (frames != dots).any(), "limbs are drawn"


@pytest.mark.parametrize("name", ["coco", "human36m"])
def test_a_known_skeleton_is_named(tmp_path: Path, name: str) -> None:
    path = write_dataset(tmp_path, video=False)
    write_hand(tmp_path / "skeletons.skeleton.yaml")  # the configuration takes precedence
    dataset = open_dataset(config(path, skeleton=name), tmp_path)
    assert (dataset.skeleton, dataset.remarks) == (KNOWN[name], ())


@pytest.mark.parametrize(
    ("joints", "taken", "remark"),
    [
        (17, KNOWN["coco"], "its 17 joints are taken for COCO's; data.skeleton=human36m or skeletons.skeleton.yaml"),
        (25, KNOWN["ntu"], "its 25 joints are taken for NTU RGB+D's; data.skeleton=FILE.yaml or skeletons"),
        (13, KNOWN["penn_action"], "its 13 joints are taken for Penn Action's; data.skeleton=FILE.yaml or"),
        (7, nameless(7), "nothing describes its 7 joints: no limbs are drawn, and augmentation.flip must be false"),
    ],
)
def test_what_joints_are_taken_for_is_said(tmp_path: Path, joints: int, taken: Skeleton, remark: str) -> None:
    dataset = open_dataset(config(write_dataset(tmp_path, video=False, joints=joints)), tmp_path)
    assert dataset.skeleton == taken
    (said,) = dataset.remarks
    assert said.startswith(remark)
    assert open_dataset(config(tmp_path / "skeletons.pkl", split="validation"), tmp_path).remarks == (said,)


def test_each_skeleton_of_the_same_joints_is_a_result_of_its_own(tmp_path: Path) -> None:
    path = write_dataset(tmp_path, video=False)
    named = (None, "coco", "human36m")
    unsaid, coco, human36m = (open_dataset(config(path, skeleton=each), tmp_path).digest for each in named)
    assert unsaid == coco != human36m


def test_a_skeleton_of_other_joints_is_refused(tmp_path: Path) -> None:
    path = write_dataset(tmp_path, video=False, joints=7)
    for said in ("ntu", str(write_hand(tmp_path / "hand.yaml"))):
        joints = 25 if said == "ntu" else 7
        other = write_pickle(tmp_path / "b.pkl", [annotation("a", 0)], [annotation("b", 0)])
        with pytest.raises(ConfigError, match=rf"{said}: describes {joints} joints, the clips of .*b\.pkl have 17; "):
            find_source(config(other, skeleton=said), tmp_path)
    with pytest.raises(ConfigError, match=r"coco: describes 17 joints, .* have 7; with data=pyskl"):
        find_source(config(path, name="finegym"), tmp_path)
    with pytest.raises(ConfigError, match=r"data\.skeleton=coco: finegym has a skeleton of its own; leave it out"):
        find_source(config(path, name="finegym", skeleton="coco"), tmp_path)


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"keypoint": np.zeros((1, 12, 17, 3), np.float16)}, "not M×T×V×2: coordinates must be in pixels of the video"),
        ({"keypoint": np.ones((1, 12, 18, 2)), "keypoint_score": None}, "it has 18 joints, the dataset has 17"),
        ({"keypoint": np.full((1, 12, 17, 2), np.nan)}, "joint 0 of person 0 in frame 0 is at .nan nan."),
        ({"keypoint": np.full((1, 12, 17, 2), np.inf)}, "joint 0 of person 0 in frame 0 is at .inf inf."),
        ({"keypoint_score": np.full((1, 12, 17), np.inf)}, "a keypoint_score is infinite"),
        ({"keypoint_score": np.ones((1, 11, 17))}, "keypoint_score is .1, 11, 17., keypoint .1, 12, 17, 2."),
        ({"total_frames": 13}, "total_frames is 13, its keypoint has 12"),
        ({"label": -1}, "label is -1, not a number from 0"),
        ({"label": "jump"}, "label is 'jump'"),
        ({"label": 1}, "its label is 1, but there are 1 classes"),
        ({"img_shape": (0, 160)}, "its sizes"),
        ({"img_shape": None}, "img_shape is None, not .height, width."),
        ({"img_shape": (120, 160, 3)}, "img_shape is .120, 160, 3., not .height, width."),
        ({"total_frames": None}, "total_frames is None, not a number of frames"),
        ({"keypoint": "none"}, "keypoint is not an array"),
        ({"frame_dir": "../c"}, "leads out of data.root"),
    ],
)
def test_a_wrong_annotation_names_its_clip(tmp_path: Path, changed: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DataError, match=rf"clip (\.\./)?c[ :].*{complaint}") as caught:
        read_one(tmp_path, annotation("c", 0) | changed)
    assert "\n" not in str(caught.value)


def test_a_lacking_field_names_its_clip(tmp_path: Path) -> None:
    each = annotation("c", 0)
    del each["img_shape"]
    with pytest.raises(DataError, match=r"clip c: .*it has no 'img_shape'"):
        read_one(tmp_path, each)


def test_a_clip_twice_or_in_both_splits_or_nowhere_is_refused(tmp_path: Path) -> None:
    first, second = annotation("a", 0), annotation("b", 0)
    path = write_pickle(tmp_path / "a.pkl", [first, first], [second])
    with pytest.raises(DataError, match=r"clip a .*have this id"):
        open_dataset(config(path), tmp_path)
    path = write_pickle(tmp_path / "a.pkl", [first, second], [second])
    with pytest.raises(DataError, match=r"1 clips are in 'train' and in 'val' .b"):
        open_dataset(config(path), tmp_path)
    path.write_bytes(pickle.dumps({"split": {"train": ["a"], "val": ["b", "c"]}, "annotations": [first, second]}))
    with pytest.raises(DataError, match=r"clip c: split 'val' names it, no annotation does"):
        open_dataset(config(path), tmp_path)
    path = write_pickle(tmp_path / "a.pkl", [first], [])
    with pytest.raises(DataError, match=r"no test clip"):
        open_dataset(config(path), tmp_path)


def test_a_name_or_an_array_that_many_clips_share_is_refused(tmp_path: Path) -> None:
    first, second = annotation("a", 0), annotation("b", 0)
    path = write_pickle(tmp_path / "a.pkl", [first], [second])
    path.write_bytes(pickle.dumps({"split": {"train": ["a"] * 9, "val": ["b"]}, "annotations": [first] * 9 + [second]}))
    with pytest.raises(DataError, match=r"clip a of .*: 9 names in 'train' have this id; name it once"):
        find_source(config(path), tmp_path)
    empty = np.zeros((0, 900_000, 17, 2), np.float16)
    many = [annotation(f"a{number}", 0, keypoint=empty, total_frames=900_000) for number in range(9)]
    with pytest.raises(DataError, match=r"0 MiB that become .* MiB of joints with data.persons=2"):
        find_source(config(write_pickle(path, many, [second])), tmp_path)
    with pytest.raises(DataError, match=r"clip c: .*it has 1000000 frames; the most is 999999"):
        read_one(
            tmp_path, annotation("c", 0, keypoint=np.zeros((0, 10**6, 17, 2)), keypoint_score=None, total_frames=10**6)
        )


@pytest.mark.parametrize("content", [[], {"split": {}}, {"split": {"train": [1]}, "annotations": []}, 3])
def test_another_layout_is_refused(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match=re.escape(f"data.annotations={path}: not PYSKL's layout")):
        find_source(config(path), tmp_path)


def test_a_pickle_with_a_callable_and_an_absent_one_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps({"split": {}, "annotations": [print]}))
    with pytest.raises(
        DataError, match=r"a\.pkl: not a pickle of arrays and plain containers .it names builtins\.print"
    ):
        find_source(config(path), tmp_path)
    with pytest.raises(DataError, match=r"No such file"):
        find_source(config(tmp_path / "b.pkl"), tmp_path)
    with pytest.raises(DataError, match=r"data.annotations is not set"):
        find_source(DataConfig(name="finegym"), tmp_path)


def test_a_pickle_of_each_split_has_no_splits_of_its_own(tmp_path: Path) -> None:
    """As MMAction2 0.x and PYSKL's custom_2d_skeleton.py write them: a list of annotations for each split."""
    clips = [annotation(id, label) for label, id in enumerate("abcd")]
    whole = open_dataset(config(write_pickle(tmp_path / "whole.pkl", clips[:2], clips[2:]), classes=4), tmp_path)
    train, test = (tmp_path / f"{split}.pkl" for split in ("train", "val"))
    train.write_bytes(pickle.dumps(clips[:2]))
    test.write_bytes(pickle.dumps(clips[2:]))
    with pytest.raises(
        DataError, match=r"train\.pkl: has annotations and no splits, .*data\.test_annotations=FILE\.pkl"
    ):
        find_source(config(train), tmp_path)
    divided = open_dataset(config(train, test_annotations=str(test), classes=4), tmp_path)
    assert [clip.id for clip in divided.train] == ["a", "b"] and [clip.id for clip in divided.test] == ["c", "d"]
    assert divided.digest == whole.digest
    named = config(train, test_annotations=str(tmp_path / "whole.pkl"), splits=("anything", "val"), classes=4)
    with pytest.raises(DataError, match=r"clip a of .*2 clips have this id"):
        open_dataset(named, tmp_path)
    with pytest.raises(DataError, match=r"no split 'test' in data\.test_annotations=.*it has train, val"):
        find_source(config(train, test_annotations=str(tmp_path / "whole.pkl"), splits=("train", "test")), tmp_path)
    with pytest.raises(DataError, match=r"data\.test_annotations=.*none\.pkl: not a pickle .*No such file"):
        find_source(config(train, test_annotations=str(tmp_path / "none.pkl")), tmp_path)


def test_a_folder_of_pickles_with_an_annotation_each_is_a_list(tmp_path: Path) -> None:
    """As MMAction2's ntu_pose_extraction.py writes them, one video after another."""
    for split, ids in (("train", "ba"), ("val", "c")):
        (tmp_path / split).mkdir()
        for id in ids:
            (tmp_path / split / f"{id}.pkl").write_bytes(pickle.dumps(annotation(id, 0)))
    (tmp_path / "train" / "notes.txt").write_text("not an annotation")
    dataset = open_dataset(config(tmp_path / "train", test_annotations=str(tmp_path / "val")), tmp_path)
    assert [clip.id for clip in (*dataset.train, *dataset.test)] == ["a", "b", "c"]
    one = config(tmp_path / "train" / "a.pkl", test_annotations=str(tmp_path / "val" / "c.pkl"))
    assert len(open_dataset(one, tmp_path).train) == 1
    with pytest.raises(DataError, match=r"a\.pkl: has annotations and no splits"):
        find_source(config(tmp_path / "train" / "a.pkl"), tmp_path)
    with pytest.raises(DataError, match=r"data\.annotations=.*: a folder without a file \*\.pkl"):
        find_source(config(tmp_path), tmp_path)
    write_pickle(tmp_path / "val" / "whole.pkl", [annotation("d", 0)], [])
    with pytest.raises(
        DataError, match=r"val: whole\.pkl has splits of its own; name this file, data\.test_annotations="
    ):
        open_dataset(config(tmp_path / "train", test_annotations=str(tmp_path / "val")), tmp_path)


def test_an_annotation_names_the_recording_of_its_clip(tmp_path: Path) -> None:
    clips = [annotation(f"c{take}", 0, group=group) for take, group in enumerate(("film", 7, np.int64(7)))]
    path = write_pickle(tmp_path / "a.pkl", clips, [annotation("v_Act_g01_c02", 0)])
    dataset = open_dataset(config(path), tmp_path)
    assert [clip.group for clip in (*dataset.train, *dataset.test)] == ["film", "7", "7", "v_Act_g01"]
    for each in clips:
        del each["group"]
    alone = open_dataset(config(write_pickle(path, clips, [annotation("v_Act_g01_c02", 0)])), tmp_path)
    assert alone.digest != dataset.digest, "intervals and baselines depend on the groups"
    with pytest.raises(DataError, match=r"clip c: .*group is \[1\], not a text or a whole number"):
        read_one(tmp_path, annotation("c", 0, group=[1]))


def test_classes_have_the_names_of_a_label_map(tmp_path: Path) -> None:
    path = write_dataset(tmp_path, classes=2, video=False)
    unnamed = open_dataset(config(path), tmp_path)
    (tmp_path / "names.txt").write_text("brush hair\r\nclap\r\n\r\n", "utf-8-sig")
    named = open_dataset(config(path, label_map=str(tmp_path / "names.txt")), tmp_path)
    assert named.classes == ("brush hair", "clap") and unnamed.classes == ("class_0", "class_1")
    assert named.digest == unnamed.digest, "no result depends on the names"
    (tmp_path / "skeletons.label_map.txt").write_text("sit\nstand\nwalk\n")
    beside = open_dataset(config(path), tmp_path)
    assert beside.classes == ("sit", "stand", "walk"), "the file beside the pickle, which may name more than are used"
    with pytest.raises(DataError, match=r"data\.label_map=.*names 3 classes, there are 4; name all of them"):
        find_source(config(path, classes=4), tmp_path)


def test_finegym_has_99_classes(tmp_path: Path) -> None:
    path = write_pickle(tmp_path / "gym.pkl", [annotation("a", 98)], [annotation("b", 0)])
    dataset = open_dataset(config(path, name="finegym", persons=1), tmp_path)
    assert (len(dataset.classes), len(dataset.joint_names), dataset.persons) == (99, 17, 1)
    path = write_pickle(tmp_path / "gym.pkl", [annotation("a", 99)], [annotation("b", 0)])
    with pytest.raises(DataError, match=r"clip a .*its label is 99, but there are 99 classes"):
        open_dataset(config(path, name="finegym"), tmp_path)


def test_the_disc_in_the_video_is_where_the_joints_are(tmp_path: Path) -> None:
    each = annotation("a", 0, 90, keypoint_score=None)
    each["keypoint"] = each["keypoint"].astype(np.float32)
    path = write_pickle(tmp_path / "a.pkl", [each], [annotation("b", 0)])
    root = write_videos(tmp_path / "videos", [each, annotation("b", 0)])
    dataset = open_dataset(config(path, frames="files", root=str(root)), tmp_path)
    indices = np.array([0, 33, 34, 89])
    view = frame_view(dataset.train[0], 60)
    found = found_discs(dataset.read_frames(dataset.train[0], indices, view))
    assert np.abs(found - view.place(dataset.train[0].joints[indices, 0])).max() < 0.5
    (root / "b.mp4").unlink()
    with pytest.raises(DataError, match=r"1 of 2 clips lack a video or a folder of images under .*videos"):
        open_dataset(config(path, frames="files", root=str(root)), tmp_path)
    with pytest.raises(DataError, match=r"data.root is not set: name the folder of the videos"):
        open_dataset(config(path, frames="files"), tmp_path)


def write_splits(root: Path, clips: list[Any], train: list[str], val: list[str]) -> Path:
    """<root>/a.pkl, whose splits name the clips in their own way."""
    path = root / "a.pkl"
    path.write_bytes(pickle.dumps({"split": {"train": train, "val": val}, "annotations": clips}))
    return path


def test_videos_and_splits_that_spell_a_name_differently_are_found(tmp_path: Path) -> None:
    clips = [annotation(f"jump_{take}", 0) for take in range(3)]
    path = write_splits(tmp_path, clips, ["Jump_0.avi"], ["videos/jump_1", "jump_2"])
    root = write_videos(tmp_path / "v", clips)
    before = open_dataset(config(path, frames="files", root=str(root)), tmp_path)
    (root / "jump").mkdir()
    (root / "jump_0.mp4").rename(root / "jump_0.MP4")
    (root / "jump_1.mp4").rename(root / "jump" / "jump_1.mp4")
    dataset = open_dataset(config(path, frames="files", root=str(root)), tmp_path)
    assert [clip.id for clip in (*dataset.train, *dataset.test)] == ["jump_0", "jump_1", "jump_2"]
    assert dataset.digest == before.digest, "the same clips and the same pixels"
    assert dataset.remarks[-1].startswith("2 clips are read from files or folders of a similar name, such as jump_0")
    view = frame_view(dataset.train[0], 30)
    for clip in (*dataset.train, *dataset.test):
        assert dataset.read_frames(clip, np.arange(2), view).shape[0] == 2
    (root / "jump_0.MP4").rename(root / "jump-0.mp4")
    with pytest.raises(DataError, match=r"1 of 3 clips lack .*jump_0 is not there; there is jump-0\.mp4, with a simil"):
        open_dataset(config(path, frames="files", root=str(root)), tmp_path)


def test_a_clip_that_both_splits_spell_differently_is_in_both(tmp_path: Path) -> None:
    clips = [annotation(id, 0) for id in ("a", "b")]
    for train, val, fault in (
        (
            ["a.mp4"],
            ["b", "A"],
            r"clip a\.mp4: split 'train' names it, no annotation does, although there is one of a;",
        ),
        (["b.mp4"], ["b.mp4", "a"], r"1 clips are in 'train' and in 'val' .b, "),
    ):
        path = write_splits(tmp_path, clips, train, val)
        with pytest.raises(DataError, match=fault):
            open_dataset(config(path), tmp_path)


def test_the_file_that_describes_the_joints_is_found_in_capitals_too(tmp_path: Path) -> None:
    path = write_dataset(tmp_path, video=False, joints=7)
    write_hand(tmp_path / "Skeletons.skeleton.YAML")
    assert open_dataset(config(path), tmp_path).joint_names[1] == "person_1_finger 1"
