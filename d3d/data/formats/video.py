"""Reads frames from a video file; it decodes no more than is needed to reach them.

It uses PyAV, which brings its own FFmpeg (docs/data.md has the measurement that decided for it). A frame is found by
its time stamp among those of all packets, never by a frame rate, so that frame i is the i-th that a player would show.
"""

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image

from d3d.data.clip import Clip, View
from d3d.data.formats.shape import MOST_PIXELS, check_shape
from d3d.data.formats.turn import Turn, shown_size, turn_of_frame, turned
from d3d.errors import DataError
from d3d.regular_file import open_regular, require_regular

_UNREADABLE = (IndexError, AttributeError, ValueError)  # no video stream, no decoder, names that are not text
# A playlist that is named .mp4 could make FFmpeg read other files or the network, and a small file have huge frames.
_OPTIONS = {"max_pixels": str(MOST_PIXELS)}
_ADMITTED = {"protocol_whitelist": "file", "format_whitelist": "mov,mp4,avi,matroska,webm", **_OPTIONS}

# Of the scaler. What it leaves behind with threads of its own cannot be freed in a process that was forked since, which
# would wait for threads that it does not have. The pixels are the same.
ALONE = 1


class Header(NamedTuple):
    """The number of frames that a video shows, and their size as they are shown."""

    frames: int
    height: int  # pixels
    width: int
    turn: Turn = None  # from how they are stored to how they are shown


def read_header(path: Path, id: str) -> Header:
    """What the video of clip `id` shows: its frames are counted from the packets, its first frame is decoded.

    Raises DataError where it cannot be decoded, OSError where it cannot be opened.
    """
    with open_regular(path) as file:  # raises OSError where the file itself cannot be read
        size = os.fstat(file.fileno()).st_size
    try:
        with av.open(str(path), options=_ADMITTED) as container:
            stream = _stream(container)
            frames = _count(container, stream, size)
            container.seek(0)
            first = next(container.decode(stream), None)
            if first is None:
                raise ValueError("no frame of it can be decoded")
            turn = turn_of_frame(first)
            width, height = shown_size(turn, first.width, first.height)
            return Header(frames, height, width, turn)
    except (av.FFmpegError, *_UNREADABLE) as error:
        raise _undecodable(path, id, error) from error


def _count(container: InputContainer, stream: VideoStream, size: int) -> int:
    """The frames that are shown of a file of `size` bytes: from its index where it has a whole one, which is fast.

    The header's own number also counts frames that an edit list hides, or that a broken download lacks.
    """
    index = list(stream.index_entries) if stream.frames else []
    if len(index) < max(1, stream.frames):
        return sum(packet.shown for packet in _packets(container, stream))
    first = next((place for place, entry in enumerate(index) if entry.is_keyframe), 0)
    return sum(not entry.is_discard and 0 < entry.size <= size - entry.pos for entry in index[first:])


def read_video(path: Path, clip: Clip, indices: NDArray[np.int64], view: View) -> NDArray[np.uint8]:
    """The frames of these n indices in the video `path` of the clip, n×rows×columns×3 RGB; see `ReadFrames`.

    Raises DataError where one of them is missing, cannot be decoded, or has another shape than the clip.
    """
    wanted = sorted(set(indices.tolist()))
    try:
        require_regular(path)
        with av.open(str(path), options=_ADMITTED) as container:
            frames = {index: _resized(path, frame, clip, view) for index, frame in _decode(container, wanted)}
    except (av.FFmpegError, OSError, *_UNREADABLE) as error:
        raise _undecodable(path, clip.id, error) from error
    for index in wanted:
        if index not in frames:
            raise DataError(
                f"clip {clip.id}: {path} has no frame {index + 1}, but its joints do; restore it, or "
                "data.frames=rendered"
            )
    return np.stack([frames[index] for index in indices.tolist()])


def _resized(path: Path, frame: VideoFrame, clip: Clip, view: View) -> NDArray[np.uint8]:
    """The view of a frame, whose size may differ from the clip's.

    Raises ValueError for a frame that the decoder had to guess in part, because bytes of the file are damaged.
    """
    if frame.is_corrupt:
        raise ValueError(f"the frame {float(frame.time or 0):.2f} s after its start is damaged")
    turn = turn_of_frame(frame)
    check_shape(path, clip, *shown_size(turn, frame.width, frame.height))
    if (view.left, view.top, view.right, view.bottom) == (0, 0, clip.width, clip.height):
        width, height = shown_size(turn, view.columns, view.rows)
        pixels = _pixels(frame.reformat(width, height, "rgb24", interpolation="BILINEAR", threads=ALONE))
        return pixels if turn is None else np.asarray(turned(Image.fromarray(pixels), turn))
    picture = turned(Image.fromarray(_pixels(frame.reformat(format="rgb24", threads=ALONE))), turn)
    size, box = (view.columns, view.rows), view.within(clip, *picture.size)
    return np.asarray(picture.resize(size, Image.Resampling.BILINEAR, box=box))


def _pixels(frame: VideoFrame) -> NDArray[np.uint8]:
    return np.asarray(frame.to_ndarray(), np.uint8)


def _decode(container: InputContainer, wanted: Sequence[int]) -> Iterator[tuple[int, VideoFrame]]:
    """(index, frame) of each wanted index that the video has; `wanted` is sorted."""
    stream = _stream(container)
    packets = list(_packets(container, stream))
    shown = [packet for packet in packets if packet.shown]
    stamps = sorted(packet.stamp for packet in shown if packet.stamp is not None)
    keys = sorted(packet.stamp for packet in packets if packet.key and packet.stamp is not None)  # hidden ones too
    container.seek(0)
    if container.format.name == "avi" or not keys or len(stamps) < len(shown) or len(set(stamps)) < len(stamps):
        # An AVI file has no time stamps, and those that FFmpeg makes up are in the wrong order: count from the start.
        remaining = set(wanted)
        for index, frame in enumerate(container.decode(stream)):
            if index in remaining:
                yield index, frame
            if index >= wanted[-1]:
                return
        return
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
    """The first stream of pictures that is not the cover of the file."""
    streams = [each for each in container.streams.video if not each.disposition & Disposition.attached_pic]
    if not streams:
        raise ValueError("it has no video")
    stream = streams[0]
    stream.codec_context.thread_count = 1  # the trainings share the cores
    stream.codec_context.options = _OPTIONS
    return stream


class _Packet(NamedTuple):
    stamp: int | None  # when its frame is shown
    key: bool  # whether it can be decoded without others
    shown: bool  # whether it becomes a frame


def _packets(container: InputContainer, stream: VideoStream) -> Iterator[_Packet]:
    """The packets in the order in which they are decoded; a packet of video holds one frame.

    An edit list hides the frames before a cut, and nothing before the first key frame can be decoded.
    """
    packets = [packet for packet in container.demux(stream) if packet.size]
    first = next((place for place, packet in enumerate(packets) if packet.is_keyframe), 0)
    for place, packet in enumerate(packets):
        yield _Packet(packet.pts, packet.is_keyframe, place >= first and not packet.is_discard)


def _undecodable(path: Path, id: str, error: Exception) -> DataError:
    if isinstance(error, av.FFmpegError):
        reason = error.strerror or type(error).__name__
    else:
        plain = isinstance(error, ValueError | OSError)  # not an IndexError or an AttributeError of PyAV
        reason = str(error) if plain else "its layout is damaged, or there is no decoder for it"
    if isinstance(error, av.ArgumentError):  # how FFmpeg refuses frames of too many pixels
        reason += f"; a frame may have {MOST_PIXELS} pixels at most"
    reason = reason.partition("\n")[0]
    return DataError(f"clip {id}: {path} cannot be decoded as a video ({reason}); restore it, or data.frames=rendered")
