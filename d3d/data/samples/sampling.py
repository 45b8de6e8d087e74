"""Uniform segment sampling: a clip is cut into T equal segments, and one frame is taken from each."""

import numpy as np
from numpy.typing import NDArray

from d3d.data.clip import Dataset
from d3d.errors import DataError


def random_indices(
    length: int, frames: int, generator: np.random.Generator, *, even: bool = False
) -> NDArray[np.int64]:
    """T = `frames` frame indices in order, from 0, a random one from each of T segments of a clip of `length` frames.

    Where length ≥ T no frame is taken twice. A shorter clip has segments of less than a frame, and those that share a
    frame take the same one.

    Args:
        length: frames of the clip.
        frames: T.
        generator: of the random choices.
        even: all indices are at the same random place of their segments, so that neighbours are length / T apart.
    """
    if even:
        return ((np.arange(frames) + generator.random()) * (length / frames)).astype(np.int64)
    first, last = _segments(length, frames)
    return generator.integers(first, last, endpoint=True)


def regular_indices(length: int, frames: int, view: int = 0, views: int = 1) -> NDArray[np.int64]:
    """T = `frames` frame indices in order, from 0, all at the same place of T segments of a clip of `length` frames.

    The places of the V = `views` views of a clip are the middles of V equal parts of a segment, so that one view alone
    has the frames in the middle of the segments. Where length ≥ T no frame is taken twice in a view; a shorter clip
    repeats frames, as in `random_indices`.

    Args:
        length: frames of the clip.
        frames: T.
        view: from 0 to V − 1.
        views: V.
    """
    place = 2 * views * np.arange(frames) + 2 * view + 1
    return np.minimum(place * length // (2 * views * frames), _segments(length, frames)[1])


def _segments(length: int, frames: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first and the last frame of each segment."""
    edges = np.arange(frames + 1) * length // frames
    return edges[:-1], np.maximum(edges[1:] - 1, edges[:-1])


def check_frames(dataset: Dataset, frames: int, key: str = "training.frames") -> None:
    """Raises DataError if no clip has as many as `frames` frames; the message names the `key` that asks for them."""
    longest = max((*dataset.train, *dataset.test), key=lambda clip: clip.length)
    if frames > longest.length:
        raise DataError(
            f"{key}={frames}: {longest.id}, the longest clip of {dataset.name}, has {longest.length} frames; "
            f"ask for at most {longest.length}"
        )


def repeated_frames(dataset: Dataset, frames: int) -> tuple[str, ...]:
    """A remark for the user where clips have fewer than `frames` frames, so that some are taken more than once."""
    clips = (*dataset.train, *dataset.test)
    short = sorted((clip.length, clip.id) for clip in clips if clip.length < frames)
    if not short:
        return ()
    length, id = short[0]
    count = f"{len(short)} of {len(clips)} clips have fewer than {frames} frames"
    return (f"{count} (clip {id} has {length}); frames of theirs are taken more than once",)
