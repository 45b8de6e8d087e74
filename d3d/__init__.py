"""The ablation bench of video action recognition, with the 3D deformable transformer (ICCV 2023, arXiv 2212.05638)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from d3d.trained_cell import load_cell

__all__ = ["load_cell"]


def __getattr__(name: str) -> Any:
    """Imports what a library's user needs on first use: torch takes seconds, and the command line starts without it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from d3d import trained_cell

    return getattr(trained_cell, name)
