"""Frames that are image files: one decoded at the size it is asked for, and a folder of them."""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from d3d.errors import DataError

ENDINGS = (".jpg", ".jpeg", ".png")


def read_image(path: Path, id: str, size: tuple[int, int]) -> NDArray[np.uint8]:
    """height×width×3 RGB of an image file, resized. Raises DataError, which names the clip, where it is damaged."""
    try:
        with Image.open(path, formats=["JPEG", "PNG"]) as image:
            box = image.draft("RGB", (size[1], size[0]))  # decodes a JPEG at a fraction of the size, much faster
            resized = image.convert("RGB").resize((size[1], size[0]), Image.Resampling.BILINEAR, box=box and box[1])
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(
            f"clip {id}: {path} cannot be decoded ({error}); restore it, or data.frames=rendered"
        ) from error
    return np.asarray(resized)


def images_in(folder: Path) -> list[Path]:
    """The image files of a folder in the order of the last number in their names, img_2.jpg before img_10.jpg."""
    images = [path for path in folder.iterdir() if path.suffix.lower() in ENDINGS and not path.name.startswith(".")]
    return sorted(images, key=lambda path: (_number(path.stem), path.name))


def _number(stem: str) -> int:
    numbers = re.findall("[0-9]+", stem)
    return int(numbers[-1]) if numbers else -1
