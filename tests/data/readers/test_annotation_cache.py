from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from d3d.config import DataConfig
from d3d.data.frames.view import frame_view
from d3d.data.readers.annotation_cache import read_cached
from d3d.data.readers.registry import find_source, open_dataset
from d3d.data.source import Read, Source, assemble, open_source
from d3d.errors import DataError
from tests.data.ntu_files import write_sample

NAMES = ("S001C001P001R001A001", "S001C001P002R001A002", "S001C001P003R001A001")


@pytest.fixture
def config(tmp_path: Path) -> DataConfig:
    for name, second in zip(NAMES, (True, False, False), strict=True):
        write_sample(tmp_path / "root", name, second=second)
    return DataConfig(name="ntu60", root=str(tmp_path / "root"), resize=30, crop=24)


def unreadable(source: Source) -> Source:
    def read(entry: object) -> Read:
        raise DataError(f"{entry} was read")

    return replace(source, read=read)


def test_what_was_read_once_is_not_read_again(config: DataConfig, tmp_path: Path) -> None:
    source = find_source(config, tmp_path)
    fresh, first = open_source(source), assemble(source, *read_cached(source, tmp_path / "cache"), "error")
    again = assemble(source, *read_cached(unreadable(source), tmp_path / "cache"), "error")
    assert fresh.digest == first.digest == again.digest
    for clip, kept in zip(fresh.train, again.train, strict=True):
        assert (clip.id, clip.label, clip.group, clip.length) == (kept.id, kept.label, kept.group, kept.length)
        assert np.array_equal(clip.joints, kept.joints) and np.array_equal(clip.visible, kept.visible)
        assert not kept.joints.flags.owndata, "mapped"
    frames = again.read_frames(again.train[0], np.array([2, 7]), frame_view(again.train[0], 30))
    assert (frames == fresh.read_frames(fresh.train[0], np.array([2, 7]), frame_view(again.train[0], 30))).all()
    assert len(list((tmp_path / "cache").iterdir())) == 1, "nothing half written stays"


def test_a_file_that_changed_is_read_anew(config: DataConfig, tmp_path: Path) -> None:
    first = open_dataset(config, tmp_path / "cache")
    write_sample(tmp_path / "root", NAMES[0], 15)
    second = open_dataset(config, tmp_path / "cache")
    assert first.digest != second.digest and second.train[0].length == 15
    (tmp_path / "root" / "nturgb+d_rgb" / f"{NAMES[1]}_rgb.avi").unlink()
    with pytest.raises(DataError, match="1 of 3 clips lack videos"):
        open_dataset(config, tmp_path / "cache")
    assert len(open_dataset(replace(config, missing="skip"), tmp_path / "cache").train) == 1
    assert open_dataset(replace(config, persons=1, missing="skip"), tmp_path / "cache").persons == 1


def test_nothing_is_kept_of_a_broken_dataset(config: DataConfig, tmp_path: Path) -> None:
    path = tmp_path / "root" / "nturgb+d_skeletons" / f"{NAMES[1]}.skeleton"
    path.write_text(path.read_text()[:5000])
    for _ in range(2):
        with pytest.raises(DataError, match=f"clip {NAMES[1]}"):
            open_dataset(config, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_what_is_kept_and_damaged_is_named(config: DataConfig, tmp_path: Path) -> None:
    open_dataset(config, tmp_path / "cache")
    (folder,) = (tmp_path / "cache").iterdir()
    (folder / "joints.npy").write_bytes(b"nothing")
    with pytest.raises(DataError, match=f"{folder} is damaged .*remove it"):
        open_dataset(config, tmp_path / "cache")
