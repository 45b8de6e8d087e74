import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from d3d.errors import ConfigError
from d3d.yaml_file import LARGEST, LONGEST, read_yaml


def read(folder: Path, text: str) -> Any:
    path = folder / "mine.yaml"
    path.write_text(text, "utf-8")
    return read_yaml(path)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(folder, text)
    message = str(caught.value)
    assert message.startswith(f"{folder}/mine.yaml: ") and message.isprintable() and len(message) < 500
    return message


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1e-3", 0.001), ("5E4", 50000.0), ("1.5e-3", 0.0015), (".5", 0.5), ("-2.", -2.0), ("1_000", 1000),
        ("0x1F", 31),
        ("0", 0), ("-7", -7), ("'1e-3'", "1e-3"), ("010", "010"), ("12:30", "12:30"), ("2024-06-15", "2024-06-15"),
        ("e3", "e3"), ("=", "="), ("1e", "1e"), ("null", None), ("true", True),
    ],
)  # fmt: skip
def test_a_value_is_read_as_it_is_written(written: str, value: object, tmp_path: Path) -> None:
    found = read(tmp_path, f"key: {written}")["key"]
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "key", "lines"),
    [
        ("a: 1\nb: 2\na: 3", "a", "1 and 3"),
        ("x:\n  - {b: 1,\n     'b': 2}", "b", "2 and 3"),
        ("x: {yes: 1,\n  true: 2}", "true", "1 and 2"),
        ("x: &x {a: 1}\ny:\n  <<: *x\n  <<: *x", "<<", "3 and 4"),
        ("!!set {a,\n a}", "a", "1 and 2"),
    ],
)
def test_a_key_that_is_there_twice_is_refused_with_both_lines(text: str, key: str, lines: str, tmp_path: Path) -> None:
    assert f": {key}: this key is there twice, in lines {lines};" in refusal(tmp_path, text)


def test_a_merge_key_gives_what_the_mapping_lacks(tmp_path: Path) -> None:
    assert read(tmp_path, "x: &x {a: 1, b: 1}\ny: {<<: *x, a: 2}")["y"] == {"a": 2, "b": 1}


@pytest.mark.parametrize("link", ["<<: [{}]", "k: [{}]"])
def test_aliases_of_aliases_are_refused_before_they_are_written_out(link: str, tmp_path: Path) -> None:
    lines = ["all:", "  - &l0 {a: 1}"]
    for depth in range(1, 12):
        lines.append(f"  - &l{depth}\n    {link.format(', '.join([f'*l{depth - 1}'] * 10))}")
    tracemalloc.start()
    assert "values" in refusal(tmp_path, "\n".join(lines))
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_a_long_file_ends_where_its_values_are_too_many(tmp_path: Path) -> None:
    assert f"more than {LARGEST} values" in refusal(tmp_path, f"[{'[],' * (LARGEST + 1)}]")
    assert f"at most {LONGEST}" in refusal(tmp_path, f"a: {'x' * (LONGEST + 1)}")


@pytest.mark.parametrize(
    ("character", "name"), [("\\ud800", "D800"), ("\\e", "001B"), ("\\0", "0000"), ("\\u202e", "202E")]
)
def test_a_character_that_cannot_be_shown_is_named_with_its_line(character: str, name: str, tmp_path: Path) -> None:
    assert f"line 2: has the character U+{name}" in refusal(tmp_path, f'a: 1\nb: "x{character}y"')


def test_letters_of_any_language_are_text(tmp_path: Path) -> None:
    assert read(tmp_path, "a: 行動 é \U0001f642")["a"] == "行動 é \U0001f642"
