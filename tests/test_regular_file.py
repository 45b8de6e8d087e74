import os
import socket
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest

from d3d.config import DataConfig
from d3d.data.clip import Clip
from d3d.data.formats.fingerprint import sample_file
from d3d.data.formats.images import read_image
from d3d.data.formats.matlab import read_mat
from d3d.data.formats.ntu_skeleton import read_skeleton_file
from d3d.data.formats.safe_pickle import read_pickle
from d3d.data.formats.video import read_header, read_video
from d3d.data.frames.view import frame_view
from d3d.data.look.check import check
from d3d.data.readers.registry import find_source
from d3d.errors import ConfigError, DataError
from d3d.regular_file import open_regular
from d3d.yaml_file import read_yaml
from tests.data import ntu_files, penn_files, pyskl_files


def fifo(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def listening(path: Path) -> None:
    with chdir(path.parent), socket.socket(socket.AF_UNIX) as server:  # the address of a socket is short
        server.bind(path.name)


SPECIAL = {"FIFO": fifo, "device": device, "socket": listening}
kinds = pytest.mark.parametrize(("kind", "make"), SPECIAL.items())


@kinds
def test_what_is_no_file_is_refused_and_never_waited_for(
    tmp_path: Path, kind: str, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "a")
    with pytest.raises(OSError, match=rf"/a is a {kind}, not a file"):
        open_regular(tmp_path / "a")
    with pytest.raises(OSError, match=r"is a folder, not a file"):
        open_regular(tmp_path)


def test_a_file_and_a_link_to_one_are_opened(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    (tmp_path / "b").symlink_to("a")
    for name in "ab":
        with open_regular(tmp_path / name) as file:
            assert file.read() == b"content"


@kinds
def test_every_reader_of_a_format_refuses_it(tmp_path: Path, kind: str, make: Callable[[Path], None]) -> None:
    path = tmp_path / "a"
    make(path)
    clip = pyskl_clip(tmp_path)
    view, first = frame_view(clip, 30), np.arange(1)
    attempts: list[Callable[[], object]] = [
        lambda: sample_file(path),
        lambda: read_image(path, clip, view),
        lambda: read_mat(path, ("x",)),
        lambda: read_skeleton_file(path, 25),
        lambda: read_pickle(path),
        lambda: read_header(path, "a"),
        lambda: read_video(path, clip, first, view),
        lambda: read_yaml(path),
    ]
    for attempt in attempts:
        with pytest.raises((OSError, DataError, ConfigError), match=f"is a {kind}, not a file"):
            attempt()


def pyskl_clip(root: Path) -> Clip:
    path = pyskl_files.write_pickle(
        root / "one.pkl", [pyskl_files.annotation("a", 0)], [pyskl_files.annotation("b", 0)]
    )
    source = find_source(DataConfig(name="pyskl", annotations=str(path), frames="rendered"), root)
    return source.read(source.entries[0]).clip


@kinds
def test_a_check_names_it_wherever_it_lies_in_a_dataset(
    tmp_path: Path, kind: str, make: Callable[[Path], None]
) -> None:
    penn = penn_files.write_root(tmp_path / "penn")
    replaced(penn / "labels" / "0001.mat", make)
    replaced(penn / "frames" / "0002" / "000003.jpg", make)
    ntu = tmp_path / "ntu"
    for performer in (1, 3):
        ntu_files.write_sample(ntu, f"S001C001P{performer:03d}R001A001", video=False)
    replaced(ntu / "nturgb+d_skeletons" / "S001C001P003R001A001.skeleton", make)
    (ntu / "nturgb+d_rgb").mkdir()
    make(ntu / "nturgb+d_rgb" / "S001C001P001R001A001_rgb.avi")
    skeletons = pyskl_files.write_dataset(tmp_path / "pyskl", classes=1, video=False)
    make(tmp_path / "pyskl" / "clip_0_1.mp4")
    (tmp_path / "pyskl" / "clip_0_2").mkdir()
    make(tmp_path / "pyskl" / "clip_0_2" / "img_1.jpg")
    for changed, ids in (
        ({"name": "penn_action", "root": str(penn)}, ("0001", "0002")),
        ({"name": "ntu60", "root": str(ntu)}, ("S001C001P003R001A001", "S001C001P001R001A001")),
        (
            {"name": "pyskl", "root": str(tmp_path / "pyskl"), "annotations": str(skeletons)},
            ("clip_0_1", "clip_0_2"),
        ),
    ):
        data = DataConfig(missing="skip", resize=30, crop=24, **changed)  # type: ignore[arg-type]
        faults = check(find_source(data, tmp_path), data, 4, 1, lambda: None).faults
        named = [fault for fault in faults if f"is a {kind}, not a file" in fault]
        assert {id for id in ids if any(fault.startswith(f"clip {id}:") for fault in named)} == set(ids), faults


def replaced(path: Path, make: Callable[[Path], None]) -> None:
    path.unlink()
    make(path)
