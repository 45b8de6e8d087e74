import os
import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from PIL import Image

from d3d.config import DataConfig
from d3d.data.clip import Clip
from d3d.data.frames.view import frame_view, view_of
from d3d.data.readers.penn_action import ACTIONS, penn_action_source, read_images
from d3d.data.readers.registry import open_dataset
from d3d.data.source import read_each
from d3d.errors import DataError
from tests.data.penn_files import HEIGHT, WIDTH, label, write_images, write_label, write_root

REAL = os.environ.get("PENN_ACTION_ROOT")


def read_clips(root: Path) -> list[Clip]:
    """All clips that have a label file. Raises the first fault."""
    clips = []
    for read in read_each(penn_action_source(root, frame_source="rendered")):
        if isinstance(read, DataError):
            raise read
        clips.append(read.clip)
    return clips


def read_one(root: Path, fields: dict[str, Any], **kwargs: Any) -> Clip:
    write_label(root, "0001", fields, **kwargs)
    (clip,) = read_clips(root)
    return clip


def config(root: Path, **changed: Any) -> DataConfig:
    return DataConfig(name="penn_action", root=str(root), **{"resize": 30, "crop": 24, **changed})


@pytest.mark.parametrize("compressed", [True, False])
def test_coordinates_are_counted_from_zero(tmp_path: Path, compressed: bool) -> None:
    clip = read_one(tmp_path, label(), compressed=compressed)
    assert clip.joints.dtype == np.float32
    assert clip.joints[3, 5].tolist() == [10 + 5 - 1, 20 + 3 - 1]
    assert (clip.id, clip.height, clip.width, clip.length) == ("0001", HEIGHT, WIDTH, 6)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_unsigned_coordinates_do_not_wrap_around(tmp_path: Path, kind: type) -> None:
    fields = label()
    fields["x"][0, 0] = 0  # left of the first pixel
    clip = read_one(tmp_path, fields | {"x": fields["x"].astype(kind), "y": fields["y"].astype(kind)})
    assert clip.joints[0, 0].tolist() == [-1, 19]
    assert np.diff(clip.joints[:, 3, 1]).tolist() == [1] * 5
    assert (clip.joints[:, :-1, 0] - clip.joints[:, 1:, 0] < 0).all()


@pytest.mark.parametrize(("length", "kind"), [(200, np.uint8), (255, np.uint8), (300, np.uint16)])
def test_frames_are_counted_in_small_integers(tmp_path: Path, length: int, kind: type) -> None:
    clip = read_one(tmp_path, label(length, nframes=kind(length)))
    assert clip.length == length and isinstance(clip.length, int)


@pytest.mark.parametrize("box", [np.ones((5, 4)), None])
def test_a_lacking_bbox_row_does_not_matter(tmp_path: Path, box: Any) -> None:
    assert read_one(tmp_path, label(bbox=box)).length == 6


@pytest.mark.parametrize(("stored", "train"), [(1, True), (-1, False)])
def test_train_is_one_or_minus_one(tmp_path: Path, stored: int, train: bool) -> None:
    assert read_one(tmp_path, label(train=np.int32(stored))).train is train


@pytest.mark.parametrize("sentinel", [0.67, 0.75, 0.95, 1, 1.36, 1.5, np.nan, 1e30])
def test_what_an_invisible_joint_holds_is_dropped(tmp_path: Path, sentinel: float) -> None:
    fields = label()
    fields["visibility"][2, 4] = 0
    fields["x"][2, 4] = fields["y"][2, 4] = sentinel
    clip = read_one(tmp_path, fields)
    assert not clip.visible[2, 4] and clip.joints[2, 4].tolist() == [0, 0]
    assert clip.visible.sum() == 6 * 13 - 1


@pytest.mark.parametrize("action", ["bowl", "pullup", "pushup", "situp", "squat", "strum_guitar"])
def test_actions_are_spelled_as_in_the_files(tmp_path: Path, action: str) -> None:
    assert ACTIONS[read_one(tmp_path, label(action=action)).label] == action


def test_clips_come_in_numeric_order_from_numbered_files_alone(tmp_path: Path) -> None:
    for id in ("10000", "0002", "9999", "._0003", "notes", "12"):
        write_label(tmp_path, id, label())
    assert [clip.id for clip in read_clips(tmp_path)] == ["0002", "9999", "10000"]


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"action": "bowling"}, "bowling"),
        ({"train": np.int32(0)}, "train is 0"),
        ({"x": None}, "no 'x'"),
        ({"nframes": np.uint8(7)}, re.escape("(7, 13)")),
        ({"y": np.ones((6, 12))}, re.escape("(6, 12)")),
        ({"x": np.full((6, 13), np.nan)}, "coordinates"),
        ({"dimensions": np.array([[0, 81, 6]])}, "sizes"),
        ({"train": np.inf}, "infinity"),
        ({"action": {"name": "bowl"}}, "not a plain array"),
        ({"x": np.ones((6, 13)) * 1j}, "not a plain array"),
    ],
)
def test_a_wrong_label_names_its_clip(tmp_path: Path, changed: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DataError, match=rf"clip 0001: .*0001\.mat.*{complaint}"):
        read_one(tmp_path, label(**changed))


@pytest.mark.parametrize("compressed", [True, False])
def test_no_damage_to_a_label_escapes_or_crashes(tmp_path: Path, compressed: bool) -> None:
    path = write_label(tmp_path, "0001", label(), compressed=compressed)
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    refused = 0
    for _ in range(400):
        damaged = bytearray(whole[: generator.integers(len(whole))] if generator.random() < 0.2 else whole)
        for place in generator.integers(len(damaged), size=generator.integers(1, 4)) if damaged else []:
            damaged[place] = generator.integers(256)
        path.write_bytes(damaged)
        try:
            (clip,) = read_clips(tmp_path)
        except DataError as error:
            assert "clip 0001" in str(error) and "\n" not in str(error)
            refused += 1
        else:
            assert np.isfinite(clip.joints).all()  # damage that leaves a valid file
    assert refused > 100


def test_a_dataset_in_this_layout_names_its_own_classes(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("wave\njump high\n")
    for id, action, train in (("0001", "wave", 1), ("0002", "jump high", -1)):
        write_label(tmp_path, id, label(action=action, train=np.int32(train)))
    dataset = open_dataset(config(tmp_path, frames="rendered"), tmp_path)
    assert (dataset.classes, dataset.test[0].label) == (("wave", "jump high"), 1)
    (tmp_path / "classes.txt").write_text("wave\nwave\n")
    with pytest.raises(DataError, match=r"classes\.txt: needs at least two classes"):
        open_dataset(config(tmp_path, frames="rendered"), tmp_path)


def test_a_root_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape(f"data.root={tmp_path}")):
        open_dataset(config(tmp_path), tmp_path)
    with pytest.raises(DataError, match=r"data\.root"):
        open_dataset(DataConfig(name="penn_action"), tmp_path)


def test_absent_images_are_one_error_with_a_way_out(tmp_path: Path) -> None:
    root = write_root(tmp_path, without_images=("0002", "0003"))
    (root / "frames" / "0004" / "000006.jpg").unlink()
    with pytest.raises(DataError) as caught:
        open_dataset(config(root), tmp_path)
    message = str(caught.value)
    assert "3 of 4 clips" in message and "(0002, 0003, 0004)" in message
    assert "data.missing=skip" in message and "data.frames=rendered" in message


def test_clips_without_images_can_be_skipped(tmp_path: Path) -> None:
    root = write_root(tmp_path, without_images=("0002", "0003"))
    dataset = open_dataset(config(root, missing="skip"), tmp_path)
    assert [clip.id for clip in dataset.train] == ["0001"]
    assert [clip.id for clip in dataset.test] == ["0004"]


def test_skipping_a_whole_split_is_refused(tmp_path: Path) -> None:
    root = write_root(tmp_path, without_images=("0002", "0004"))
    with pytest.raises(DataError, match="no test clip among 2 usable of 4"):
        open_dataset(config(root, missing="skip"), tmp_path)


@pytest.mark.parametrize("content", [b"", b"\xff", b"no image", b"\xff\xd8\xff\xe0 cut"])
def test_an_image_cut_short_is_found_before_anything_is_read(tmp_path: Path, content: bytes) -> None:
    root = write_root(tmp_path)
    (root / "frames" / "0001" / "000003.jpg").write_bytes(content)
    with pytest.raises(DataError, match=r"clip 0001: .*000003\.jpg"):
        open_dataset(config(root), tmp_path)


def test_an_image_padded_after_its_end_is_whole(tmp_path: Path) -> None:
    root = write_root(tmp_path)
    with (root / "frames" / "0001" / "000003.jpg").open("ab") as file:
        file.write(bytes(100))
    assert open_dataset(config(root), tmp_path).train[0].id == "0001"


def test_an_image_damaged_inside_names_clip_and_file(tmp_path: Path) -> None:
    root = write_root(tmp_path)
    (root / "frames" / "0001" / "000003.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing \xff\xd9")
    dataset = open_dataset(config(root), tmp_path)
    with pytest.raises(DataError, match=r"clip 0001: .*000003\.jpg"):
        dataset.read_frames(dataset.train[0], np.arange(6), frame_view(dataset.train[0], 30))


def test_a_truncated_image_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    write_images(tmp_path, "0001", [Image.fromarray(noise)] * 6)
    path = tmp_path / "frames" / "0001" / "000001.jpg"
    path.write_bytes(path.read_bytes()[:2000])
    clip = read_one(tmp_path, label())
    with pytest.raises(DataError, match=r"clip 0001: .*000001\.jpg"):
        read_images(tmp_path, clip, np.arange(1), frame_view(clip, 30))


@pytest.mark.parametrize("size", [(60, 81), (270, 481), (481, 270), (393, 480)])
@pytest.mark.parametrize("short", [30, 48, 97])
@pytest.mark.parametrize("kind", ["frame", "whole", "persons"])
def test_resized_images_keep_a_marker_under_its_joint(
    tmp_path: Path, kind: Literal["frame", "whole", "persons"], size: tuple[int, int], short: int
) -> None:
    height, width = size
    places = np.random.default_rng(0).uniform(0.15, 0.85, (6, 2)) * (width, height)
    rows, columns = np.mgrid[:height, :width]
    radius = min(size) / 12
    images = [
        Image.fromarray(np.uint8(255 * (np.hypot(columns - x, rows - y) < radius))).convert("RGB") for x, y in places
    ]
    write_images(tmp_path, "0001", images)
    x, y = (np.repeat(places[:, axis, None] + 1, 13, axis=1) for axis in (0, 1))
    clip = read_one(tmp_path, label(x=x, y=y, dimensions=np.array([[height, width, 6]], np.uint16)))
    view = view_of(clip, kind, short)
    frames = read_images(tmp_path, clip, np.arange(6), view)
    assert min(frames.shape[1:3]) == short and frames.shape[1:3] == (view.rows, view.columns)
    for frame, joint in zip(frames, view.place(clip.joints[:, 0]), strict=True):
        weights = np.where(frame[..., 0] > 40, frame[..., 0], 0).astype(float)
        found = [(weights * grid).sum() / weights.sum() for grid in np.mgrid[: frame.shape[0], : frame.shape[1]][::-1]]
        assert np.abs(found - joint).max() < 0.5


def test_the_digest_is_of_what_is_read_and_not_of_where(tmp_path: Path) -> None:
    first, second = write_root(tmp_path / "a"), write_root(tmp_path / "b")
    digests = [open_dataset(config(root), tmp_path).digest for root in (first, second)]
    assert digests[0] == digests[1]
    digests.append(open_dataset(config(first, frames="rendered"), tmp_path).digest)
    fields = label(train=np.int32(1))
    fields["x"][0, 0] += 1
    write_label(second, "0003", fields)
    digests.append(open_dataset(config(second), tmp_path).digest)
    write_images(second, "0001", [Image.new("RGB", (WIDTH, HEIGHT), "red").rotate(30)])
    digests.append(open_dataset(config(second), tmp_path).digest)
    path = second / "frames" / "0002" / "000003.jpg"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1  # of the same size
    path.write_bytes(content)
    digests.append(open_dataset(config(second), tmp_path).digest)
    assert len(set(digests[1:])) == 5


def test_the_names_of_the_classes_change_no_digest_and_their_number_does(tmp_path: Path) -> None:
    root, digests = write_root(tmp_path), []
    for names in ("bowl\njump", "bowl\nleap", "bowl\njump\nleap"):
        (root / "classes.txt").write_text(names)
        digests.append(open_dataset(config(root), tmp_path).digest)
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.skipif(REAL is None, reason="set PENN_ACTION_ROOT to a folder with the official labels")
def test_the_official_labels() -> None:
    dataset = open_dataset(config(Path(REAL or ""), frames="rendered"), Path())
    clips = (*dataset.train, *dataset.test)
    assert (len(dataset.train), len(dataset.test), len({clip.label for clip in clips})) == (1258, 1068, 15)
    assert sum(clip.length for clip in clips) == 163_841
    assert 1 - np.concatenate([clip.visible.ravel() for clip in clips]).mean() == pytest.approx(0.22, abs=0.001)
    assert dataset.train[0].joints.max() > 100


def test_folders_and_files_in_capitals_are_the_same_dataset(tmp_path: Path) -> None:
    before = open_dataset(config(write_root(tmp_path)), tmp_path)
    (tmp_path / "labels").rename(tmp_path / "Labels")
    (tmp_path / "frames").rename(tmp_path / "FRAMES")
    (tmp_path / "Labels" / "0002.mat").rename(tmp_path / "Labels" / "0002.MAT")
    for path in (tmp_path / "FRAMES" / "0001").iterdir():
        path.rename(path.with_suffix(".JPG"))
    (tmp_path / "FRAMES" / "0003" / "000002.jpg").rename(tmp_path / "FRAMES" / "0003" / "000002.jpeg")
    dataset = open_dataset(config(tmp_path), tmp_path)
    assert dataset.digest == before.digest
    for clip in (*dataset.train, *dataset.test):
        assert dataset.read_frames(clip, np.arange(6), frame_view(clip, 30)).shape[0] == 6
    write_label(tmp_path, "0001", label()).rename(tmp_path / "Labels" / "5.mat")
    (tmp_path / "labels").rmdir()
    assert open_dataset(config(tmp_path), tmp_path).remarks == (
        "1 label files are left out: their names are no numbers of four digits, such as '5.mat'",
    )
    (tmp_path / "FRAMES" / "0001").rename(tmp_path / "FRAMES" / "1")
    with pytest.raises(DataError, match=r"0001/000001\.jpg is not there; there is 1, with a similar name"):
        open_dataset(config(tmp_path), tmp_path)
