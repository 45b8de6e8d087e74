"""Reads MATLAB 5 files with scipy, which crashes the whole process on some damaged files.

scipy does not check data types, lengths and flags before it uses them. So the layout of each variable is checked here
first (the files that this is for hold plain arrays only), and what scipy can still raise becomes a ValueError.
The layout: "MAT-File Format", The MathWorks, chapter 1.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import scipy.io
from scipy.io.matlab import MatReadError

from d3d.regular_file import open_regular

MOST = 64 << 20  # bytes of a file, and of all its variables once they are inflated; Penn Action's are below 0.2 MB
_HEADER = 128  # bytes; the last two give the byte order
_INT8, _INT32, _UINT32, _MATRIX, _COMPRESSED = 1, 5, 6, 14, 15
_NUMBERS = frozenset({1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 16, 17, 18})  # element types of numbers and text
_ARRAYS = frozenset({4, *range(6, 16)})  # matrix classes: text, and numbers of all kinds
_COMPLEX = 8  # a flag of a matrix
_UNREADABLE = (
    MatReadError,
    EOFError,
    TypeError,
    LookupError,
    NotImplementedError,
    OverflowError,
    MemoryError,
    zlib.error,
    struct.error,
)


def read_mat(path: Path, names: tuple[str, ...]) -> dict[str, Any]:
    """The variables of these names, as scipy returns them. Raises ValueError for a damaged file, and OSError."""
    with open_regular(path) as file:
        content = file.read(MOST + 1)
    if len(content) > MOST:
        raise ValueError(f"it has more than {MOST} bytes")
    try:
        _check(content)
        variables: dict[str, Any] = scipy.io.loadmat(io.BytesIO(content), variable_names=names)  # type: ignore[arg-type]
    except _UNREADABLE as error:
        raise ValueError(str(error).partition("\n")[0] or type(error).__name__) from error
    return variables


def _check(content: bytes) -> None:
    order = {b"IM": "<", b"MI": ">"}.get(content[_HEADER - 2 : _HEADER])
    if order is None:
        raise ValueError("not a MATLAB 5 file")
    left = MOST
    for kind, body in _elements(content[_HEADER:], order):
        if kind == _COMPRESSED:
            # Verifies the checksum, unless the stream does not end: in two of Penn Action's files it does not.
            inflated = zlib.decompressobj().decompress(body, left + 1)
            left -= len(inflated)
            if left < 0:
                raise ValueError(f"its variables have more than {MOST} bytes once they are inflated")
            ((kind, body),) = _elements(inflated, order)
        if kind != _MATRIX:
            raise ValueError(f"an element of type {kind} where a variable should be")
        _check_matrix(list(_elements(body, order)), order)


def _check_matrix(parts: list[tuple[int, bytes]], order: str) -> None:
    """Raises ValueError unless the parts are flags, dimensions, name and data: a plain array."""
    kinds, lengths = [kind for kind, _ in parts], [len(body) for _, body in parts]
    if len(parts) != 4 or kinds[:3] != [_UINT32, _INT32, _INT8] or kinds[3] not in _NUMBERS:
        raise ValueError(f"a variable made of elements of types {kinds} is not a plain array")
    (flags,) = struct.unpack_from(f"{order}I", parts[0][1])
    if lengths[0] != 8 or lengths[1] < 8 or lengths[1] % 4 or flags & 0xFF not in _ARRAYS or flags >> 8 & _COMPLEX:
        raise ValueError("a variable is not a plain array of real numbers or text")


def _elements(content: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """(type, body) of each element; a small element has its length in the upper half of the type."""
    position = 0
    while position < len(content):
        kind, length = struct.unpack_from(f"{order}II", content, position)
        start = position + 8
        end = start + length
        if kind >> 16:
            kind, length = kind & 0xFFFF, kind >> 16
            start, end = position + 4, position + 8
        if start + length > min(end, len(content)):
            raise ValueError("an element is cut short")
        yield kind, content[start : start + length]
        position = end if kind == _COMPRESSED else end + -end % 8
