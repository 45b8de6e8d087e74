"""How every figure of this package looks, and how it becomes the same bytes each time."""

import io
from contextlib import AbstractContextManager
from typing import Any

import matplotlib.style
from matplotlib.figure import Figure

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
}


def style() -> AbstractContextManager[None]:
    """Within it, figures are drawn and rendered in this package's style, whatever the user's matplotlibrc says."""
    return matplotlib.style.context(STYLE, after_reset=True)


def render(figure: Figure) -> dict[str, bytes]:
    """The figure as "png" (300 dots an inch) and "pdf", free of dates and of matplotlib's version."""
    nameless = {"png": {"Software": None}, "pdf": {"Creator": None, "Producer": None, "CreationDate": None}}
    images = {}
    for kind, metadata in nameless.items():
        stream = io.BytesIO()
        figure.savefig(stream, format=kind, dpi=300, metadata=metadata)
        images[kind] = stream.getvalue()
    return images
