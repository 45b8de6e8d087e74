"""Penn Action (Zhang, Zhu, Derpanis, ICCV 2013): `frames/0001/000001.jpg` and `labels/0001.mat`.

What the label files hold is not what one expects, and is mended here alone: coordinates count from 1 and are unsigned
in some files (a difference would wrap around), `nframes` is mostly uint8, some files lack a row of `bbox` (not used),
`train` is 1 or −1, and an invisible joint holds any number at all.
"""

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from d3d.data.clip import JOINTS, MIRRORED, Clip, Dataset
from d3d.data.matlab import read_mat
from d3d.data.memory import FrameMemory
from d3d.data.rendering import RENDERING, render_frames
from d3d.data.transforms import resized_size
from d3d.errors import DataError

ACTIONS = (
    "baseball_pitch",
    "baseball_swing",
    "bench_press",
    "bowl",
    "clean_and_jerk",
    "golf_swing",
    "jump_rope",
    "jumping_jacks",
    "pullup",
    "pushup",
    "situp",
    "squat",
    "strum_guitar",
    "tennis_forehand",
    "tennis_serve",
)  # as the label files spell them, which is not how the dataset's page does
_JPEG_START, _JPEG_END, _TAIL = b"\xff\xd8", b"\xff\xd9", 1024  # some writers pad after the end
_FIELDS = ("action", "x", "y", "visibility", "train", "dimensions", "nframes")
_FAR = 1e5  # pixels; no coordinate of a video, and not NaN
_MORE = {
    "files": "add image files, or data.frames=rendered draws all clips from their joints",
    "rendered": "add label files of that split",
}


def open_penn_action(
    root: Path,
    *,
    name: str = "penn_action",
    classes: Sequence[str] = ACTIONS,
    frames: Literal["files", "rendered"] = "files",
    missing: Literal["error", "skip"] = "error",
) -> Dataset:
    """The dataset under `root`, its frames read from the image files or drawn from the joints.

    The digest covers ids, labels, splits, sizes and joints of the clips, the names of classes and joints, and, for
    files, the byte counts of all image files, for rendered frames the version of the drawing; not the images' bytes.

    Raises DataError: no labels, a damaged label, an image file cut short, image files absent (unless `missing` is
    "skip": then those clips are left out), a split without clips.
    """
    labelled = clips = read_clips(root, classes)
    if frames == "files":
        sizes = {clip.id: _image_sizes(root, clip) for clip in clips}
        clips = _clips_with_images(root, clips, sizes, missing)
        pixels = "".join(f"{clip.id}{sizes[clip.id]}" for clip in clips)
        read = FrameMemory(partial(read_images, root))
    else:
        pixels = f"rendered {RENDERING}"
        read = FrameMemory(render_frames)
    train = tuple(clip for clip in clips if clip.train)
    test = tuple(clip for clip in clips if not clip.train)
    for split, members in (("training", train), ("test", test)):
        if not members:
            raise DataError(
                f"data.root={root}: no {split} clip among {len(clips)} usable of {len(labelled)}; {_MORE[frames]}"
            )
    digest = _digest(clips, "|".join((*classes, *JOINTS, frames, pixels)))
    return Dataset(name, tuple(classes), JOINTS, MIRRORED, train, test, digest, read)


def read_clips(root: Path, classes: Sequence[str] = ACTIONS) -> list[Clip]:
    """All clips that have a label file, in the order of their numbers. Raises DataError."""
    files = [path for path in (root / "labels").glob("*.mat") if re.fullmatch("[0-9]{4,}", path.stem)]
    if not files:
        raise DataError(
            f"data.root={root}: no labels/0001.mat and the like; name the folder that holds labels/ and frames/"
        )
    clips = [_read_clip(path, classes) for path in sorted(files, key=lambda path: (int(path.stem), path.stem))]
    return _grouped(clips)


def _grouped(clips: Sequence[Clip]) -> list[Clip]:
    """Repetitions are cut from one video and numbered in turn: neighbours of one action and size are a group."""
    groups = groupby(clips, key=lambda clip: (clip.label, clip.height, clip.width))
    takes = [list(members) for _, members in groups]
    return [replace(clip, group=take[0].id) for take in takes for clip in take]


def _read_clip(path: Path, classes: Sequence[str]) -> Clip:
    try:
        fields = read_mat(path, _FIELDS)
        return _parse_clip(path.stem, fields, classes)
    except (KeyError, ValueError, OverflowError, OSError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else error
        raise DataError(f"clip {path.stem}: {path} is no Penn Action label ({reason}); restore or remove it") from error


def _parse_clip(id: str, fields: dict[str, Any], classes: Sequence[str]) -> Clip:
    action = str(fields["action"].item())
    if action not in classes:
        raise ValueError(f"action {action!r} is none of {', '.join(classes)}")
    x, y, visible = (np.asarray(fields[key]) for key in ("x", "y", "visibility"))
    height, width = (int(size) for size in fields["dimensions"].ravel()[:2])
    shape = (int(fields["nframes"].item()), len(JOINTS))
    if not x.shape == y.shape == visible.shape == shape or shape[0] == 0:
        raise ValueError(f"x {x.shape}, y {y.shape} and visibility {visible.shape} should all be {shape}")
    train = int(fields["train"].item())
    if train not in (1, -1):
        raise ValueError(f"train is {train}, not 1 or -1")
    seen = visible.astype(bool)
    joints = np.stack([x, y], axis=-1).astype(np.float64) - 1  # float first: unsigned numbers would wrap around
    joints[~seen] = 0
    if height < 1 or width < 1 or not (np.abs(joints) < _FAR).all():
        raise ValueError("its sizes or coordinates are no usable numbers")
    return Clip(id, list(classes).index(action), train == 1, height, width, joints.astype(np.float32), seen, group=id)


def _image_path(root: Path, clip: Clip, index: int) -> Path:
    return root / "frames" / clip.id / f"{index + 1:06d}.jpg"


def _image_sizes(root: Path, clip: Clip) -> list[int] | None:
    """Bytes of each of the clip's image files, or None if any is absent. Raises DataError for one cut short."""
    paths = (_image_path(root, clip, index) for index in range(clip.length))
    try:
        return [_jpeg_size(path, clip.id) for path in paths]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"clip {clip.id}: its image files cannot be read ({error}); restore them") from error


def _jpeg_size(path: Path, id: str) -> int:
    """Bytes of a file that starts and ends as a JPEG does: a look at every file before anything is started.

    What is damaged in between is found when it is decoded.
    """
    with path.open("rb", buffering=0) as file:
        start = file.read(2)
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL))
        if start != _JPEG_START or _JPEG_END not in file.read(_TAIL):
            raise DataError(f"clip {id}: {path} is no whole JPEG; restore it, or data.frames=rendered")
    return size


def _clips_with_images(
    root: Path, clips: list[Clip], sizes: dict[str, list[int] | None], missing: Literal["error", "skip"]
) -> list[Clip]:
    absent = [clip.id for clip in clips if sizes[clip.id] is None]
    if absent and missing == "error":
        first = ", ".join(absent[:5]) + (", …" if len(absent) > 5 else "")
        raise DataError(
            f"data.root={root}: {len(absent)} of {len(clips)} clips lack image files under frames/ ({first}); "
            "data.missing=skip leaves them out, data.frames=rendered draws all clips from their joints"
        )
    return [clip for clip in clips if sizes[clip.id] is not None]


def read_images(root: Path, clip: Clip, indices: NDArray[np.int64], short: int) -> NDArray[np.uint8]:
    """Decode and resize image files; see `ReadFrames`. Raises DataError for a file that cannot be decoded."""
    size = resized_size(clip.height, clip.width, short)
    return np.stack([_read_image(_image_path(root, clip, int(index)), clip.id, size) for index in indices])


def _read_image(path: Path, id: str, size: tuple[int, int]) -> NDArray[np.uint8]:
    try:
        with Image.open(path, formats=["JPEG"]) as image:
            box = image.draft("RGB", (size[1], size[0]))  # decodes at a fraction of the size, much faster
            resized = image.convert("RGB").resize((size[1], size[0]), Image.Resampling.BILINEAR, box=box and box[1])
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(
            f"clip {id}: {path} cannot be decoded ({error}); restore it, or data.frames=rendered"
        ) from error
    return np.asarray(resized)


def _digest(clips: Sequence[Clip], pixels: str) -> str:
    digest = hashlib.sha256(pixels.encode())
    for clip in clips:
        digest.update(f"{clip.id} {clip.label} {clip.train} {clip.height} {clip.width} {clip.length}".encode())
        digest.update(clip.joints.astype("<f4").tobytes())
        digest.update(clip.visible.tobytes())
    return digest.hexdigest()
