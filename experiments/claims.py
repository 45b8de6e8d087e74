"""What a paper claims of an ablation's rows, as data.

    full > no_deformable             the mean of the first is higher
    cross > single > none            each is higher than the next
    frames 12 ~ frames 16            level: nothing changes from one to the other
    best(frames) = frames 12         of the rows whose label starts with `frames`, this one is the best

Rows are named by their labels. `>` and `~` stand between blanks and may be mixed in a chain. A group takes whole words:
`best(window 1) = …` is not about `window 10`. Nothing here knows what was measured: tables/ judges.
"""

import re
from dataclasses import dataclass
from typing import Literal

from d3d.errors import ConfigError

GRAMMAR = "write `a > b`, `a ~ b`, a chain of them, or `best(start of labels) = a`"


@dataclass(frozen=True)
class Comparison:
    """Two rows: the mean of the left one is higher (>), or they are level (~)."""

    left: str
    relation: Literal[">", "~"]
    right: str


@dataclass(frozen=True)
class Best:
    """One row against all the others of its group."""

    group: str
    row: str

    def has(self, label: str) -> bool:
        """Whether a row belongs to the group: its label starts with the group's words."""
        return re.match(rf"{re.escape(self.group)}(?![\w.])", label) is not None


@dataclass(frozen=True)
class Claim:
    """A claim holds where all of its parts do."""

    text: str
    parts: tuple[Comparison | Best, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The rows it names, each once, in its order."""
        named = [(each.row,) if isinstance(each, Best) else (each.left, each.right) for each in self.parts]
        return tuple(dict.fromkeys(label for labels in named for label in labels))

    def concerns(self, label: str) -> bool:
        """Whether a row has a part in it: it is named, or belongs to a group whose best row is claimed."""
        return label in self.labels or any(isinstance(each, Best) and each.has(label) for each in self.parts)


def parse_claim(text: str) -> Claim:
    """The claim a line states. Raises ConfigError where it states none."""
    text = " ".join(text.split())
    best = re.fullmatch(r"best\((.+?)\) = (.+)", text)
    if best:
        part = Best(best[1].strip(), best[2].strip())
        if not part.has(part.row):
            raise ConfigError(f"{text}: the label of the best row must itself start with {part.group}")
        return Claim(text, (part,))
    labels, relations = _chain(text)
    if not relations or "" in labels or text.startswith("best("):
        raise ConfigError(f"{text}: is no claim; {GRAMMAR}")
    if len(set(labels)) < len(labels):
        raise ConfigError(f"{text}: names a row twice; {GRAMMAR}")
    pairs = zip(labels, relations, labels[1:], strict=False)
    return Claim(text, tuple(Comparison(left, relation, right) for left, relation, right in pairs))


def _chain(text: str) -> tuple[list[str], list[Literal[">", "~"]]]:
    """The labels and the relations between them, one fewer."""
    pieces = [piece.strip() for piece in re.split(r"(?<!\S)(>|~)(?!\S)", text)]
    relations: list[Literal[">", "~"]] = [">" if piece == ">" else "~" for piece in pieces[1::2]]
    return pieces[::2], relations
