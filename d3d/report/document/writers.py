"""Writes files atomically, and rows as CSV."""

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from d3d.errors import RecordError
from d3d.text import shown, spreadsheet_entry


def write_files(folder: Path, contents: Mapping[str, bytes]) -> tuple[Path, ...]:
    """Writes each file of `contents`, which is name → bytes, and returns the paths.

    Each file is replaced atomically, so that a reader sees the old file or the new one. Raises RecordError if the
    folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tuple(_write(folder / name, content) for name, content in contents.items())
    except OSError as error:
        raise RecordError(f"{error.filename or folder}: {error.strerror}; name a folder that can be written") from error


def csv_bytes(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> bytes:
    """The rows as CSV in UTF-8 with a header; a column that a row lacks is empty, other keys of a row are ignored.

    An entry that a spreadsheet would carry out as a formula begins with a ' instead.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    for line in (columns, *([row.get(column, "") for column in columns] for row in rows)):
        writer.writerow(spreadsheet_entry(shown(entry)) for entry in line)
    return stream.getvalue().encode()


def _write(path: Path, content: bytes) -> Path:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
