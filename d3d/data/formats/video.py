"""Frames out of a video file: only those asked for, and what has to be decoded on the way to them.

PyAV, which brings its own FFmpeg (docs/data.md has the measurement it was chosen by). A frame is found by its time
stamp among those of all packets, never by a frame rate, so that frame i is the i-th that a player would show.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image

from d3d.data.clip import Clip, View
from d3d.errors import DataError

_UNREADABLE = (IndexError, AttributeError, ValueError)  # no stream of video, no decoder, names that are no text
# A playlist may be named .mp4 too, and would have FFmpeg read other files or the network.
_ADMITTED = {"protocol_whitelist": "file", "format_whitelist": "mov,mp4,avi,matroska,webm"}


class Header(NamedTuple):
    """What a video says of itself."""

    frames: int
    height: int  # pixels
    width: int


def read_header(path: Path, id: str) -> Header:
    """How many frames of which size; counted where the file does not say how many. Raises DataError, OSError."""
    with path.open("rb"):  # raises what is wrong with the file itself
        pass
    try:
        with av.open(str(path), options=_ADMITTED) as container:
            stream = _stream(container)
            frames = stream.frames or sum(1 for _ in _packets(container, stream))
            return Header(frames, stream.codec_context.height, stream.codec_context.width)
    except (av.FFmpegError, *_UNREADABLE) as error:
        raise _undecodable(path, id, error) from error


def read_video(path: Path, clip: Clip, indices: NDArray[np.int64], view: View) -> NDArray[np.uint8]:
    """n×rows×columns×3 of the frames of the given indices. Raises DataError for a video that has not got them."""
    wanted = sorted(set(indices.tolist()))
    try:
        with av.open(str(path), options=_ADMITTED) as container:
            frames = {index: _resized(frame, clip, view) for index, frame in _decode(container, wanted)}
    except (av.FFmpegError, OSError, *_UNREADABLE) as error:
        raise _undecodable(path, clip.id, error) from error
    for index in wanted:
        if index not in frames:
            raise DataError(
                f"clip {clip.id}: {path} has no frame {index + 1}, its joints do; restore it, or data.frames=rendered"
            )
    return np.stack([frames[index] for index in indices.tolist()])


def _resized(frame: VideoFrame, clip: Clip, view: View) -> NDArray[np.uint8]:
    """The view of a frame, whose size may be another than the clip's."""
    if (view.left, view.top, view.right, view.bottom) == (0, 0, clip.width, clip.height):
        return _pixels(frame.reformat(view.columns, view.rows, "rgb24", interpolation="BILINEAR"))
    picture = Image.fromarray(_pixels(frame.reformat(format="rgb24")))
    size, box = (view.columns, view.rows), view.within(clip, *picture.size)
    return np.asarray(picture.resize(size, Image.Resampling.BILINEAR, box=box))


def _pixels(frame: VideoFrame) -> NDArray[np.uint8]:
    return np.asarray(frame.to_ndarray(), np.uint8)


def _decode(container: InputContainer, wanted: Sequence[int]) -> Iterator[tuple[int, VideoFrame]]:
    """(index, frame) of each wanted index that the video has; `wanted` increases."""
    stream = _stream(container)
    packets = list(_packets(container, stream))
    stamps = sorted(stamp for stamp, _ in packets if stamp is not None)
    container.seek(0)
    if container.format.name == "avi" or len(stamps) < len(packets) or len(set(stamps)) < len(stamps):
        # An AVI file has no time stamps, and those that FFmpeg makes up are in the wrong order: count from the start.
        remaining = set(wanted)
        for index, frame in enumerate(container.decode(stream)):
            if index in remaining:
                yield index, frame
            if index >= wanted[-1]:
                return
        return
    keys = sorted(stamp for stamp, key in packets if key and stamp is not None)
    at = None  # the time stamp of the last frame decoded
    decoded: Iterator[VideoFrame] = iter(())
    for index in wanted:
        if index >= len(stamps):
            return
        stamp = stamps[index]
        key = keys[max(0, bisect_right(keys, stamp) - 1)]
        if at is None or key > at:  # else decoding on is the shorter way
            container.seek(key, stream=stream)
            decoded = container.decode(stream)
        for frame in decoded:
            at = frame.pts
            if at is not None and at >= stamp:
                if at == stamp:
                    yield index, frame
                break


def _stream(container: InputContainer) -> VideoStream:
    stream = container.streams.video[0]
    stream.codec_context.thread_count = 1  # the trainings share the cores
    return stream


def _packets(container: InputContainer, stream: VideoStream) -> Iterator[tuple[int | None, bool]]:
    """(time stamp, starts anew) of each packet that becomes a frame; a packet is a frame of a video."""
    for packet in container.demux(stream):
        if packet.size and not packet.is_discard:
            yield packet.pts, packet.is_keyframe


def _undecodable(path: Path, id: str, error: Exception) -> DataError:
    said = error.strerror if isinstance(error, av.FFmpegError) else str(error)
    reason = (said or type(error).__name__).partition("\n")[0]
    return DataError(
        f"clip {id}: {path} is no video that can be decoded ({reason}); restore it, or data.frames=rendered"
    )
