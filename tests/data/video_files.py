"""Writes small videos in which a white disc moves over black, so that every frame tells which one it is."""

from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

RATE = 30  # frames a second


def path_of_disc(length: int, height: int, width: int) -> NDArray[np.float64]:
    """L×2 pixels: from left to right, up and down; more than two pixels apart from frame to frame."""
    moments = np.arange(length)
    x = width * (0.12 + 0.76 * moments / length)
    y = height * (0.5 + 0.3 * np.sin(moments / 3))
    return np.stack([x, y], axis=1)


def draw_discs(centres: NDArray[np.float64], height: int, width: int) -> NDArray[np.uint8]:
    """L×H×W×3 frames."""
    rows, columns = np.mgrid[:height, :width]
    distances = np.hypot(columns - centres[:, 0, None, None], rows - centres[:, 1, None, None])
    discs = np.where(distances < height / 10, 235, 16).astype(np.uint8)
    return np.repeat(discs[..., None], 3, axis=3)


def found_discs(frames: NDArray[np.uint8]) -> NDArray[np.float64]:
    """n×2: the centres of the discs in n×h×w×3 frames."""
    weights = np.where(frames[..., 0] > 60, frames[..., 0], 0).astype(float)
    rows, columns = np.mgrid[: frames.shape[1], : frames.shape[2]]
    total = weights.sum(axis=(1, 2))
    sums = np.stack([(weights * columns).sum(axis=(1, 2)), (weights * rows).sum(axis=(1, 2))], axis=1)
    centres: NDArray[np.float64] = sums / total[:, None]
    return centres


def write_video(path: Path, frames: NDArray[np.uint8], codec: str = "libx264", group: int = 30) -> Path:
    """Write L×H×W×3 frames, a key frame every `group`; H.264 reorders frames, as any player's file does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        stream.codec_context.gop_size = group
        stream.options = {"crf": "10"} if codec == "libx264" else {"qscale": "2"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path
