from pathlib import Path

import pytest

from d3d.data.formats.fingerprint import PART, fingerprint, sample_file


def of(path: Path, content: bytes | bytearray) -> str:
    path.write_bytes(content)
    return fingerprint([sample_file(path)])


@pytest.mark.parametrize("size", [1, PART, 2 * PART + 1, 40 * PART])
@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
def test_files_of_one_size_that_differ_at_either_end_or_in_the_middle_are_told_apart(
    tmp_path: Path, size: int, place: float
) -> None:
    content = bytearray(size)
    before = of(tmp_path / "a", content)
    content[round(place * (size - 1))] ^= 1
    assert of(tmp_path / "b", content) != before


def test_files_of_other_sizes_are_told_apart_and_their_names_do_not_matter(tmp_path: Path) -> None:
    assert of(tmp_path / "a", bytes(90_000)) == of(tmp_path / "b", bytes(90_000))
    assert of(tmp_path / "a", bytes(90_000)) != of(tmp_path / "a", bytes(90_001))
    assert of(tmp_path / "a", b"") != of(tmp_path / "a", b"\0")


def test_the_order_of_a_clips_files_counts(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in "ab"]
    for path in paths:
        path.write_text(path.name)
    one, other = map(sample_file, paths)
    assert fingerprint([one, other]) != fingerprint([other, one])


def test_of_a_long_file_three_parts_are_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(100 * PART))
    sampled = sample_file(tmp_path / "a")
    assert (sampled.size, [len(part) for part in sampled[1:]]) == (100 * PART, [PART] * 3)
