import errno
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from d3d.config import DataConfig
from d3d.data.clip import LabelPart
from d3d.data.formats.ntu_skeleton import Bodies
from d3d.data.readers.penn_action import penn_action_source
from d3d.data.readers.registry import READERS, find_source, open_dataset
from d3d.data.source import open_source, read_each
from d3d.errors import DataError
from tests.data import ntu_files, penn_files, pyskl_files


def penn(root: Path) -> dict[str, Any]:
    return {"name": "penn_action", "root": str(penn_files.write_root(root))}


def ntu(root: Path) -> dict[str, Any]:
    return {"name": "ntu60", "root": str(ntu_files.write_root(root, actions=2, video=False))}


def pyskl(joints: int, **more: Any) -> Callable[[Path], dict[str, Any]]:
    def write(root: Path) -> dict[str, Any]:
        path = pyskl_files.write_dataset(root, video=False, joints=joints)
        return {"name": "pyskl", "annotations": str(path)} | more

    return write


@pytest.mark.parametrize(
    ("write", "digest"),
    [
        (penn, "f0cfa3c8db450a45"),
        (ntu, "e42924f685e92937"),
        (pyskl(17), "2b4de3a6548113b9"),
        (pyskl(17, name="finegym", persons=1), "bd5b975e57660a28"),
        (pyskl(13), "ffbaba09e5da6996"),
        (pyskl(25, persons=1), "5c87e36324fc215f"),
        (pyskl(7, persons=3), "d1c2f91d55a77c28"),
        (pyskl(17, skeleton="human36m"), "8c98d76955deaa0c"),
    ],
    ids=["Penn Action", "NTU", "COCO", "FineGYM", "13 joints", "25 joints", "7 joints", "Human3.6M"],
)
def test_digests_stay_what_they_were(tmp_path: Path, write: Callable[[Path], dict[str, Any]], digest: str) -> None:
    """Recorded results carry these digests."""
    assert open_dataset(DataConfig(frames="rendered", **write(tmp_path)), tmp_path).digest[:16] == digest


def test_a_folder_that_may_not_be_entered_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise PermissionError(13, "Permission denied", "/closed/c0")

    config = DataConfig(frames="rendered", **pyskl(17)(tmp_path))
    source = find_source(config, tmp_path)
    (fault, *_) = read_each(replace(source, read=refuse))
    said = r"/closed/c0 cannot be opened \(Permission denied\); make it readable"
    assert isinstance(fault, DataError) and re.search(f"^clip {source.id_of(source.entries[0])}: {said}", str(fault))
    monkeypatch.setitem(READERS, "pyskl", refuse)
    with pytest.raises(DataError, match=said):
        find_source(config, tmp_path)


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES])
def test_a_clip_that_cannot_be_reached_is_not_left_out_as_damaged(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = DataConfig(frames="rendered", damaged="skip", **ntu(tmp_path))

    def fail(path: Path, joints: int) -> Bodies:
        raise OSError(number, "the disk is away", str(path))

    with monkeypatch.context() as away:
        away.setattr("d3d.data.readers.ntu.read_skeleton_file", fail)
        with pytest.raises(DataError, match=r"^clip S001.*the disk is away") as raised:
            open_dataset(config, tmp_path / "cache")
        assert "data.damaged=skip" not in str(raised.value)
    assert not open_dataset(config, tmp_path / "cache").left_out


def test_a_dataset_has_the_parts_of_its_source_and_another_digest_for_other_parts(tmp_path: Path) -> None:
    source = penn_action_source(penn_files.write_root(tmp_path), frame_source="rendered")
    verb = LabelPart("verb", ("throw", "lift"), tuple(index % 2 for index in range(len(source.classes))))
    nouns = [replace(verb, name="noun"), replace(verb, of_class=verb.of_class[::-1])]
    datasets = [open_source(replace(source, parts=parts)) for parts in ((), (verb,), *((verb, noun) for noun in nouns))]
    assert [dataset.parts[:1] for dataset in datasets] == [(), (verb,), (verb,), (verb,)]
    assert len({dataset.digest for dataset in datasets}) == 4
