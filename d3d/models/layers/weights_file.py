"""Opens a file of weights for reading. Only safetensors files are read, because a pickle can run what is in it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from d3d.errors import DataError
from d3d.file_digest import file_digest
from d3d.regular_file import require_regular

NAMED = 8  # the most weights in a message


def some(names: Sequence[str]) -> str:
    """The first names of weights, for a message."""
    return ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")


@contextmanager
def open_weights(file: Path, digest: str = "") -> Iterator[Any]:
    """Opens a safetensors file; what is yielded has `keys()` and `get_tensor(key)`.

    Args:
        file: named *.safetensors.
        digest: of the file when the launch was planned; empty: the file may be any.

    Raises DataError where the file cannot be read or is another one by now.
    """
    try:
        if digest and file_digest(file) != digest:
            raise DataError(f"{file}: has changed since the launch began; run the same command again")
        require_regular(file)
        with safe_open(file, framework="pt") as stored:
            yield stored
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror or error}); name another file") from error
    except SafetensorError as error:
        raise DataError(f"{file}: is no safetensors file, or damaged ({' '.join(str(error).split())})") from error
