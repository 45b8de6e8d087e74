"""What makes two computations the same one: a cell is named by a hash of everything that can change its result.

Paths, workers and devices are not in it, nor is the code. The whole resolved configuration is hashed, never its
difference from the defaults: a changed default would relabel old results silently. Only a key that was added after the
current SCHEMA is left out where it has the value that means "as before", so that a new switch orphans no result.
"""

import hashlib
import json
from dataclasses import asdict, replace
from typing import Any, TypeVar

from d3d.config import (
    AugmentationConfig,
    Config,
    DataConfig,
    EvaluationConfig,
    MeasurementConfig,
    ModelConfig,
    TrainingConfig,
)

OF_DATASET = {
    "clips": {"synthetic"},
    "protocol": {"ntu60", "ntu120"},
    "annotations": {"finegym", "pyskl"},
    "skeleton": {"pyskl"},
    "splits": {"finegym", "pyskl"},
    "classes": {"pyskl"},
    "persons": {"ntu60", "ntu120", "finegym", "pyskl"},
}  # the keys of data that not every dataset looks at; what they decide of the clips is in the dataset's digest
UNSEEN = {"root", "missing", *OF_DATASET}  # the keys of data that the dataset's digest speaks for

T = TypeVar("T", ModelConfig, DataConfig, MeasurementConfig, AugmentationConfig, EvaluationConfig)

SCHEMA = 3  # raise it when the same configuration comes to mean another computation, and empty ADDED then
ADDED: dict[str, Any] = {}
"""Configuration keys that were added since SCHEMA was raised → the value with which they change nothing."""
MEASURED = ("width", "heads", "feedforward_ratio", "norm", "dropout")  # what of the model one attention module has


def canonical(config: Config) -> Config:
    """The one configuration that stands for all that compute exactly the same; it is the one that is run.

    `model.joints` must be the dataset's, except in a measurement. Strides are filled in. Windows are cut to their axis,
    and strides to the largest that gives windows of its own: query windows start at 0, s, 2s, … clamped to N − window,
    and key windows one stride later, clamped likewise, so every stride of at least N − window is one computation. N
    frames are those of the test, where it has a number of its own. What belongs to an eliminated module, to the joints
    of a model whose head they do not reach, or to another dataset, is set to its default, and so is all that a
    measurement or a baseline does not look at.
    """
    if config.measurement.module is not None:
        return _measurement(config)
    if config.baseline.method is not None:
        return _baseline(config)
    config = _without_joints(config)
    model, data, evaluation = config.model, config.data, config.evaluation
    frames = evaluation.frames or config.training.frames
    if frames == config.training.frames:
        evaluation = replace(evaluation, frames=None)
    if not model.deformable_attention:
        model = _defaults(model, "kernel", "offset_convolution", "offset_range")
    if not model.joint_attention:
        model = _defaults(model, "joint_window", "joint_stride")
    if not model.temporal_attention:
        model = _defaults(model, "temporal_window", "temporal_stride")
    joint = _window_and_stride(model.joint_window, model.joint_stride, model.joints)
    temporal = _window_and_stride(model.temporal_window, model.temporal_stride, frames)
    model = replace(
        model,
        joint_window=joint[0],
        joint_stride=joint[1],
        temporal_window=temporal[0],
        temporal_stride=temporal[1],
    )
    return replace(config, model=model, data=_of_dataset(data), evaluation=evaluation, measurement=MeasurementConfig())


def cell_id(config: Config, digest: str, trained: str | None = None) -> str:
    """16 hexadecimal digits that name a canonical configuration on the dataset of that digest.

    A test is named by the training whose weights it tests as well, a measurement by what is measured alone, a baseline
    by the clips and by how many of their frames it sees.
    """
    tree = asdict(config)
    if config.measurement.module is not None:
        model = {key: tree["model"][key] for key in MEASURED}
        return short_hash(_named({"model": model, "measurement": tree["measurement"]}))
    if config.baseline.method is not None:
        seen = {"frames": config.training.frames, "digest": digest}
        return short_hash(_named({"baseline": tree["baseline"]}) | seen)
    named = training_identity(config, digest)
    if trained is not None:
        named |= _named({"evaluation": tree["evaluation"]}) | {"trained": trained}
    return short_hash(named)


def training_identity(config: Config, digest: str) -> dict[str, Any]:
    """All that can change the result of a training, of a canonical configuration on the dataset of that digest."""
    tree = asdict(config)
    clips = {key: value for key, value in tree["data"].items() if key not in UNSEEN} | {"digest": digest}
    parts = {key: tree[key] for key in ("model", "training", "augmentation")}
    return _named({"data": clips, **parts}) | {"seed": config.seed}


def _named(tree: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The keys of these groups that enter a hash: all but later ones that are as before."""
    groups = {
        group: {
            key: value for key, value in keys.items() if (name := f"{group}.{key}") not in ADDED or value != ADDED[name]
        }
        for group, keys in tree.items()
    }
    return {"schema": SCHEMA, **groups}


def short_hash(value: Any) -> str:
    """16 hexadecimal digits of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _measurement(config: Config) -> Config:
    """A window as long as the axis is full attention, and full attention has no window."""
    measurement = config.measurement
    if measurement.module == "joint":
        length, measurement = measurement.joints, _defaults(measurement, "rgb_tokens")
    else:
        length = measurement.frames
    if measurement.attention == "full" or measurement.window >= length:
        measurement = replace(_defaults(measurement, "window"), attention="full")
    return Config(
        model=ModelConfig(**{key: getattr(config.model, key) for key in MEASURED}),
        measurement=measurement,
    )


def _baseline(config: Config) -> Config:
    """The joints of the clips as they are annotated, at the frames of the test."""
    return Config(
        data=_of_dataset(_defaults(config.data, "view", "resize", "crop")),
        training=TrainingConfig(frames=config.training.frames),
        baseline=config.baseline,
    )


def _without_joints(config: Config) -> Config:
    """Without joint and temporal attention no path leads from the joints to a head that reads modal tokens.

    What is drawn of the joints changes then no bit, as it is drawn last; how a pose token is placed does, for it
    decides how many weights are drawn. With several persons the joints still say who is present, and so which clips
    are computed together.
    """
    model = config.model
    if model.joint_attention or model.temporal_attention or model.tokens == "none":
        return config
    config = replace(config, model=_defaults(model, "sigma"))
    if model.persons > 1:
        return config
    disturbed = "joint_noise", "joint_dropout"
    augmentation = _defaults(config.augmentation, *disturbed)
    return replace(config, augmentation=augmentation, evaluation=_defaults(config.evaluation, *disturbed))


def _of_dataset(data: DataConfig) -> DataConfig:
    """What belongs to another dataset set to its default."""
    return _defaults(data, *(key for key, names in OF_DATASET.items() if data.name not in names))


def _window_and_stride(window: int, stride: int | None, length: int) -> tuple[int, int]:
    if window >= length:
        return length, length
    return window, min(max(1, window // 2) if stride is None else stride, length - window)


def _defaults(config: T, *keys: str) -> T:
    return replace(config, **{key: getattr(type(config)(), key) for key in keys})
