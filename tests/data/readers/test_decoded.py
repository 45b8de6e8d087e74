from pathlib import Path

import pytest

from d3d.config import DataConfig
from d3d.data.clip import Dataset
from d3d.data.readers.registry import open_dataset
from d3d.errors import DataError
from tests.data.penn_files import label, write_label, write_root


def opened(root: Path, cache: Path, damaged: str = "skip") -> Dataset:
    return open_dataset(DataConfig(name="penn_action", root=str(root), damaged=damaged), cache)  # type: ignore[arg-type]


def spoil(root: Path) -> None:
    """Damages a label file, and one image where only a decoder finds it."""
    (root / "labels" / "0005.mat").write_bytes(b"no label")
    (root / "frames" / "0003" / "000004.jpg").write_bytes(b"\xff\xd8 nothing \xff\xd9")


def test_damaged_clips_are_left_out_and_named(tmp_path: Path) -> None:
    root, cache = write_root(tmp_path / "penn"), tmp_path / "cache"
    spoil(root)
    with pytest.raises(DataError, match=r"clip 0005: .*; data\.damaged=skip leaves damaged clips out"):
        opened(root, cache, "error")
    left = opened(root, cache)
    assert left.left_out == ("0005", "0003")
    assert [clip.id for clip in (*left.train, *left.test)] == ["0001", "0002", "0004"]
    assert left.remarks == ("2 clips are left out, because of missing frames or damage: 0005, 0003",)
    for id in left.left_out:
        (root / "labels" / f"{id}.mat").unlink()
    assert opened(root, cache, "error").digest == left.digest, "it is the dataset without these clips"


def test_a_sound_dataset_is_the_same_whether_damage_may_be_left_out_or_not(tmp_path: Path) -> None:
    root = write_root(tmp_path / "penn")
    skipping, strict = opened(root, tmp_path / "cache"), opened(root, tmp_path / "cache", "error")
    assert (skipping.digest, skipping.left_out, skipping.remarks) == (strict.digest, (), ())


def test_it_is_decided_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, cache = write_root(tmp_path / "penn"), tmp_path / "cache"
    spoil(root)
    first = opened(root, cache)

    def undecided(*_: object) -> None:
        raise AssertionError("it is decoded again")

    monkeypatch.setattr("d3d.data.readers.decoded.decode_all", undecided)
    again = opened(root, cache)
    assert (again.digest, again.left_out) == (first.digest, first.left_out)
    write_label(root, "0006", label())
    (root / "frames" / "0004").rename(root / "frames" / "0006")
    with pytest.raises(AssertionError, match="decoded again"):
        open_dataset(DataConfig(name="penn_action", root=str(root), damaged="skip", missing="skip"), cache)


def test_where_everything_is_damaged_the_first_fault_is_said(tmp_path: Path) -> None:
    write_label(tmp_path, "0001", label(train=3))
    with pytest.raises(DataError, match=r"no training clip among 0 usable of 1; 1 are damaged, the first: clip 0001: "):
        opened(tmp_path, tmp_path / "cache")
