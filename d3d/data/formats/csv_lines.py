"""Reads the lines of a small CSV file that a user wrote."""

import csv
import io
from pathlib import Path

from d3d.errors import DataError
from d3d.regular_file import open_regular

MOST_BYTES = 100_000_000  # of a file


def read_csv_lines(path: Path, setting: str, columns: str) -> list[list[str]]:
    """The fields of each line, as they are written.

    `setting` is the key that names the file, and `columns` is what belongs into a line, for the message of the
    DataError that is raised where the file cannot be read, is too large, or is no CSV in UTF-8.
    """
    try:
        with open_regular(path) as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES} bytes")
        return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{setting}={path}: cannot be read ({error}); write lines of {columns}") from error
