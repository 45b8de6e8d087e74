"""The command `predict`: what a trained cell recognises in a video, printed, and drawn on the frames that it saw."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3d.bench.declare.usages import PREDICT
from d3d.data.frames.footage import measure
from d3d.data.look.contact_sheet import sheet_of
from d3d.data.poses.annotate import estimate
from d3d.data.poses.listing import Video
from d3d.data.poses.models import SIZES, load, read_models, require_runtime
from d3d.data.readers.pickled_annotations import find_annotation
from d3d.data.skeleton import COCO
from d3d.errors import ConfigError, DataError
from d3d.key_values import key_values, whole_number
from d3d.text import printable
from d3d.trained_cell import Answer, TrainedCell, load_cell
from d3d.typed_path import typed_path

MOST = 5  # classes that are printed


class Joints(NamedTuple):
    """The joints of a video, as PYSKL has them."""

    keypoint: NDArray[np.floating]  # M×L×J×2
    score: NDArray[Any] | None  # M×L×J
    origin: str  # where they are from, in words


def run_predict(arguments: Sequence[str]) -> int:
    """Runs `predict`. Returns the exit status 0. Raises D3DError where there is no answer."""
    if {"-h", "--help"} & set(arguments):
        print(PREDICT)
        return 0
    values = key_values(arguments, PREDICT.keys)
    for key in ("cell", "video"):
        if key not in values:
            raise ConfigError(f"{key}= is missing; name it, such as predict cell=0123456789abcdef video=jump.mp4")
    storage, video = (typed_path(key, values.get(key, "results")) for key in ("storage", "video"))
    cell = load_cell(storage, values["cell"], tracking_uri=values.get("tracking.uri"))
    joints = _joints(cell, video, values)
    clip = cell.clip(video, joints.keypoint, joints.score) if joints else cell.clip(video)
    answer = cell.predict(clip, views=whole_number("views", values.get("views", "1")))
    picture = typed_path("picture", values.get("picture", str(storage / "answers" / f"{video.stem}-{cell.id}.png")))
    title = f"{video.name}: {_named(answer)[0]}"
    sheet = sheet_of(clip.clip, clip.read, cell.skeleton, cell.config.data, cell.config.training.frames, title)
    try:
        picture.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(picture)
    except (OSError, ValueError) as error:
        raise ConfigError(f"picture={picture}: cannot be written ({error}); name another file FILE.png") from error
    facts = [
        ("cell", f"{cell.id}, {cell.config.model.system}, {len(cell.classes)} classes"),
        ("video", f"{video}: {clip.clip.length} frames of {clip.clip.width}×{clip.clip.height} pixels"),
        *([("joints", joints.origin)] if joints else []),
        *(("answer" if not place else "", text) for place, text in enumerate(_named(answer)[:MOST])),
        ("picture", str(picture)),
    ]
    for fact, text in facts:
        print(printable(f"{fact:<9}{text}"))
    return 0


def _named(answer: Answer) -> list[str]:
    """Each class with its probability."""
    return [f"{name} {100 * probability:.1f} %" for name, probability in answer.probabilities.items()]


def _joints(cell: TrainedCell, video: Path, values: dict[str, str]) -> Joints | None:
    """The joints of the video; None where the user names none, and the cell needs none."""
    if "joints" in values:
        path = typed_path("joints", values["joints"])
        found = find_annotation("joints", path, video.stem)
        keypoint, score = found.get("keypoint"), found.get("keypoint_score")
        if not isinstance(keypoint, np.ndarray) or not isinstance(score, np.ndarray | None):
            raise DataError(f"joints={path}: {video.stem} has no array keypoint, or a keypoint_score that is none")
        return Joints(keypoint, score, f"from {path}")
    if "poses.models" not in values:
        if cell.needs_joints:
            fault = f"cell={cell.id}: reads {len(cell.skeleton.joint_names)} joints of each person"
            raise ConfigError(f"{fault}; name those of the video, joints=FILE.pkl, or estimate them, poses.models=DIR")
        return None
    if cell.skeleton.joint_names != COCO.joint_names:
        names = len(cell.skeleton.joint_names)
        fault = f"estimates COCO's {len(COCO.joint_names)} joints, this cell reads {names} others"
        raise ConfigError(f"poses.models={values['poses.models']}: {fault}; name the video's own, joints=FILE.pkl")
    return _estimated(video, typed_path("poses.models", values["poses.models"]), values.get("poses.size"))


def _estimated(video: Path, place: Path, size: str | None) -> Joints:
    """The joints that BlazePose finds. Raises DataError where the video or the models cannot be used."""
    if size is not None and size not in SIZES:
        raise ConfigError(f"poses.size={size}: there are {', '.join(SIZES)}")
    require_runtime()
    models = load(read_models(place, next((each for each in SIZES if each == size), None)))
    try:
        measure(video, video.stem)
    except OSError as error:
        raise DataError(f"video={video}: cannot be read ({error.strerror})") from error
    found = estimate(Video(video.stem, video, "", "", ""), models)
    origin = f"estimated by BlazePose, a person in {found.found} of {len(found.points)} frames"
    return Joints(found.points[None], found.scores[None], origin)
