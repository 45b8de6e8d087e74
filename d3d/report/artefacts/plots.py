"""The style that all figures share, and rendering them to the same bytes every time."""

import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import matplotlib.style
from matplotlib.figure import Figure

DOTS = 300  # to the inch of a picture
WIDTHS = {"column": 3.25, "text": 6.75}  # inches: of a column, and of both together, of a two-column page
NAMELESS: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
}
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that every machine draws the same
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.edgecolor": "0.35",
    "axes.labelcolor": "0.15",
    "axes.axisbelow": True,
    "xtick.color": "0.35",
    "ytick.color": "0.35",
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "grid.color": "0.92",
    "grid.linewidth": 0.6,
    "pdf.fonttype": 42,  # letters stay letters in the PDF
    "text.parse_math": False,  # a $ in a label is a dollar
}


def style() -> AbstractContextManager[None]:
    """A context in which figures have this package's style, independent of the user's matplotlibrc."""
    return matplotlib.style.context(STYLE, after_reset=True)


def images(figure: Figure, for_paper: Callable[[float], Figure]) -> dict[str, bytes]:
    """End of a file's name → the image: the figure as PNG and PDF, and as PDF in the widths of a two-column page.

    Args:
        figure: With its title and caption in it.
        for_paper: Width in inches → the figure of that width without them, in letters of 8 points.
    """
    whole = {f".{kind}": image_bytes(figure, kind) for kind in NAMELESS}
    return whole | {f"_{name}.pdf": image_bytes(for_paper(width), "pdf") for name, width in WIDTHS.items()}


def image_bytes(figure: Figure, kind: str) -> bytes:
    """The figure as "png" (DOTS to the inch) or "pdf", without dates and without matplotlib's version."""
    stream = io.BytesIO()
    figure.savefig(stream, format=kind, dpi=DOTS, metadata=NAMELESS[kind])
    return stream.getvalue()
