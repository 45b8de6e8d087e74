"""The frames of a clip on disk: a video such as `<id>.mp4`, or a folder `<id>/` of images."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from d3d.data.clip import Clip, View
from d3d.data.formats.fingerprint import fingerprint, sample_file
from d3d.data.formats.images import read_image, size_of_file, turn_of_file
from d3d.data.formats.shape import check_shape
from d3d.data.formats.turn import turn_notes
from d3d.data.formats.video import read_header, read_video
from d3d.data.frames import series
from d3d.data.source import Read
from d3d.errors import DataError

ENDINGS = (".mp4", ".avi", ".mkv", ".webm", ".mov", "_rgb.avi")  # looked for in this order; the last is NTU RGB+D's


def footage_of(root: Path, id: str, endings: Sequence[str] = ENDINGS) -> Path | None:
    """The video or the folder of images named as the clip `id` under `root`; None where there is neither."""
    videos = (root / f"{id}{ending}" for ending in endings)
    folder = root / id
    return next((path for path in videos if path.exists() and not path.is_dir()), folder if folder.is_dir() else None)


def look_at(path: Path | None, clip: Clip) -> Read:
    """The clip, the fingerprint of its frames, and what is odd about them.

    Raises DataError where they cannot be opened, are too few, or have another shape than the clip.
    """
    if path is None:
        return Read(clip, absent=clip.id)
    try:
        if path.is_dir():
            files = footage_files(path, clip.id)
            available = len(files)
            turn = turn_of_file(files[0], clip) if files else None
        else:
            files, header = [path], read_header(path, clip.id)
            available, turn = header.frames, header.turn
            check_shape(path, clip, header.width, header.height)
        pixels = fingerprint(map(sample_file, files))
    except FileNotFoundError:
        return Read(clip, absent=str(path))
    except OSError as error:
        raise DataError(f"clip {clip.id}: {path} cannot be read ({error}); restore it") from error
    if not files:
        raise DataError(
            f"clip {clip.id}: {path} has no image directly in it that ends in {', '.join(series.ENDINGS)}; "
            "put them there, convert them, or data.frames=rendered"
        )
    if available < clip.length:
        raise DataError(
            f"clip {clip.id}: {path} has {available} frames, its joints have {clip.length}; restore it, or "
            "data.frames=rendered"
        )
    return Read(clip, pixels=pixels, available=available, notes=turn_notes(turn))


def read_footage(path: Path | None, clip: Clip, indices: NDArray[np.int64], view: View) -> NDArray[np.uint8]:
    """The frames of these indices; see `ReadFrames`. `path` is the clip's video or folder, None where it is missing.

    Raises DataError where they cannot be decoded.
    """
    if path is None:
        raise DataError(f"clip {clip.id}: its video or folder no longer exists; restore it")
    if not path.is_dir():
        return read_video(path, clip, indices, view)
    images = footage_files(path, clip.id)
    if len(images) <= indices.max():
        raise DataError(f"clip {clip.id}: {path} has only {len(images)} images left; restore the others")
    return np.stack([read_image(images[index], clip, view) for index in indices.tolist()])


def footage_files(path: Path, id: str) -> list[Path]:
    """The files of a clip's frames in turn: the video itself, or the images of a folder. Raises DataError, OSError."""
    if not path.is_dir():
        return [path]
    try:
        return series.frames_in(path)
    except ValueError as error:
        raise DataError(f"clip {id}: {path}: {error}, or data.frames=rendered") from error


def measure(path: Path, id: str) -> tuple[int, int, int]:
    """(frames, height, width) of the video or the folder of images of clip `id`. Raises DataError, OSError."""
    if not path.is_dir():
        header = read_header(path, id)
        return header.frames, header.height, header.width
    files = footage_files(path, id)
    if not files:
        raise DataError(f"clip {id}: {path} has no image; restore them")
    width, height = size_of_file(files[0], id)
    return len(files), height, width
