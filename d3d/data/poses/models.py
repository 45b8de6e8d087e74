"""Loads BlazePose's two models from files of the user's, and runs them with LiteRT, which needs no network.

MediaPipe distributes them in two forms: as `pose_detection.tflite` and `pose_landmark_{lite,full,heavy}.tflite` in its
packages, and together in a bundle `pose_landmarker_{lite,full,heavy}.task`, which is a ZIP file.
"""

import hashlib
import os
import shlex
import sys
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3d.data.poses.blazepose import CROP, SIDE, BlazePose
from d3d.errors import ConfigError, DataError
from d3d.regular_file import open_regular

Size = Literal["lite", "full", "heavy"]

SIZES: tuple[Size, ...] = ("heavy", "full", "lite")  # of the landmark model, the most accurate first
LARGEST = 64 << 20  # bytes of a model; the largest has 27 MB
DETECTOR, LANDMARKS = "pose_detector.tflite", "pose_landmarks_detector.tflite"  # in a bundle


class Models(NamedTuple):
    """The bytes of both models, each a file of TensorFlow Lite."""

    detector: bytes
    landmarks: bytes

    @property
    def digest(self) -> str:
        """16 hexadecimal digits over both."""
        return hashlib.sha256(hashlib.sha256(self.detector).digest() + self.landmarks).hexdigest()[:16]


def read_models(place: Path, size: Size | None) -> Models:
    """Both models.

    Args:
        place: a folder that holds `pose_detection.tflite` and `pose_landmark_SIZE.tflite`, or
            `pose_landmarker_SIZE.task`; or such a bundle itself.
        size: of the landmark model; None: the most accurate one that is there.

    Raises DataError where they are not there or cannot be read.
    """
    if not place.is_dir():
        return _read_bundle(place)
    for each in SIZES if size is None else (size,):
        detector, landmarks = place / "pose_detection.tflite", place / f"pose_landmark_{each}.tflite"
        if detector.exists() and landmarks.exists():
            return Models(_read_file(detector), _read_file(landmarks))
        if (bundle := place / f"pose_landmarker_{each}.task").exists():
            return _read_bundle(bundle)
    wanted = size or "{lite,full,heavy}"
    raise DataError(
        f"poses.models={place}: has no pose_landmarker_{wanted}.task, and not both pose_detection.tflite and "
        f"pose_landmark_{wanted}.tflite; docs/own_videos.md says where they are from"
    )


def load(models: Models) -> BlazePose:
    """The estimator of these models. Raises ConfigError where LiteRT is not installed, DataError for other models."""
    return BlazePose(
        _Network(models.detector, "detector", SIDE, (12, 1)), _Network(models.landmarks, "landmark model", CROP, ())
    )


def require_runtime() -> None:
    """Raises ConfigError, with the command that installs it, where LiteRT is not installed."""
    try:
        import ai_edge_litert.interpreter  # noqa: F401  # an extra, which few installations have
    except ImportError as error:
        command = shlex.join([sys.executable, "-m", "pip", "install", "ai-edge-litert"])
        raise ConfigError(f"poses: the extra d3d[poses] is not installed ({error}); install it: {command}") from error


class _Network:
    """A network of LiteRT that maps a picture, 1×S×S×3, to a few arrays; see blazepose.Model."""

    def __init__(self, content: bytes, name: str, side: int, last: tuple[int, ...]) -> None:
        require_runtime()
        from ai_edge_litert.interpreter import Interpreter

        try:
            with _unheard():
                self._interpreter = Interpreter(model_content=content, num_threads=1)  # clips are read side by side
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            reason = str(error).partition("\n")[0]
            raise DataError(f"poses.models: the {name} is no model of TensorFlow Lite ({reason})") from error
        entrances, self._exits = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        shapes = [tuple(map(int, each["shape"])) for each in entrances]
        ends = {int(each["shape"][-1]) for each in self._exits}
        if shapes != [(1, side, side, 3)] or not set(last) <= ends:
            raise DataError(
                f"poses.models: the {name} takes {shapes}, not a picture of {side}×{side}; it is another one"
            )
        self._entrance = entrances[0]["index"]

    def __call__(self, picture: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        self._interpreter.set_tensor(self._entrance, picture)
        self._interpreter.invoke()
        return {each["name"]: self._interpreter.get_tensor(each["index"]) for each in self._exits}


@contextmanager
def _unheard() -> Iterator[None]:
    """Drops what is written to standard error: LiteRT says there, in every process, that it uses the CPU."""
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _read_file(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise DataError(f"poses.models: {path} cannot be read ({error})") from error
    if len(content) > LARGEST:
        raise DataError(f"poses.models: {path} has more than {LARGEST} bytes; it is no model of BlazePose")
    return content


def _read_bundle(path: Path) -> Models:
    """The two models in a bundle of MediaPipe's, of which no more is inflated than a model may have."""
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as bundle:
            return Models(_inflate(bundle, DETECTOR), _inflate(bundle, LANDMARKS))
    except (OSError, ValueError, KeyError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        reason = error.args[0] if error.args else type(error).__name__
        raise DataError(f"poses.models={path}: is no bundle of BlazePose's two models ({reason})") from error


def _inflate(bundle: zipfile.ZipFile, name: str) -> bytes:
    with bundle.open(name) as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"{name} has more than {LARGEST} bytes")
    return content
