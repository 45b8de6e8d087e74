"""A cache of frames in memory: a training reads the same frames in every epoch."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from d3d.data.clip import Clip, ReadFrames, View

CAPACITY = 3 << 29  # bytes of cached frames, 1.5 GiB


class FrameMemory:
    """A `ReadFrames` that reads each frame at most once, until `capacity` bytes are cached.

    Nothing is evicted: an epoch visits all clips, so evicting the oldest frame would drop each one shortly before it is
    needed again. The cache is not pickled: in another process it starts empty.
    """

    def __init__(self, read: ReadFrames, capacity: int = CAPACITY) -> None:
        self.read = read
        self.capacity = capacity
        self._free = capacity
        self._frames: dict[tuple[str, int, View], NDArray[np.uint8]] = {}

    def __call__(self, clip: Clip, indices: NDArray[np.int64], view: View) -> NDArray[np.uint8]:
        """n×h×w×3 frames of the clip; see `ReadFrames`."""
        keys = [(clip.id, index, view) for index in indices.tolist()]
        frames = {key: self._frames[key] for key in keys if key in self._frames}
        absent = [key for key in dict.fromkeys(keys) if key not in frames]
        if absent:
            for key, frame in zip(absent, self.read(clip, np.array([key[1] for key in absent]), view), strict=True):
                frames[key] = frame
                self._store(key, frame)
        return np.stack([frames[key] for key in keys])

    def _store(self, key: tuple[str, int, View], frame: NDArray[np.uint8]) -> None:
        if frame.nbytes <= self._free:
            self._free -= frame.nbytes
            self._frames[key] = frame.copy()  # a NumPy view would keep the whole array in memory that it was read with

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return FrameMemory, (self.read, self.capacity)
