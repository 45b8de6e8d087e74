"""The style that all figures share, and rendering them to the same bytes every time."""

import io
from contextlib import AbstractContextManager
from typing import Any

import matplotlib.style
from matplotlib.figure import Figure

DOTS = 300  # to the inch of a picture
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


def render(figure: Figure) -> dict[str, bytes]:
    """The figure as "png" (DOTS to the inch) and "pdf", without dates and without matplotlib's version."""
    nameless = {"png": {"Software": None}, "pdf": {"Creator": None, "Producer": None, "CreationDate": None}}
    images = {}
    for kind, metadata in nameless.items():
        stream = io.BytesIO()
        figure.savefig(stream, format=kind, dpi=DOTS, metadata=metadata)
        images[kind] = stream.getvalue()
    return images
