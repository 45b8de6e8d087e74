"""Finds how a system's README reads its paper: the table that says where it was silent and what is built."""

import re
from itertools import dropwhile, takewhile

from d3d.folders import PACKAGE
from d3d.report.document.blocks import Grid

MODELS = PACKAGE / "models"
FIRST = "where"  # the first column of that table


def readings(system: str) -> Grid | None:
    """The readings of a system such as "d3d"; None if it is not one of this project's, or has none."""
    for path in sorted(MODELS.glob("*/README.md")):
        text = path.read_text("utf-8")
        if path.parent.name == system or f"`model={system}`" in text:
            return _grid(text)
    return None


def _grid(text: str) -> Grid | None:
    """The first table of a Markdown page whose first column is FIRST, as plain text with backticks."""
    rest = dropwhile(lambda line: not line.startswith(f"| {FIRST} |"), text.splitlines())
    header, *lines = [_entries(line) for line in takewhile(lambda line: line.startswith("|"), rest)] or [()]
    return Grid(header, tuple(lines[1:]), "w" * len(header)) if header else None


def _entries(line: str) -> tuple[str, ...]:
    linkless = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", line)
    return tuple(entry.strip().replace(r"\|", "|") for entry in re.split(r"(?<!\\)\|", linkless)[1:-1])
