"""Frames in image files: decoding one at the size of a view, and listing a folder of them."""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from d3d.data.clip import Clip, View
from d3d.errors import DataError
from d3d.regular_file import open_regular

ENDINGS = (".jpg", ".jpeg", ".png")


def read_image(path: Path, clip: Clip, view: View) -> NDArray[np.uint8]:
    """The view of an image file, rows×columns×3 RGB. Raises DataError, which names the clip, where it is damaged."""
    try:
        with open_regular(path) as file, Image.open(file, formats=["JPEG", "PNG"]) as image:
            columns = round(view.columns * clip.width / (view.right - view.left))  # of the whole frame
            rows = round(view.rows * clip.height / (view.bottom - view.top))
            drafted = image.draft("RGB", (columns, rows))  # decodes a JPEG at a fraction of the size, much faster
            box = view.within(clip, *(drafted[1][2:] if drafted else image.size))
            resized = image.convert("RGB").resize((view.columns, view.rows), Image.Resampling.BILINEAR, box=box)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(
            f"clip {clip.id}: {path} cannot be decoded ({error}); restore it, or data.frames=rendered"
        ) from error
    return np.asarray(resized)


def images_in(folder: Path) -> list[Path]:
    """The image files of a folder in the order of the last number in their names, img_2.jpg before img_10.jpg."""
    images = [path for path in folder.iterdir() if path.suffix.lower() in ENDINGS and not path.name.startswith(".")]
    return sorted(images, key=lambda path: (_number(path.stem), path.name))


def _number(stem: str) -> int:
    numbers = re.findall("[0-9]+", stem)
    return int(numbers[-1]) if numbers else -1
