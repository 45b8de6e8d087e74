"""Frames in image files: decoding one at the size of a view, and what can be told before anything is decoded."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from d3d.data.clip import Clip, View
from d3d.data.formats.shape import check_pixels, check_shape
from d3d.data.formats.turn import Turn, shown_size, turn_of_image, turned
from d3d.errors import DataError
from d3d.regular_file import open_regular


def read_image(path: Path, clip: Clip, view: View) -> NDArray[np.uint8]:
    """The view of an image file, rows×columns×3 RGB.

    Raises DataError, which names the clip, where it is damaged, too large, or of another shape than the clip.
    """
    with _opened(path, clip.id) as (image, turn):
        check_shape(path, clip, *shown_size(turn, *image.size))
        columns = round(view.columns * clip.width / (view.right - view.left))  # of the whole frame
        rows = round(view.rows * clip.height / (view.bottom - view.top))
        # A JPEG is decoded at a fraction of the size, much faster, unless it is turned: its last column may be partial.
        drafted = None if turn else image.draft("RGB", (columns, rows))
        picture = turned(_eight_bits(image).convert("RGB"), turn)
        box = view.within(clip, *(drafted[1][2:] if drafted else picture.size))
        return np.asarray(picture.resize((view.columns, view.rows), Image.Resampling.BILINEAR, box=box))


def _eight_bits(image: Image.Image) -> Image.Image:
    """The image as viewers show it; PIL would cut off grey values of 16 bits at 255, and make such an image white."""
    return image.point(lambda value: value / 256, "L") if image.mode.startswith("I;16") else image


def turn_of_file(path: Path, clip: Clip) -> Turn:
    """The turn of an image file, whose pixels are not decoded. Raises DataError as `read_image` does."""
    with _opened(path, clip.id) as (image, turn):
        check_shape(path, clip, *shown_size(turn, *image.size))
    return turn


def size_of_file(path: Path, id: str) -> tuple[int, int]:
    """(width, height) of an image file of clip `id` as it is shown, pixels. Raises DataError as `read_image` does."""
    with _opened(path, id) as (image, turn):
        return shown_size(turn, *image.size)


@contextmanager
def _opened(path: Path, id: str) -> Iterator[tuple[Image.Image, Turn]]:
    """An image file that is not too large, and its turn; what fails in its use becomes a DataError too."""
    try:
        with open_regular(path) as file, Image.open(file, formats=["JPEG", "PNG"]) as image:
            check_pixels(*image.size)
            yield image, turn_of_image(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = "not a JPEG or PNG image" if isinstance(error, UnidentifiedImageError) else error
        raise DataError(
            f"clip {id}: {path} cannot be decoded ({reason}); restore it, or data.frames=rendered"
        ) from error
