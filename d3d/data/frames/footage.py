"""The frames of a clip as users keep them: a video `<id>.mp4` and the like, or a folder `<id>/` of images."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from d3d.data.clip import Clip, View
from d3d.data.formats.fingerprint import fingerprint, sample_file
from d3d.data.formats.images import images_in, read_image
from d3d.data.formats.video import Header, read_header, read_video
from d3d.data.source import Read
from d3d.errors import DataError

ENDINGS = (".mp4", ".avi", ".mkv", ".webm", ".mov", "_rgb.avi")  # looked for in this order; the last is NTU RGB+D's
_OFF = 0.02  # share by which a resized video's aspect ratio may be off, for rounding to even pixels


def footage_of(root: Path, id: str) -> Path | None:
    """The video or the folder of a clip; None where there is neither."""
    videos = (root / f"{id}{ending}" for ending in ENDINGS)
    folder = root / id
    return next((path for path in videos if path.is_file()), folder if folder.is_dir() else None)


def look_at(path: Path | None, clip: Clip) -> Read:
    """The clip with its frames. Raises DataError where they cannot be opened or are fewer than the clip's."""
    if path is None:
        return Read(clip, absent=clip.id)
    try:
        if path.is_dir():
            files = images_in(path)
            available = len(files)
        else:
            files, header = [path], read_header(path, clip.id)
            available = header.frames
            _check_shape(path, clip, header)
        pixels = fingerprint(map(sample_file, files))
    except FileNotFoundError:
        return Read(clip, absent=str(path))
    except OSError as error:
        raise DataError(f"clip {clip.id}: {path} cannot be read ({error}); restore it") from error
    if available < clip.length:
        raise DataError(
            f"clip {clip.id}: {path} has {available} frames, its joints {clip.length}; restore it, or "
            "data.frames=rendered"
        )
    return Read(clip, pixels=pixels)


def _check_shape(path: Path, clip: Clip, header: Header) -> None:
    """Joints lie where they should on a smaller copy of a video, not on a turned or cut one."""
    across, along = header.width * clip.height, header.height * clip.width
    if abs(across - along) > _OFF * along:
        raise DataError(
            f"clip {clip.id}: {path} is {header.width}×{header.height}, its joints are counted in {clip.width}×"
            f"{clip.height}; restore it, or data.frames=rendered"
        )


def read_footage(path: Path | None, clip: Clip, indices: NDArray[np.int64], view: View) -> NDArray[np.uint8]:
    """The view; see `ReadFrames`. Raises DataError for frames that cannot be decoded."""
    if path is None:
        raise DataError(f"clip {clip.id}: its video or folder is not there any more; restore it")
    if not path.is_dir():
        return read_video(path, clip, indices, view)
    images = images_in(path)
    if len(images) <= indices.max():
        raise DataError(f"clip {clip.id}: {path} has {len(images)} images any more; restore them")
    return np.stack([read_image(images[index], clip, view) for index in indices.tolist()])
