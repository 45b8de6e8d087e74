from pathlib import Path

import pytest

from d3d.data.readers.label_map import read_label_map
from d3d.errors import DataError


def test_a_line_is_a_name(tmp_path: Path) -> None:
    path = tmp_path / "label_map.txt"
    path.write_text(" drink water \neat meal/snack\nhôpital", "utf-8")
    assert read_label_map(path) == ("drink water", "eat meal/snack", "hôpital")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", r"line 1 is blank"),
        (b"a\n\nb\n", r"line 2 is blank"),
        (b"a\nb\na\n", r"lines 1 and 3 are both a; give each class its own name"),
        (b"a\n" + b"b" * 201, r"line 2 has more than 200 characters"),
        (b"\xff\xfe", r"cannot be read .*decode"),
    ],
)
def test_a_file_that_names_no_classes_is_refused(tmp_path: Path, content: bytes, fault: str) -> None:
    path = tmp_path / "label_map.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"data\.label_map=.*label_map\.txt: {fault}") as caught:
        read_label_map(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.txt"):
        with pytest.raises(DataError, match=r"data\.label_map=.*cannot be read"):
            read_label_map(path)
