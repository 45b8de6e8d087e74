"""Uniform segment sampling: a clip is cut into T equal segments, and one frame is taken from each."""

import numpy as np
from numpy.typing import NDArray

from d3d.data.clip import Dataset
from d3d.errors import DataError


def sample_indices(length: int, frames: int, generator: np.random.Generator | None) -> NDArray[np.int64]:
    """T increasing frame indices from 0, one of each of `frames` equal segments of a clip of `length` frames.

    Random within its segment with a generator (training), in the middle of it without (test). For length ≥ frames no
    frame is taken twice; a dataset with shorter clips is refused by `check_frames` before anything is sampled.
    """
    edges = np.arange(frames + 1) * length // frames
    first, last = edges[:-1], edges[1:] - 1
    if generator is None:
        middle = (2 * np.arange(frames) + 1) * length // (2 * frames)
        return np.minimum(middle, last)
    return generator.integers(first, last, endpoint=True)


def check_frames(dataset: Dataset, frames: int, key: str = "training.frames") -> None:
    """Raise a DataError, which names the key that asks for them, if any clip has fewer than `frames` frames."""
    shortest = min((*dataset.train, *dataset.test), key=lambda clip: clip.length)
    if frames > shortest.length:
        raise DataError(
            f"{key}={frames}: clip {shortest.id} of {dataset.name} has {shortest.length} frames; "
            f"ask for at most {shortest.length}"
        )
