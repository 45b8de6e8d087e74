"""Estimates the joints of videos, and pickles them in PYSKL's layout, which data=pyskl trains on.

What was estimated of a clip is kept in a file of its own, so that the same command continues after an interruption, and
estimates again only what has changed: the video, or the models.
"""

import hashlib
import pickle
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from signal import SIG_IGN, SIGINT, signal
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from d3d.data.clip import Clip, View
from d3d.data.formats.fingerprint import fingerprint, sample_file
from d3d.data.frames.footage import footage_files, measure, read_footage
from d3d.data.frames.view import frame_view
from d3d.data.poses.blazepose import COCO_POINTS, Pose
from d3d.data.poses.listing import Video
from d3d.errors import DataError

VERSION = 1  # of what is estimated; increase it when the same models come to find other joints
SHORT = 720  # pixels of the short side that larger videos are decoded at: the models see squares of 256
CHUNK_BYTES = 64 << 20  # of decoded frames that are held at once
JOINTS = len(COCO_POINTS)


class Estimator(Protocol):
    """What finds the joints of one person in the frames of a video, H×W×3 RGB, in turn."""

    def follow(self, frames: Iterable[NDArray[np.uint8]]) -> Iterator[Pose | None]: ...


@dataclass(frozen=True, eq=False)
class Estimate:
    """The joints of a clip of T frames of which person is followed: PYSKL's keypoint and keypoint_score."""

    height: int  # of a frame, pixels
    width: int
    points: NDArray[np.float32]  # T×17×2, (x, y) in pixels
    scores: NDArray[np.float32]  # T×17; 0 where no person was found, and for joints outside the picture

    @property
    def found(self) -> int:
        """The frames in which a person was found."""
        return int((self.scores > 0).any(axis=1).sum())


Estimated = tuple[Video, Estimate]


class _Worker:
    """What a process estimates joints with; the estimator is made when the first clip needs it."""

    def __init__(self, folder: Path, make: Callable[[], Estimator], named: str) -> None:
        self._folder, self._make, self._named = folder, make, named

    @cached_property
    def _estimator(self) -> Estimator:
        return self._make()

    def __call__(self, video: Video) -> Estimate | DataError:
        try:
            sample = fingerprint(map(sample_file, footage_files(video.path, video.id)))
            stamp = f"{VERSION} {self._named} {sample}"
            path = self._folder / f"{hashlib.sha256(video.id.encode()).hexdigest()[:16]}.npz"
            found = _load(path, stamp)
            if found is None:
                found = estimate(video, self._estimator)
                _save(path, stamp, found)
        except DataError as error:
            return DataError(str(error))  # drops the traceback
        except OSError as error:
            return DataError(f"clip {video.id}: {video.path} cannot be read ({error}); restore it")
        return found


_worker: _Worker | None = None  # of this process


def _begin(worker: _Worker) -> None:
    global _worker
    signal(SIGINT, SIG_IGN)  # the caller handles Ctrl-C
    _worker = worker


def _work(video: Video) -> Estimate | DataError:
    assert _worker is not None
    return _worker(video)


def estimate_all(
    videos: Sequence[Video], folder: Path, make: Callable[[], Estimator], named: str, processes: int
) -> Iterator[Estimate | DataError]:
    """The estimate of each video in turn, or why there is none.

    Args:
        videos: of which each has another id.
        folder: of the estimates; one that was made before is taken from there.
        make: makes the estimator; it is called at most once in each process, and must be picklable.
        named: what tells one estimator from another, such as a digest of its models.
        processes: that estimate clips at the same time.

    Raises DataError where an estimate cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder} cannot be made ({error}); choose another poses.output") from error
    worker = _Worker(folder, make, named)
    if processes <= 1 or len(videos) < 2:
        yield from map(worker, videos)
        return
    pool = ProcessPoolExecutor(min(processes, len(videos)), initializer=_begin, initargs=(worker,))
    try:
        yield from pool.map(_work, videos)
    except BrokenProcessPool as error:
        raise DataError("poses: a process that estimated joints was killed; use fewer, resources.cpus=1") from error
    finally:
        pool.shutdown(cancel_futures=True)


def estimate(video: Video, estimator: Estimator) -> Estimate:
    """The joints of the person whom the estimator follows through a video. Raises DataError where it is damaged."""
    length, height, width = measure(video.path, video.id)
    clip = Clip(
        video.id,
        0,
        True,
        height,
        width,
        np.zeros((length, 0, 2), np.float32),
        np.zeros((length, 0), np.bool_),
        video.id,
    )
    view = frame_view(clip, min(SHORT, height, width))
    scale = np.array([width / view.columns, height / view.rows])
    points, scores = np.zeros((length, JOINTS, 2), np.float32), np.zeros((length, JOINTS), np.float32)
    for index, pose in enumerate(estimator.follow(_frames(video, clip, view.rows, view.columns))):
        if pose is not None:
            points[index] = (pose.points + 0.5) * scale - 0.5
            inside = ((points[index] >= -0.5) & (points[index] <= np.array([width, height]) - 0.5)).all(axis=1)
            scores[index] = np.where(inside, pose.scores, 0)
    return Estimate(height, width, points, scores)


def _frames(video: Video, clip: Clip, rows: int, columns: int) -> Iterator[NDArray[np.uint8]]:
    """The frames of a video, resized to rows×columns; a few are decoded at a time."""
    view = View(0, 0, clip.width, clip.height, rows, columns)
    chunk = max(1, CHUNK_BYTES // (3 * rows * columns))
    for start in range(0, clip.length, chunk):
        yield from read_footage(video.path, clip, np.arange(start, min(start + chunk, clip.length)), view)


def _load(path: Path, stamp: str) -> Estimate | None:
    """The estimate in a file; None where there is none, or it is damaged, of another video or of other models."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            if str(kept["stamp"]) != stamp:
                return None
            height, width = kept["size"].tolist()
            return Estimate(height, width, kept["points"], kept["scores"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None


def _save(path: Path, stamp: str, found: Estimate) -> None:
    size = np.array([found.height, found.width])
    with _written(path) as file:
        np.savez_compressed(file, stamp=np.array(stamp), size=size, points=found.points, scores=found.scores)


def write_dataset(path: Path, found: Sequence[Estimated]) -> Path:
    """Writes FILE.pkl in PYSKL's layout. Returns FILE.label_map.txt beside it, which names the classes.

    Raises DataError where they cannot be written.
    """
    actions = sorted({video.action for video, _ in found})
    split: dict[str, list[str]] = {}
    for video, _ in found:
        split.setdefault(video.split, []).append(video.id)
    annotations = [_annotation(video, actions.index(video.action), each) for video, each in found]
    names = path.with_name(f"{path.stem}.label_map.txt")
    with _written(names) as file:
        file.write("".join(f"{action}\n" for action in actions).encode())
    with _written(path) as file:
        pickle.dump({"split": split, "annotations": annotations}, file, protocol=4)
    return names


def _annotation(video: Video, label: int, found: Estimate) -> dict[str, Any]:
    return {
        "frame_dir": video.id,
        "label": label,
        "group": video.group,
        "img_shape": (found.height, found.width),
        "original_shape": (found.height, found.width),
        "total_frames": len(found.points),
        "keypoint": found.points[None],
        "keypoint_score": found.scores[None],
    }


@contextmanager
def _written(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes its place when all of it is written. Raises DataError where it cannot be."""
    try:
        with tempfile.TemporaryDirectory(prefix=f"{path.name}.partial-", dir=path.parent) as folder:
            written = Path(folder) / path.name
            with written.open("wb") as file:
                yield file
            written.replace(path)
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error}); choose another poses.output") from error
