from pathlib import Path

import pytest

from d3d.errors import ConfigError
from d3d.typed_path import typed_path


def test_a_path_is_what_was_typed_whether_or_not_anything_is_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("file", "nothing", "file/below a file", "a,b %20?=é"):
        assert typed_path("storage", str(tmp_path / name)) == tmp_path / name
    assert typed_path("storage", "~/results") == Path.home() / "results"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names nothing"),
        ("s3://bucket/results", "is a URI"),
        ("~nobody-has-this-name/results", "without ~"),
        ("results\udce9", "a character that is no text"),
        ("results\x00", "a character that is no text"),
        ("x" * 300, "File name too long"),
        ("LOOP", "symbolic links"),
    ],
)
def test_what_no_file_can_be_is_refused_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(ConfigError, match=words) as raised:
        typed_path("storage", text.replace("LOOP", str(tmp_path / "loop")))
    assert str(raised.value).startswith("storage=") and "\n" not in str(raised.value)
