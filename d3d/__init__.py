"""The ablation bench of video action recognition, with the 3D deformable transformer (ICCV 2023, arXiv 2212.05638)."""

from importlib import import_module
from typing import Any

LIBRARY = {"load_cell": "d3d.trained_cell"}  # name → the module that has it


def __getattr__(name: str) -> Any:
    """A name of the library, imported on first use, as torch takes seconds.

    The module is named in a text, because d3d/digest.py follows imports: every result would be one of all code.
    """
    if name not in LIBRARY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(LIBRARY[name]), name)
