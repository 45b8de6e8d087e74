"""Reads a foreign pickle without running any of it: only NumPy arrays and plain containers are admitted.

A pickle names the callables that build its objects, and Python calls all of them. Here a name is looked up in a short
table; any other name ends the reading before anything is called.
"""

import mmap
import pickle
import pickletools
from pathlib import Path
from typing import Any, Final

import numpy as np

from d3d.regular_file import open_regular

_MULTIARRAY: Final = ("numpy.core.multiarray", "numpy._core.multiarray")  # before and after NumPy 2
_NUMERIC: Final = ("numpy.core.numeric", "numpy._core.numeric")
_PLAIN_KINDS: Final = "biufUS"  # of dtypes: truth values, numbers, text; never objects


class _Type:
    """A type of plain numbers or text, such as "f4". Of its pickled state only the byte order is used."""

    def __init__(self, code: str, *_: Any) -> None:
        kind = np.dtype(code) if isinstance(code, str) else None
        if kind is None or kind.kind not in _PLAIN_KINDS:
            raise pickle.UnpicklingError(f"an array of type {code!r}")
        self.numpy = kind

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.numpy = self.numpy.newbyteorder(state[1])


class _Array(np.ndarray[Any, Any]):
    """An empty array that its pickled state then fills; a class of its own, so that the state is checked first."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, by_columns, content = state
        filled = _array(content, kind, shape, "F" if by_columns else "C")
        state = (1, filled.shape, filled.dtype, bool(by_columns), bytes(content))
        super().__setstate__(state)  # type: ignore[arg-type]

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickled as a plain array, when a clip is sent to another process."""
        return np.asarray(self).__reduce_ex__(protocol)


def _reconstruct(kind: Any, shape: tuple[int, ...], code: Any) -> np.ndarray[Any, Any]:
    """The empty array that NumPy's pickles start from."""
    if kind != _NDARRAY:
        raise pickle.UnpicklingError("an array of another class than numpy.ndarray")
    return np.ndarray.__new__(_Array, (0,))


def _array(content: Any, kind: Any, shape: Any, order: Any) -> np.ndarray[Any, Any]:
    if not isinstance(kind, _Type) or not isinstance(content, bytes | bytearray):
        raise pickle.UnpicklingError("an array of no plain type")
    return np.frombuffer(content, kind.numpy).reshape(shape, order=order)


def _scalar(kind: Any, content: Any) -> Any:
    return _array(content, kind, (1,), "C")[0]


def _encode(text: Any, encoding: Any) -> bytes:
    """Stands for the call by which pickles of protocol 2 write bytes."""
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes in encoding {encoding!r}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """Stands for the call by which they write empty bytes."""
    return b""


_ARGUMENTS: Final = {
    ord(code.code): code.arg.n if code.arg else 0 for code in pickletools.opcodes
}  # opcode → length of its argument in bytes, or one of the codes below zero for how the length is given
_WIDTHS: Final = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}  # how the length is given → bytes of the length, which comes before the argument
_NDARRAY: Final = "ndarray"  # stands for the class, which is named and never called
_ADMITTED: Final[dict[tuple[str, str], Any]] = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,
    **{(module, "_reconstruct"): _reconstruct for module in _MULTIARRAY},
    **{(module, "scalar"): _scalar for module in _MULTIARRAY},
    **{(module, "_frombuffer"): _array for module in _NUMERIC},
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is neither NumPy's nor a plain container")
        return _ADMITTED[module, name]


def _check(content: mmap.mmap) -> None:
    """Raises UnpicklingError where a pickle numbers an object higher than it can have objects.

    The unpickler allocates memory for as many objects as the highest number, which a short file can make arbitrarily
    large. This walks from opcode to opcode; one that is cut short or unknown is left to the unpickler to report.
    """
    place = 0
    while place < len(content) and (argument := _ARGUMENTS.get(content[place])) is not None:
        code, place = content[place], place + 1
        length = argument
        if argument == pickletools.UP_TO_NEWLINE:
            length = content.find(b"\n", place) + 1 - place
            if code in b"ci":  # two lines
                length = content.find(b"\n", place + length) + 1 - place
        elif argument < 0:
            width = _WIDTHS[argument]
            length = width + int.from_bytes(content[place : place + width], "little")
        if length < 0:
            return
        if code == ord("p") or code == ord("r"):
            line = content[place : place + length]
            number = int(line) if code == ord("p") else int.from_bytes(line, "little")
            if number > len(content):
                raise pickle.UnpicklingError(f"it numbers an object {number}, and has {len(content)} bytes")
        place += length


def read_pickle(path: Path) -> Any:
    """The content of a pickle of arrays and plain containers. Raises ValueError for any other pickle, and OSError."""
    with open_regular(path) as file:
        try:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                _check(content)
            return _Unpickler(file).load()
        except (
            pickle.UnpicklingError,
            EOFError,
            ValueError,  # UnicodeDecodeError among them
            TypeError,
            LookupError,
            AttributeError,
            ImportError,
            OverflowError,
            MemoryError,
        ) as error:
            raise ValueError(str(error).partition("\n")[0] or type(error).__name__) from error
