"""Parses the claims that a paper makes about an ablation's rows.

    full > no_deformable             the mean of the first is higher
    full > no_deformable by 2.3      it is higher by at least 2.3 points
    cross > single > none            each is higher than the next
    stride 1 < stride 3 > stride 6   a peak: the middle one is higher than both others
    frames 12 ~ frames 16            level: they differ by at most one point
    frames 12 ~ frames 16 within 2   they differ by at most 2 points
    best(frames) = frames 12         of the rows whose label starts with `frames`, this one is the best
    verb: to_temporal > none         the same of the top-1 of the verb, or of the noun, instead of the whole action's

Rows are named by their labels. `>`, `<` and `~` need a space on both sides and may be mixed in a chain; `by` and
`within` can only end a claim about two rows. A group consists of whole words: `best(window 1) = …` does not include
`window 10`. Nothing here knows what was measured; d3d/report judges the claims.
"""

import math
import re
from dataclasses import dataclass
from typing import Literal

from d3d.errors import ConfigError
from d3d.prediction import PARTS

GRAMMAR = (
    "write `a > b`, `a > b by 2`, `a ~ b`, `a ~ b within 2`, a chain of rows with >, < and ~, "
    "or `best(start of labels) = a`, each also after `verb:` or `noun:`"
)
LEVEL = 1.0  # points of top-1 by which level rows may differ, unless the claim states another margin
MARGINS = {">": "by", "<": "by", "~": "within"}  # relation → the word before a margin

Relation = Literal[">", "<", "~"]


@dataclass(frozen=True)
class Comparison:
    """Compares two rows: the left mean is higher by more than the margin (>), or they differ by less than it (~)."""

    left: str
    relation: Literal[">", "~"]
    right: str
    margin: float = 0.0  # points


@dataclass(frozen=True)
class Best:
    """Claims that one row is better than all others of its group."""

    group: str
    row: str

    def has(self, label: str) -> bool:
        """Whether a row belongs to the group: its label starts with the group's words."""
        return re.match(rf"{re.escape(self.group)}(?![\w.])", label) is not None


@dataclass(frozen=True)
class Claim:
    """A claim, which holds if all of its parts do."""

    text: str
    parts: tuple[Comparison | Best, ...]
    metric: str = ""  # the part of the labels whose top-1 it is about, "verb" or "noun"; empty: the whole action

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels it names, each once, in order."""
        named = [(each.row,) if isinstance(each, Best) else (each.left, each.right) for each in self.parts]
        return tuple(dict.fromkeys(label for labels in named for label in labels))

    def concerns(self, label: str) -> bool:
        """Whether the claim is about a row: it names the row, or claims the best row of the row's group."""
        return label in self.labels or any(isinstance(each, Best) and each.has(label) for each in self.parts)


def parse_claim(text: str) -> Claim:
    """The claim in a line of text. Raises ConfigError if the line is not a claim."""
    text = " ".join(text.split())
    metric = about_part(text)
    stated = text.removeprefix(f"{metric}:").strip() if metric else text
    best = re.fullmatch(r"best\((.+?)\) = (.+)", stated)
    if best:
        part = Best(best[1].strip(), best[2].strip())
        if not part.has(part.row):
            raise ConfigError(f"{text}: the label of the best row must itself start with {part.group}")
        return Claim(text, (part,), metric)
    chain, margin = _margin(stated)
    labels, relations = _chain(chain)
    if not relations or "" in labels or stated.startswith("best("):
        raise ConfigError(f"{text}: is not a claim; {GRAMMAR}")
    if len(set(labels)) < len(labels):
        raise ConfigError(f"{text}: names a row twice; {GRAMMAR}")
    if margin is not None:
        points = _points(text, *margin, relations)
        return Claim(text, (_comparison(labels[0], relations[0], labels[1], points),), metric)
    pairs = zip(labels, relations, labels[1:], strict=False)
    return Claim(text, tuple(_comparison(*pair, LEVEL if pair[1] == "~" else 0.0) for pair in pairs), metric)


def about_part(text: str) -> str:
    """The part of the labels that a text begins with, as in "verb: a > b"; empty if it begins with none."""
    return next((part for part in PARTS if text.startswith(f"{part}:")), "")


def _comparison(left: str, relation: Relation, right: str, margin: float) -> Comparison:
    """A comparison with the higher row on the left, for either direction of the relation."""
    if relation == "<":
        return Comparison(right, ">", left, margin)
    return Comparison(left, relation, right, margin)


def _margin(text: str) -> tuple[str, tuple[str, str] | None]:
    """The claim without its margin, and the word and number of the margin, or None if there is none."""
    stated = re.fullmatch(r"(.+) (by|within)(?: (\S+))?", text)
    return (stated[1], (stated[2], stated[3] or "")) if stated and _chain(stated[1])[1] else (text, None)


def _points(text: str, word: str, number: str, relations: list[Relation]) -> float:
    """The margin in points. Raises ConfigError if it is invalid or does not go with the claim."""
    if len(relations) > 1:
        raise ConfigError(f"{text}: `{word}` needs a claim of two rows; write one for each pair of the chain")
    if word != MARGINS[relations[0]]:
        raise ConfigError(f"{text}: `{word}` does not go with {relations[0]}; write `{MARGINS[relations[0]]}`")
    try:
        points = float(number)
    except ValueError:
        points = math.nan
    if not 0 < points <= 100:
        raise ConfigError(f"{text}: `{word} {number}` is not a margin; write a number of points above 0, at most 100")
    return points


def _chain(text: str) -> tuple[list[str], list[Relation]]:
    """The labels of a chain, and the relations between them."""
    pieces = [piece.strip() for piece in re.split(r"(?<!\S)([><~])(?!\S)", text)]
    known: dict[str, Relation] = {">": ">", "<": "<", "~": "~"}
    return pieces[::2], [known[piece] for piece in pieces[1::2]]
