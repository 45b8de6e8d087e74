"""What a line of text may hold that is shown to somebody: in a terminal, a message, a table or a page."""

import unicodedata

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
