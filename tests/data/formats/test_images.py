from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from d3d.data.clip import Clip, View
from d3d.data.formats.images import read_image, turn_of_file
from d3d.data.formats.shape import MOST_PIXELS
from d3d.errors import DataError

ORIENTATION = 0x0112


def clip(height: int, width: int) -> Clip:
    return Clip("c", 0, True, height, width, np.zeros((1, 1, 2), np.float32), np.ones((1, 1), bool), "c")


@pytest.mark.parametrize("ending", [".jpg", ".png"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_shown_as_its_exif_data_say(tmp_path: Path, orientation: int, ending: str) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)).resize((160, 120))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / f"image{ending}"
    picture.save(path, exif=exif, quality=95)
    with Image.open(path) as stored:
        shown = ImageOps.exif_transpose(stored).convert("RGB")
    whole = View(0, 0, shown.width, shown.height, shown.height, shown.width)
    assert (read_image(path, clip(shown.height, shown.width), whole) == np.asarray(shown)).all()
    assert (turn_of_file(path, clip(shown.height, shown.width)) is None) == (orientation == 1)
    part = View(20, 30, 100, 110, 40, 40)
    expected = shown.resize((40, 40), Image.Resampling.BILINEAR, box=(20, 30, 100, 110))
    assert np.abs(read_image(path, clip(shown.height, shown.width), part).astype(int) - np.asarray(expected)).max() < 40


def test_an_image_of_another_shape_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    Image.new("RGB", (160, 120)).save(path)
    with pytest.raises(DataError, match=r"clip c: .*image\.png is 160×120, but its joints are in pixels of 120×160"):
        read_image(path, clip(160, 120), View(0, 0, 120, 160, 40, 30))


@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_a_small_file_of_a_huge_image_is_refused_before_it_is_decoded(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"image{ending}"
    Image.new("L", (6000, 6000)).save(path)
    with pytest.raises(DataError, match=rf"clip c: .*it is 6000×6000; a frame may have {MOST_PIXELS} pixels at most"):
        read_image(path, clip(6000, 6000), View(0, 0, 6000, 6000, 40, 40))


def test_grey_values_of_16_bits_are_shown_as_viewers_show_them(tmp_path: Path) -> None:
    values = np.arange(0, 65536, 2, dtype=np.uint16).reshape(128, 256)
    path = tmp_path / "image.png"
    Image.fromarray(values).save(path)
    shown = read_image(path, clip(128, 256), View(0, 0, 256, 128, 128, 256))
    assert (shown == (values // 256)[..., None]).all()
