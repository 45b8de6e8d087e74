from dataclasses import replace

import numpy as np
import pytest

from d3d.data.clip import Dataset
from d3d.data.samples.sampling import check_frames, random_indices, regular_indices, repeated_frames
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


@pytest.mark.parametrize(("length", "frames"), [(1, 2), (3, 4), (5, 12), (7, 16), (15, 16)])
def test_a_clip_that_is_too_short_repeats_frames_in_order_and_shows_all(length: int, frames: int) -> None:
    generator = np.random.default_rng(0)
    drawn = [random_indices(length, frames, generator, even=even) for even in (False, True) for _ in range(20)]
    for indices in (*drawn, *(regular_indices(length, frames, view, 3) for view in range(3))):
        assert indices.shape == (frames,) and (np.diff(indices) >= 0).all()
        assert set(indices.tolist()) == set(range(length))


def test_more_frames_than_any_clip_has_are_refused(synthetic: Dataset) -> None:
    longest = max((*synthetic.train, *synthetic.test), key=lambda clip: clip.length)
    check_frames(synthetic, longest.length)
    with pytest.raises(DataError, match=rf"training.frames={longest.length + 1}: .*has {longest.length} frames"):
        check_frames(synthetic, longest.length + 1)
    with pytest.raises(DataError, match=f"evaluation.frames=1000: {synthetic.test[0].id}, the longest clip"):
        check_frames(replace(synthetic, train=(), test=synthetic.test[:1]), 1000, "evaluation.frames")


def test_clips_that_repeat_frames_are_counted_and_the_shortest_is_named(synthetic: Dataset) -> None:
    clips = sorted((*synthetic.train, *synthetic.test), key=lambda clip: (clip.length, clip.id))
    assert repeated_frames(synthetic, clips[0].length) == ()
    frames = clips[0].length + 1
    short = sum(clip.length < frames for clip in clips)
    assert repeated_frames(synthetic, frames) == (
        f"{short} of {len(clips)} clips have fewer than {frames} frames (clip {clips[0].id} has {clips[0].length}); "
        "frames of theirs are taken more than once",
    )
