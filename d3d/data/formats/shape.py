"""What a picture may measure: it must have the shape that the joints were counted in, and fit into little memory."""

from pathlib import Path

from d3d.data.clip import Clip
from d3d.errors import DataError

MOST_PIXELS = 7680 * 4320  # of a picture, as many as 8K video has: 100 MB once decoded
_OFF = 0.02  # largest relative error of a resized copy's aspect ratio, for rounding to even pixels


def check_pixels(width: int, height: int) -> None:
    """Raises ValueError for a picture that becomes too large: a few kilobytes can hold a gigabyte of one colour."""
    if width * height > MOST_PIXELS:
        raise ValueError(f"it is {width}×{height}; a frame may have {MOST_PIXELS} pixels at most")


def check_shape(path: Path, clip: Clip, width: int, height: int) -> None:
    """Raises DataError for a cropped or turned picture, on which joints would be misplaced; a resized copy is fine.

    `width` and `height` are those of the picture as it is shown, in pixels.
    """
    across, along = width * clip.height, height * clip.width
    if abs(across - along) > _OFF * along:
        raise DataError(
            f"clip {clip.id}: {path} is {width}×{height}, but its joints are in pixels of {clip.width}×{clip.height}; "
            "restore it, or data.frames=rendered"
        )
