"""Which way up a stored picture is shown: the display matrix of a video, or the EXIF orientation of an image.

Players, viewers and OpenCV apply it, so joints are in pixels of the picture as it is shown.
"""

import struct
import warnings
from typing import cast

from av.sidedata.sidedata import SideDataContainer, Type
from av.video.frame import VideoFrame
from PIL import ExifTags, Image

Turn = Image.Transpose | None
"""What makes a stored picture the one that is shown. PIL turns counterclockwise. None: it is shown as it is stored."""

_SQUINT = 0.01  # a part of a matrix below this, relative to its largest, is zero
_MATRICES: dict[tuple[int, ...], Turn] = {
    (0, 0, 0, 0): None,  # not set
    (1, 0, 0, 1): None,
    (-1, 0, 0, 1): Image.Transpose.FLIP_LEFT_RIGHT,
    (1, 0, 0, -1): Image.Transpose.FLIP_TOP_BOTTOM,
    (-1, 0, 0, -1): Image.Transpose.ROTATE_180,
    (0, 1, -1, 0): Image.Transpose.ROTATE_270,
    (0, -1, 1, 0): Image.Transpose.ROTATE_90,
    (0, 1, 1, 0): Image.Transpose.TRANSPOSE,
    (0, -1, -1, 0): Image.Transpose.TRANSVERSE,
}  # signs of a, b, c, d: a stored pixel at (x, y) is shown at (ax + cy, bx + dy), but for a shift
_ORIENTATIONS: dict[int, Turn] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # of EXIF 2.3, section 4.6.4
_SIDEWAYS = frozenset(
    {
        Image.Transpose.ROTATE_90,
        Image.Transpose.ROTATE_270,
        Image.Transpose.TRANSPOSE,
        Image.Transpose.TRANSVERSE,
    }
)
_NOTES = {
    Image.Transpose.FLIP_LEFT_RIGHT: "mirrored",
    Image.Transpose.FLIP_TOP_BOTTOM: "mirrored upside down",
    Image.Transpose.ROTATE_180: "turned by 180°",
    Image.Transpose.ROTATE_270: "turned by 90° clockwise",
    Image.Transpose.ROTATE_90: "turned by 90° counterclockwise",
    Image.Transpose.TRANSPOSE: "mirrored and turned by 90°",
    Image.Transpose.TRANSVERSE: "mirrored and turned by 90°",
}


def turn_of_frame(frame: VideoFrame) -> Turn:
    """The turn of a decoded frame of a video. Raises ValueError where it is to be shown aslant."""
    beside = cast(SideDataContainer, frame.side_data)  # which PyAV's types call by another name
    matrices = [bytes(data) for data in beside if data.type == Type.DISPLAYMATRIX]
    if not matrices:
        return None
    a, b, _, c, d = struct.unpack_from("=5i", matrices[0])
    largest = max(map(abs, (a, b, c, d)))
    signs = tuple(0 if abs(part) <= _SQUINT * largest else 1 if part > 0 else -1 for part in (a, b, c, d))
    if signs not in _MATRICES:
        raise ValueError("it is to be shown aslant, not turned by a multiple of 90°")
    return _MATRICES[signs]


def turn_of_image(image: Image.Image) -> Turn:
    """The turn of an image; None where its EXIF data are damaged, as viewers show such an image."""
    try:
        with warnings.catch_warnings(action="ignore"):  # about damaged EXIF data
            orientation = image.getexif().get(ExifTags.Base.Orientation)
    except (SyntaxError, ValueError, TypeError, LookupError, struct.error):
        return None
    return _ORIENTATIONS.get(orientation) if isinstance(orientation, int) else None


def shown_size(turn: Turn, width: int, height: int) -> tuple[int, int]:
    """(width, height) of a stored picture as it is shown; and the other way round, of a shown one as it is stored."""
    return (height, width) if turn in _SIDEWAYS else (width, height)


def turned(picture: Image.Image, turn: Turn) -> Image.Image:
    """The picture as it is shown."""
    return picture if turn is None else picture.transpose(turn)


def turn_notes(turn: Turn) -> tuple[str, ...]:
    """A note about clips that are not shown as they are stored, worded to follow "2 clips"."""
    return () if turn is None else (f"are {_NOTES[turn]}, as their files say",)
