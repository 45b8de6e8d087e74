"""What a text may hold that is shown to somebody or read by a program: in a message, a table or a spreadsheet."""

import re
import unicodedata
from collections.abc import Sequence

_TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}  # characters that change the order of others


def unshowable(character: str) -> bool:
    """Whether a character has no place in a text: half a surrogate pair, a control character, or one that reorders.

    White space, line breaks included, has its place.
    """
    if character in "\t\n\r":
        return False
    return unicodedata.category(character) in ("Cc", "Cs") or unicodedata.bidirectional(character) in _TURNING


def one_line(text: str) -> str:
    """The words of a text with one blank between them."""
    return " ".join(text.split())


def printable(text: str) -> str:
    """The text with unprintable characters escaped, so that none can end the line or control the terminal."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def shown(text: str) -> str:
    """The text as one line, with the characters that have no place in it escaped."""
    return "".join(printable(each) if unshowable(each) else each for each in one_line(text))


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of a table as lines, with their entries below each other, two blanks apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def hydra_text(value: str) -> str:
    """A value as a quoted text of Hydra's grammar, in which a backslash escapes a quote and backslashes before one."""
    return '"' + re.sub(r'(\\*)("|$)', lambda found: found[1] * 2 + (r"\"" if found[2] else ""), value) + '"'


_FORMULA = re.compile(r"'*\s*([=+\-@\uff1d\uff0b\uff0d\uff20]|(?<=[\t\r\n]))")  # with the signs of full width
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def spreadsheet_entry(text: str) -> str:
    """The text of a CSV entry that no spreadsheet takes for a formula: one that looks like one begins with a '.

    Numbers stay as they are. `from_spreadsheet_entry` is the inverse.
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def from_spreadsheet_entry(entry: str) -> str:
    """The text that `spreadsheet_entry` made an entry of."""
    return entry[1:] if entry.startswith("'") and _FORMULA.match(entry) else entry
