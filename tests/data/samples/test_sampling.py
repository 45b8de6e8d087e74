from dataclasses import replace

import numpy as np
import pytest

from d3d.data.clip import Dataset
from d3d.data.samples.sampling import check_frames, random_indices, regular_indices
from d3d.errors import DataError

SIZES = [(length, frames) for length in (1, 2, 7, 16, 29, 100) for frames in (1, 2, 5, 12, 16) if frames <= length]


@pytest.mark.parametrize(("length", "frames"), SIZES)
def test_one_frame_comes_from_each_segment(length: int, frames: int) -> None:
    starts = [segment * length // frames for segment in range(frames + 1)]
    seen: list[set[int]] = [set() for _ in range(frames)]
    generator = np.random.default_rng(0)
    for _ in range(60 * -(-length // frames)):
        indices = random_indices(length, frames, generator)
        assert indices.shape == (frames,) and (np.diff(indices) > 0).all()
        for segment, index in enumerate(indices.tolist()):
            seen[segment].add(index)
    assert seen == [set(range(starts[segment], starts[segment + 1])) for segment in range(frames)]


@pytest.mark.parametrize(("length", "frames"), SIZES)
def test_even_indices_are_equally_far_apart_and_reach_every_frame(length: int, frames: int) -> None:
    generator = np.random.default_rng(0)
    seen: set[int] = set()
    for _ in range(60 * -(-length // frames)):
        indices = random_indices(length, frames, generator, even=True)
        steps = np.diff(indices)
        assert set(steps.tolist()) <= {length // frames, -(-length // frames)} - {0}
        seen |= set(indices.tolist())
    assert seen == set(range(length))


@pytest.mark.parametrize(("length", "frames"), SIZES)
def test_the_indices_of_one_view_are_the_middles_of_the_segments(length: int, frames: int) -> None:
    indices = regular_indices(length, frames)
    middles = (np.arange(frames) + 0.5) * length / frames - 0.5
    assert np.abs(indices - middles).max() <= 1


@pytest.mark.parametrize(("length", "frames"), SIZES)
@pytest.mark.parametrize("views", [2, 3, 5])
def test_the_views_of_a_clip_lie_in_order_in_each_segment(length: int, frames: int, views: int) -> None:
    seen = np.stack([regular_indices(length, frames, view, views) for view in range(views)])
    edges = np.arange(frames + 1) * length // frames
    assert (seen >= edges[:-1]).all() and (seen < edges[1:]).all()
    assert (np.diff(seen, axis=0) >= 0).all()


@pytest.mark.parametrize(("length", "frames"), SIZES)
def test_many_views_see_every_frame(length: int, frames: int) -> None:
    seen = {int(index) for view in range(length) for index in regular_indices(length, frames, view, length)}
    assert seen == set(range(length))


def test_more_frames_than_a_clip_has_are_refused(synthetic: Dataset) -> None:
    shortest = min((*synthetic.train, *synthetic.test), key=lambda clip: clip.length)
    check_frames(synthetic, shortest.length)
    with pytest.raises(DataError, match=rf"training.frames={shortest.length + 1}: .*has {shortest.length} frames"):
        check_frames(synthetic, shortest.length + 1)
    with pytest.raises(DataError, match=f"clip {synthetic.test[0].id}"):
        check_frames(replace(synthetic, train=(), test=synthetic.test[:1]), 1000)
