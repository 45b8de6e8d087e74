import pickle

import numpy as np
from numpy.typing import NDArray

from d3d.data.clip import Clip, Dataset, View
from d3d.data.frames.memory import FrameMemory

SQUARE = View(0, 0, 96, 72, 8, 8)


class Counting:
    """A reader whose frames tell their index, and that remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, clip: Clip, indices: NDArray[np.int64], view: View) -> NDArray[np.uint8]:
        self.asked += indices.tolist()
        return np.broadcast_to(
            indices.astype(np.uint8)[:, None, None, None], (len(indices), view.rows, view.columns, 3)
        ).copy()


def test_a_frame_is_read_once(synthetic: Dataset) -> None:
    reader, clip = Counting(), synthetic.train[0]
    memory = FrameMemory(reader)
    for indices in ([3, 1, 3], [1, 2], [2, 3]):
        frames = memory(clip, np.array(indices), SQUARE)
        assert frames.shape == (len(indices), 8, 8, 3) and frames[:, 0, 0, 0].tolist() == indices
    assert reader.asked == [3, 1, 2]
    memory(clip, np.array([3]), View(0, 0, 96, 72, 9, 9))
    memory(clip, np.array([3]), View(1, 0, 96, 72, 8, 8))
    memory(synthetic.train[1], np.array([3]), SQUARE)
    assert reader.asked == [3, 1, 2, 3, 3, 3]


def test_no_more_is_kept_than_allowed(synthetic: Dataset) -> None:
    reader, clip = Counting(), synthetic.train[0]
    memory = FrameMemory(reader, capacity=2 * 8 * 8 * 3 + 5)
    for _ in range(2):
        assert memory(clip, np.arange(4), SQUARE)[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    assert reader.asked == [0, 1, 2, 3, 2, 3]


def test_what_is_returned_may_be_written_to(synthetic: Dataset) -> None:
    memory = FrameMemory(Counting())
    for _ in range(2):
        frames = memory(synthetic.train[0], np.array([4]), SQUARE)
        assert (frames == 4).all()
        frames[:] = 0


def test_a_pickled_memory_is_empty(synthetic: Dataset) -> None:
    frames = synthetic.read_frames(synthetic.train[0], np.arange(10), SQUARE)
    pickled = pickle.dumps(synthetic.read_frames)
    assert len(pickled) < 2000
    assert (pickle.loads(pickled)(synthetic.train[0], np.arange(10), SQUARE) == frames).all()  # noqa: S301
