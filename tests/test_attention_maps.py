import io
from dataclasses import fields

import numpy as np
import pytest

from d3d.attention_maps import NUMBERS, Maps, read_maps, read_numbers, write_maps, write_numbers
from tests.report.maps import maps


def test_numbers_are_read_as_they_were_written_and_unknown_ones_are_empty() -> None:
    values = {name: index / 8 for index, name in enumerate(NUMBERS)}
    text = write_numbers({"=a, b": values, "c": values | {"joints": float("nan")}})
    assert "\n=" not in text and ",," in text
    found = read_numbers(text)
    assert found["=a, b"] == values and np.isnan(found["c"]["joints"])
    for broken in ("clip\n1\n", text.replace("0.125", "much")):
        with pytest.raises(ValueError, match=r"^attention\.csv, line"):
            read_numbers(broken)


def test_maps_are_read_as_they_were_written() -> None:
    content = write_maps(maps())
    assert write_maps(maps()) == content
    for field in fields(Maps):
        np.testing.assert_array_equal(getattr(read_maps(content), field.name), getattr(maps(), field.name))


def test_nothing_in_a_file_of_maps_is_unpickled() -> None:
    content = io.BytesIO()
    arrays = {field.name: np.array([print], dtype=object) for field in fields(Maps)}
    np.savez(content, **arrays)  # type: ignore[arg-type]
    for broken in (content.getvalue(), b"", write_maps(maps())[:200]):
        with pytest.raises(ValueError, match=r"^attention_maps\.npz: "):
            read_maps(broken)
