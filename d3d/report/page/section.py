"""What the page is made of: sections of blocks and pictures."""

import struct
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from d3d.report.artefacts.plots import DOTS
from d3d.report.document.blocks import Block

PIXELS = 110  # CSS pixels that show an inch of a figure: its 8 pt letters are then 12 pixels high


@dataclass(frozen=True)
class Picture:
    """A figure in PNG, and the text that stands for it."""

    png: bytes  # of DOTS to the inch
    alt: str

    @property
    def source(self) -> str:
        """It as a URL."""
        return f"data:image/png;base64,{b64encode(self.png).decode()}"

    @property
    def size(self) -> tuple[int, int]:
        """Its width and height on the page in CSS pixels, somewhat larger than printed."""
        width, height = struct.unpack(">II", self.png[16:24])  # the first chunk of every PNG
        return round(width * PIXELS / DOTS), round(height * PIXELS / DOTS)


@dataclass(frozen=True)
class Photograph:
    """A picture of a clip in JPEG, the text that stands for it, and the text below it."""

    jpeg: bytes
    alt: str
    caption: str

    @property
    def source(self) -> str:
        """It as a URL."""
        return f"data:image/jpeg;base64,{b64encode(self.jpeg).decode()}"


@dataclass(frozen=True)
class Gallery:
    """Pictures of clips, as many beside each other as fit."""

    pictures: Sequence[Photograph]


@dataclass(frozen=True)
class Section:
    """A section of the page; a heading in its blocks is one level below its title."""

    title: str
    blocks: Sequence[Block | Picture | Gallery] = ()
    sections: Sequence["Section"] = ()
    place: str = ""  # its name in a `Link`; empty: nothing leads to it by name
