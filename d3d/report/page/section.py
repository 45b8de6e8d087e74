"""What the page is made of: sections of blocks and pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

from d3d.report.document.blocks import Block


@dataclass(frozen=True)
class Picture:
    """A picture in PNG, and the text that stands for it."""

    png: bytes
    alt: str


@dataclass(frozen=True)
class Section:
    """A section of the page; a heading in its blocks is one level below its title."""

    title: str
    blocks: Sequence[Block | Picture] = ()
    sections: Sequence["Section"] = ()
