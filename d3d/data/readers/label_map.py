"""The names of a dataset's classes, from a text file such as MMAction2's label_map_k400.txt: one name a line."""

from pathlib import Path

from d3d.errors import DataError
from d3d.regular_file import open_regular

MOST_BYTES = 10_000_000  # of a file of names
LONGEST = 200  # characters of a name


def read_label_map(path: Path) -> tuple[str, ...]:
    """The names of the classes; line n, counted from 0, names label n. Blank lines at the end are no names.

    Raises DataError where the file cannot be read, or a line is blank, too long or a name that was there before.
    """
    try:
        with open_regular(path) as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES} bytes")
        names = [line.strip() for line in content.decode("utf-8-sig").rstrip().split("\n")]
    except (OSError, ValueError) as error:
        raise DataError(f"data.label_map={path}: cannot be read ({error}); write one name of a class a line") from error
    first: dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        if not name or len(name) > LONGEST:
            fault = f"has more than {LONGEST} characters" if name else "is blank"
            raise DataError(f"data.label_map={path}: line {number} {fault}; write one name of a class a line")
        if first.setdefault(name, number) != number:
            raise DataError(
                f"data.label_map={path}: lines {first[name]} and {number} are both {name}; give each class its own name"
            )
    return tuple(names)
