import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from d3d.data.formats.safe_pickle import read_pickle

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


class Harm:
    """An object that calls a function when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def reread(path: Path, value: Any, protocol: int) -> Any:
    path.write_bytes(pickle.dumps(value, protocol))
    return read_pickle(path)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_arrays_and_plain_containers_come_back(tmp_path: Path, protocol: int) -> None:
    arrays: dict[str, Any] = {
        "half": np.arange(6, dtype=np.float16).reshape(1, 2, 3),
        "by columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big endian": np.arange(3, dtype=">i4"),
        "every other": np.arange(10)[::2],
        "empty": np.zeros((0, 3, 17, 2)),
        "number": np.float32(2.5),
        "text": np.array(["a", "bc"]),
    }
    plain = {"a": [1, 2.5, None, True], "b": ("x", b"bytes", b"", -(2**70))}
    found = reread(tmp_path / "file.pkl", {"arrays": arrays, "plain": plain}, protocol)
    assert found["plain"] == plain
    for name, array in arrays.items():
        assert np.array_equal(found["arrays"][name], array), name
        assert found["arrays"][name].dtype.newbyteorder("=") == array.dtype.newbyteorder("="), name


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_nothing_that_a_pickle_names_is_called(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "mark"
    objects = np.empty(1, object)
    objects[0] = Harm(mark)
    for value in (Harm(mark), [Harm(mark)], {"annotations": Harm(mark)}, objects, eval, Path(), np.float64, 1j):
        with pytest.raises(ValueError, match=r"it names .*, which is neither NumPy's nor a plain container|type 'O8'"):
            reread(tmp_path / "file.pkl", value, protocol)
        assert not mark.exists()


@pytest.mark.parametrize("numbering", [b"r\xff\xff\xff\xff", b"p4294967295\n"])
@pytest.mark.parametrize("before", [b"", pickle.dumps(["a" * 300, b"b" * 300, (1, 2.5)], 4)[:-1], b"cnumpy\ndtype\n"])
def test_a_pickle_takes_no_room_for_objects_it_has_not(tmp_path: Path, before: bytes, numbering: bytes) -> None:
    """Python would allocate memory for 2^32 objects."""
    path = tmp_path / "file.pkl"
    path.write_bytes(before + b"N" + numbering + b".")
    with pytest.raises(ValueError, match="it numbers an object 4294967295, and has"):
        read_pickle(path)


def test_no_damage_escapes(tmp_path: Path) -> None:
    path = tmp_path / "file.pkl"
    whole = pickle.dumps({"a": np.arange(40.0), "b": ["x", (1, 2)], "c": np.float16(3)}, 4)
    generator = np.random.default_rng(0)
    refused = 0
    for _ in range(600):
        damaged = bytearray(whole[: generator.integers(len(whole))] if generator.random() < 0.2 else whole)
        for place in generator.integers(len(damaged), size=generator.integers(1, 4)) if damaged else []:
            damaged[place] = generator.integers(256)
        path.write_bytes(damaged)
        try:
            read_pickle(path)
        except ValueError as error:
            assert "\n" not in str(error) and str(error)
            refused += 1
    assert refused > 150


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_pickle(tmp_path / "none.pkl")
