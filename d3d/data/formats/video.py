"""Reads frames from a video file; it decodes no more than is needed to reach them.

It uses PyAV, which brings its own FFmpeg (docs/data.md has the measurement that decided for it). A frame is found by
its time stamp among those of all packets, never by a frame rate, so that frame i is the i-th that a player would show.
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
from d3d.regular_file import open_regular, require_regular

_UNREADABLE = (IndexError, AttributeError, ValueError)  # no video stream, no decoder, names that are not text
# A playlist that is named .mp4 could make FFmpeg read other files or the network.
_ADMITTED = {"protocol_whitelist": "file", "format_whitelist": "mov,mp4,avi,matroska,webm"}


class Header(NamedTuple):
    """The number of frames of a video, and their size."""

    frames: int
    height: int  # pixels
    width: int


def read_header(path: Path, id: str) -> Header:
    """The header of the video of clip `id`; frames are counted where the file does not say how many it has.

    Raises DataError where it cannot be decoded, OSError where it cannot be opened.
    """
    with open_regular(path):  # raises OSError where the file itself cannot be read
        pass
    try:
        with av.open(str(path), options=_ADMITTED) as container:
            stream = _stream(container)
            frames = stream.frames or sum(1 for _ in _packets(container, stream))
            return Header(frames, stream.codec_context.height, stream.codec_context.width)
    except (av.FFmpegError, *_UNREADABLE) as error:
        raise _undecodable(path, id, error) from error


def read_video(path: Path, clip: Clip, indices: NDArray[np.int64], view: View) -> NDArray[np.uint8]:
    """The frames of these n indices in the video `path` of the clip, n×rows×columns×3 RGB; see `ReadFrames`.

    Raises DataError where one of them is missing or cannot be decoded.
    """
    wanted = sorted(set(indices.tolist()))
    try:
        require_regular(path)
        with av.open(str(path), options=_ADMITTED) as container:
            frames = {index: _resized(frame, clip, view) for index, frame in _decode(container, wanted)}
    except (av.FFmpegError, OSError, *_UNREADABLE) as error:
        raise _undecodable(path, clip.id, error) from error
    for index in wanted:
        if index not in frames:
            raise DataError(
                f"clip {clip.id}: {path} has no frame {index + 1}, but its joints do; restore it, or "
                "data.frames=rendered"
            )
    return np.stack([frames[index] for index in indices.tolist()])


def _resized(frame: VideoFrame, clip: Clip, view: View) -> NDArray[np.uint8]:
    """The view of a frame, whose size may differ from the clip's."""
    if (view.left, view.top, view.right, view.bottom) == (0, 0, clip.width, clip.height):
        return _pixels(frame.reformat(view.columns, view.rows, "rgb24", interpolation="BILINEAR"))
    picture = Image.fromarray(_pixels(frame.reformat(format="rgb24")))
    size, box = (view.columns, view.rows), view.within(clip, *picture.size)
    return np.asarray(picture.resize(size, Image.Resampling.BILINEAR, box=box))


def _pixels(frame: VideoFrame) -> NDArray[np.uint8]:
    return np.asarray(frame.to_ndarray(), np.uint8)


def _decode(container: InputContainer, wanted: Sequence[int]) -> Iterator[tuple[int, VideoFrame]]:
    """(index, frame) of each wanted index that the video has; `wanted` is sorted."""
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
        if at is None or key > at:  # else it is faster to decode on from here
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
    """(time stamp, is a key frame) of each packet that becomes a frame; a packet of video holds one frame."""
    for packet in container.demux(stream):
        if packet.size and not packet.is_discard:
            yield packet.pts, packet.is_keyframe


def _undecodable(path: Path, id: str, error: Exception) -> DataError:
    said = error.strerror if isinstance(error, av.FFmpegError) else str(error)
    reason = (said or type(error).__name__).partition("\n")[0]
    return DataError(f"clip {id}: {path} cannot be decoded as a video ({reason}); restore it, or data.frames=rendered")
