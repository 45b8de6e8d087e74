import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from d3d.config import DataConfig
from d3d.data.look.check import Findings, check
from d3d.data.readers.penn_action import penn_action_source
from d3d.data.source import Read, open_source
from d3d.errors import DataError
from tests.data.penn_files import label, write_images, write_label, write_root

REAL = os.environ.get("PENN_ACTION_ROOT")


def found_in(root: Path, processes: int = 1, **changed: object) -> Findings:
    settings = {"frames": 4, "advance": lambda: None} | changed
    kind, missing = settings.pop("kind", "files"), settings.pop("missing", "error")
    source = penn_action_source(root, frame_source=kind)  # type: ignore[arg-type]
    damaged = settings.pop("damaged", "error")
    data = DataConfig(missing=missing, damaged=damaged, resize=30, crop=24)  # type: ignore[arg-type]
    return check(source, data, processes=processes, **settings)  # type: ignore[arg-type]


def test_a_whole_dataset_is_counted(tmp_path: Path) -> None:
    root = write_root(tmp_path)
    fields = label(train=np.int32(-1), bbox=np.ones((5, 4)))
    fields["visibility"][:, :2] = 0
    write_label(root, "0004", fields)
    ticks: list[None] = []
    found = found_in(root, advance=lambda: ticks.append(None))
    assert (found.train[3], found.test[3], found.train.sum(), found.test.sum()) == (2, 2, 2, 2)
    assert found.lengths.tolist() == [6, 6, 6, 6]
    assert found.sizes == {(81, 60): 4}
    assert (found.joints, found.invisible) == (4 * 6 * 13, 6 * 2)
    assert found.notes == {"lack a row of bbox, which is not used": ("0004",)}
    assert found.faults == () and found.digest is not None
    assert len(ticks) == 4


def test_every_broken_clip_is_named_and_none_hides_another(tmp_path: Path) -> None:
    root = write_root(tmp_path, without_images=("0002",))
    write_label(root, "0001", label(train=np.int32(0)))
    write_images(root, "0005", [Image.new("RGB", (81, 60))] * 6)
    write_label(root, "0005", label(train=np.int32(-1)))
    (root / "frames" / "0003" / "000004.jpg").write_bytes(b"\xff\xd8")
    (root / "frames" / "0004" / "000004.jpg").write_bytes(b"\xff\xd8 nothing \xff\xd9")  # found when it is decoded
    found = found_in(root)
    assert [fault.partition(":")[0] for fault in found.faults][:4] == [f"clip 000{n}" for n in (1, 3, 4, 2)]
    assert "train is 0" in found.faults[0] and "not a complete JPEG" in found.faults[1]
    assert "cannot be decoded" in found.faults[2] and "000001.jpg is not there" in found.faults[3]
    assert found.digest is None
    assert all("\n" not in fault for fault in found.faults)


def test_damaged_clips_are_no_fault_where_they_may_be_left_out(tmp_path: Path) -> None:
    root = write_root(tmp_path)
    write_label(root, "0005", label(train=np.int32(0)))
    (root / "frames" / "0003" / "000002.jpg").write_bytes(b"\xff\xd8 nothing \xff\xd9")  # a frame that no test takes
    found = found_in(root, damaged="skip", frames=2)
    assert found.faults == () and found.digest is not None
    assert [id for id, _ in found.damaged] == ["0003", "0005"]
    assert "000002.jpg cannot be decoded" in found.damaged[0][1] and "train is 0" in found.damaged[1][1]


def test_several_processes_find_what_one_finds(tmp_path: Path) -> None:
    root = write_root(tmp_path, without_images=("0002",))
    write_label(root, "0001", label(train=np.int32(0)))
    one, two = found_in(root), found_in(root, processes=2)
    assert one.faults == two.faults and one.lengths.tolist() == two.lengths.tolist()


def test_clips_without_frames_are_no_fault_where_they_may_be_left_out(tmp_path: Path) -> None:
    root = write_root(tmp_path, without_images=("0002",))
    found = found_in(root, missing="skip")
    assert (found.faults, found.left_out) == ((), ("0002",))
    assert found.digest is not None


def test_what_a_launch_would_refuse_is_a_fault(tmp_path: Path) -> None:
    root = write_root(tmp_path)
    (fault,) = found_in(root, frames=7, kind="rendered").faults
    assert fault.startswith("training.frames=7: 0001, the longest clip")
    for id in ("0002", "0004"):
        write_label(root, id, label())
    (fault,) = found_in(root, kind="rendered").faults
    assert "no test clip" in fault


def test_clips_with_fewer_frames_than_a_sample_are_a_doubt(tmp_path: Path) -> None:
    root = write_root(tmp_path)
    write_label(root, "0002", label(4))
    found = found_in(root, frames=5, kind="rendered")
    assert found.faults == () and found.doubts[-1].startswith("1 of 4 clips have fewer than 5 frames (clip 0002 has 4)")


@pytest.mark.skipif(REAL is None, reason="set PENN_ACTION_ROOT to a folder with the official labels")
def test_the_official_labels_are_whole() -> None:
    found = found_in(Path(REAL or ""), kind="rendered", frames=12)
    assert (found.train.sum(), found.test.sum(), len(found.train)) == (1258, 1068, 15)
    assert found.lengths.sum() == 163_841
    assert round(100 * found.invisible / found.joints) == 22
    assert list(found.notes.values()) == [("1154", "1865")]
    assert found.faults == ()


def always(read: Read) -> Callable[[object], Read]:
    """A `read` that returns the same for every entry."""
    return lambda entry: read


def test_a_reader_that_breaks_its_word_is_found_out(tmp_path: Path) -> None:
    """A label beyond the classes, or coordinates that are not numbers, is refused whichever reader returns it."""
    source = penn_action_source(write_root(tmp_path), frame_source="rendered")
    clip = source.read(source.entries[0]).clip
    spoiled = clip.joints.copy()
    spoiled[2, 3] = np.inf
    for wrong, complaint in ((replace(clip, label=15), "label is 15"), (replace(clip, joints=spoiled), "coordinates")):
        broken = replace(source, read=always(Read(wrong)))
        with pytest.raises(DataError, match=rf"clip 0001 of data\.root=.*{complaint}"):
            open_source(broken)
    with pytest.raises(DataError, match=r"clip 0001 of .*: 4 clips have this id"):
        open_source(replace(source, read=always(Read(clip))))
