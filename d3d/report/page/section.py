"""What the page is made of: sections of blocks and pictures."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from d3d.report.artefacts.plots import DOTS
from d3d.report.document.blocks import Block

PIXELS = 110  # CSS pixels that show an inch of a figure: its 8 pt letters are then 12 pixels high


@dataclass(frozen=True)
class Picture:
    """A picture in PNG, and the text that stands for it."""

    png: bytes  # of DOTS to the inch
    alt: str

    @property
    def size(self) -> tuple[int, int]:
        """Its width and height on the page in CSS pixels, somewhat larger than printed."""
        width, height = struct.unpack(">II", self.png[16:24])  # the first chunk of every PNG
        return round(width * PIXELS / DOTS), round(height * PIXELS / DOTS)


@dataclass(frozen=True)
class Section:
    """A section of the page; a heading in its blocks is one level below its title."""

    title: str
    blocks: Sequence[Block | Picture] = ()
    sections: Sequence["Section"] = ()
    place: str = ""  # its name in a `Link`; empty: nothing leads to it by name
