from pathlib import Path

import pytest

from d3d.errors import RecordError
from d3d.report.document.writers import csv_bytes, write_files


def test_files_are_written_and_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "tables"
    assert write_files(folder, {"a.csv": b"old", "b.md": b"b"}) == (folder / "a.csv", folder / "b.md")
    write_files(folder, {"a.csv": b"new"})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"a.csv": b"new", "b.md": b"b"}


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RecordError, match=r"file.*name a folder that can be written"):
        write_files(tmp_path / "file" / "tables", {"a.csv": b"a"})


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(RecordError, match=r"a\.csv"):
        write_files(tmp_path, {"a.csv": b"a"})
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_a_csv_has_its_columns_and_leaves_out_what_a_row_lacks() -> None:
    rows = [{"b": "2", "a": "x, y", "c": "3"}, {"a": ""}]
    assert csv_bytes(["a", "b"], rows) == b'a,b\n"x, y",2\n,\n'


def test_a_csv_has_numbers_and_no_formulas() -> None:
    rows = [{"row": "=HYPERLINK(1)", "x": "-1.5"}, {"row": "@a\nb", "x": "+2"}]
    assert csv_bytes(["row", "x"], rows) == b"row,x\n'=HYPERLINK(1),-1.5\n'@a b,+2\n"
