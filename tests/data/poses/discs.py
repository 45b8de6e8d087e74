"""An estimator for videos of a bright disc: every joint is in its middle, and a dark frame has no person."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from d3d.data.poses.annotate import JOINTS
from d3d.data.poses.blazepose import Pose
from tests.data.video_files import draw_discs, found_discs, path_of_disc, write_video

HEIGHT, WIDTH = 48, 64


class Discs:
    """Follows the disc; `frames` counts what it was shown."""

    def __init__(self) -> None:
        self.frames = 0

    def follow(self, frames: Iterable[NDArray[np.uint8]]) -> Iterator[Pose | None]:
        for frame in frames:
            self.frames += 1
            if frame.max() < 100:
                yield None
            else:
                points = np.repeat(found_discs(frame[None]), JOINTS, axis=0).astype(np.float32)
                points[-1] = -9  # beyond the picture
                yield Pose(points, np.full(JOINTS, 0.9, np.float32))


def write_disc(path: Path, length: int = 12, dark: int = 0) -> NDArray[np.float64]:
    """A video whose last `dark` frames are black. Returns where the disc is, L×2 pixels."""
    places = path_of_disc(length, HEIGHT, WIDTH)
    frames = draw_discs(places, HEIGHT, WIDTH)
    frames[length - dark :] = 16
    write_video(path, frames)
    return places


def write_videos(root: Path, *names: str) -> Path:
    for name in names:
        write_disc(root / name)
    return root
