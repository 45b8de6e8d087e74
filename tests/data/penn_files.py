"""Writes small Penn Action roots with the peculiarities of the real label files."""

from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from PIL import Image

HEIGHT, WIDTH = 60, 81


def label(length: int = 6, **changed: Any) -> dict[str, Any]:
    """The fields of an ordinary label file: joint r of frame t is at (10 + r, 20 + t), counted from 1."""
    times, joints = np.mgrid[:length, :13].astype(np.float64)
    fields = {
        "action": "bowl",
        "pose": "left",
        "x": 10 + joints,
        "y": 20 + times,
        "visibility": np.ones((length, 13), np.uint8),
        "train": np.int32(1),
        "bbox": np.ones((length, 4)),
        "dimensions": np.array([[HEIGHT, WIDTH, length]], np.uint16),
        "nframes": np.min_scalar_type(length).type(length),
    }
    return fields | changed


def write_label(root: Path, id: str, fields: dict[str, Any], *, compressed: bool = True) -> Path:
    """Write labels/<id>.mat and return its path; a field that is None is left out."""
    path = root / "labels" / f"{id}.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    held = {name: value for name, value in fields.items() if value is not None}
    scipy.io.savemat(path, held, do_compression=compressed)
    return path


def write_images(root: Path, id: str, images: list[Image.Image]) -> None:
    """Write frames/<id>/000001.jpg and on."""
    folder = root / "frames" / id
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images, start=1):
        image.save(folder / f"{number:06d}.jpg", quality=95, subsampling=0)


def write_root(root: Path, *, without_images: tuple[str, ...] = ()) -> Path:
    """Two training clips and two test clips of grey images."""
    for id, train in (("0001", 1), ("0002", -1), ("0003", 1), ("0004", -1)):
        write_label(root, id, label(train=np.int32(train)))
        if id not in without_images:
            write_images(root, id, [Image.new("RGB", (WIDTH, HEIGHT), (90, 90, 90))] * 6)
    return root
