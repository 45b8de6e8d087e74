r"""Writes a table as a bare LaTeX tabular in letters of 8 points that fits a column of a two-column page.

It is for `\input` within a paper's own float. Where its columns are too wide, they stand closer, then its longest texts
are broken over lines, and at last the letters are smaller; even with letters of 5 points it may be too wide. Widths are
estimates in printer's points, somewhat larger than those of Computer Modern, which is wider than Times.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from d3d.report.document.blocks import Bold, Entry, Grid, escape, latex_entry, text_of
from d3d.text import shown

COLUMN = 3.25 * 72.27  # points in 3.25 inches
SIZES = {8: 1.0, 7: 0.94, 6: 0.87, 5: 0.8}  # of letters in points → their width beside those of 8 points
FITS = (  # size of the letters, points on either side of a column, and whether texts are broken: the first that fits
    (8, 6.0, False),
    (8, 3.0, False),
    (8, 3.0, True),
    *((size, 1.5, True) for size in SIZES),
)
BOLD = 1.15  # times as wide
MARKS = "claims"  # the heading of the column of marks
_CHARACTERS = {  # characters → width of each as a fraction of the size, 8 points
    "il.,:;!'`[]|": 0.3,
    "fjrstI()- ": 0.42,
    "cez": 0.48,
    "0123456789?ago": 0.532,
    "ABCDEFGHKLNOPQRTUVXYZw": 0.84,
    "m&+=<>±×−≤≥→✓○#%@–": 0.89,
    "MW—…": 1.1,
}
_WIDTHS = {character: each for characters, each in _CHARACTERS.items() for character in characters}
PLUS_MINUS, UNBROKEN = r" $\pm$ ", r"~$\pm$~"
OTHER = 0.6  # the width of any other character, as of most small letters


@dataclass(frozen=True)
class Column:
    """A column and its width in points, in letters of 8 points."""

    header: str
    entries: tuple[Entry, ...]
    right: bool  # whether its entries end at its right side, as numbers do
    width: float
    least: float  # width that it can be broken to
    broken: bool = False

    def at_most(self, wide: float) -> "Column":
        """The column broken to a width, or as far as it can be, if it is wider."""
        if wide >= self.width or self.least >= self.width:
            return self
        return replace(self, width=max(wide, self.least), broken=True)


def tabular(title: str, grid: Grid) -> bytes:
    r"""The table as LaTeX in UTF-8 that needs `booktabs`; the title is only a comment.

    It has the columns `grid.narrow` and a last one for `grid.marks`. In the first column, which names the rows, an
    underscore is a blank.
    """
    columns, gap, size = _fitted(_columns(grid))
    letters = "".join(
        f"p{{{SIZES[size] * each.width:.1f}pt}}" if each.broken else "r" if each.right else "l" for each in columns
    )
    rows = zip(*([_entry(each, entry) for entry in each.entries] for each in columns), strict=True)
    lines = [
        f"% {shown(title)}",
        r"% \usepackage{booktabs}",
        rf"{{\fontsize{{{size}}}{{{1.2 * size:.1f}}}\selectfont\setlength{{\tabcolsep}}{{{gap}pt}}%",
        rf"\begin{{tabular}}{{@{{}}{letters}@{{}}}}",
        r"\toprule",
        _line([_header(each) for each in columns]),
        r"\midrule",
        *map(_line, rows),
        r"\bottomrule",
        r"\end{tabular}}",
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def width(text: str, bold: bool = False) -> float:
    """An upper estimate of the width of a text in letters of 8 points, in points."""
    return 8 * (BOLD if bold else 1) * sum(_WIDTHS.get(character, OTHER) for character in text)


def _columns(grid: Grid) -> list[Column]:
    """The columns that a narrow table has, each as wide as its texts are."""
    numbers = grid.narrow or range(len(grid.header))
    rows = [(_readable(row[0]), *row[1:]) for row in grid.rows]
    columns = [_column(grid.header[each], [row[each] for row in rows], grid.align[each]) for each in numbers]
    return [*columns, _column(MARKS, grid.marks, "l")] if any(grid.marks) else columns


def _column(header: str, entries: Sequence[Entry], letter: str) -> Column:
    heading = max(map(width, _words(header)), default=0.0)
    whole = max([heading, *(width(text_of(each), isinstance(each, Bold)) for each in entries)])
    right = letter == "r"
    longest = max([heading, *(width(part, bold=True) for each in entries for part in _parts(text_of(each), right))])
    return Column(header, tuple(entries), right, whole, min(whole, longest))


def _parts(text: str, number: bool) -> list[str]:
    """Between which a text may be broken: its words, or of a number what stands before and in brackets."""
    return re.split(r" (?=\()", text) if number else text.split()


def _fitted(columns: Sequence[Column]) -> tuple[list[Column], float, int]:
    """The columns, the gap on either side of each, and the size of the letters."""
    for size, gap, broken in FITS:
        room = (COLUMN - 2 * gap * (len(columns) - 1)) / SIZES[size]
        fitted = _broken(columns, room) if broken else list(columns)
        if sum(each.width for each in fitted) < room + 0.01:  # what is broken fills it, but for rounding
            break
    return fitted, gap, size


def _broken(columns: Sequence[Column], room: float) -> list[Column]:
    """The columns, of which the widest are broken as far as it takes to leave that room."""
    fitted = list(columns)
    for number, each in sorted(enumerate(columns), key=lambda item: -item[1].width):
        over = sum(other.width for other in fitted) - room
        fitted[number] = each.at_most(each.width - over)
    return fitted


def _header(column: Column) -> str:
    """The header, with its words below each other where they are wider than the column."""
    if width(column.header) <= column.width:
        return _aligned(column, escape(column.header))
    stacked = r"\\".join(_guarded(escape(word)) for word in _words(column.header))
    return _aligned(column, rf"\shortstack[{'r' if column.right else 'l'}]{{{stacked}}}")


def _entry(column: Column, entry: Entry) -> str:
    text = latex_entry(entry)
    return _aligned(column, text.replace(PLUS_MINUS, UNBROKEN) if column.right else text)


def _aligned(column: Column, text: str) -> str:
    """What stands in a column; one that is broken has to be told where its lines begin."""
    side = r"\raggedleft" if column.right else r"\raggedright"
    return f"{side} {text}" if column.broken else text


def _words(text: str) -> list[str]:
    """The parts of a header that may stand below each other."""
    return re.findall(r"[^\s-]*-|[^\s-]+", text)


def _line(entries: Sequence[str]) -> str:
    return f"{_guarded(' & '.join(entries))} \\tabularnewline"


def _guarded(line: str) -> str:
    """A line that LaTeX does not read as an option of the line before."""
    return f"{{}}{line}" if line.startswith(("[", "*")) else line


def _readable(entry: Entry) -> Entry:
    text = text_of(entry).replace("_", " ")
    return Bold(text) if isinstance(entry, Bold) else text
