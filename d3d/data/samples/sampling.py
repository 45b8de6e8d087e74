"""Uniform segment sampling: a clip is cut into T equal segments, and one frame is taken from each."""

import numpy as np
from numpy.typing import NDArray

from d3d.data.clip import Dataset
from d3d.errors import DataError


def sample_indices(
    length: int, frames: int, generator: np.random.Generator | None, *, even: bool = False
) -> NDArray[np.int64]:
    """T = `frames` increasing frame indices from 0, one from each of T equal segments of a clip of `length` frames.

    With a generator (training) an index is random within its segment, without one (test) in the middle of it. Where
    length ≥ T no frame is taken twice; `check_frames` refuses shorter clips before anything is sampled.

    Args:
        length: frames of the clip.
        frames: T.
        generator: of the random choices; None: there are none.
        even: all indices are at the same random place of their segments, so that neighbours are length / T apart.
    """
    if generator is not None and even:
        return ((np.arange(frames) + generator.random()) * (length / frames)).astype(np.int64)
    edges = np.arange(frames + 1) * length // frames
    first, last = edges[:-1], edges[1:] - 1
    if generator is None:
        middle = (2 * np.arange(frames) + 1) * length // (2 * frames)
        return np.minimum(middle, last)
    return generator.integers(first, last, endpoint=True)


def check_frames(dataset: Dataset, frames: int, key: str = "training.frames") -> None:
    """Raises DataError if a clip has fewer than `frames` frames; the message names the `key` that asks for them."""
    shortest = min((*dataset.train, *dataset.test), key=lambda clip: clip.length)
    if frames > shortest.length:
        raise DataError(
            f"{key}={frames}: clip {shortest.id} of {dataset.name} has {shortest.length} frames; "
            f"ask for at most {shortest.length}"
        )
