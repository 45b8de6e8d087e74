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
    TrainingConfig,
    without_added,
)
from d3d.errors import ConfigError

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

T = TypeVar("T", DataConfig, MeasurementConfig, AugmentationConfig, EvaluationConfig)

SCHEMA = 3  # raise it when the same configuration comes to mean another computation, and empty ADDED then


def canonical(config: Config) -> Config:
    """The one configuration that stands for all that compute exactly the same; it is the one that is run.

    `model.joints` must be the dataset's, except in a measurement. A system says what of its own keys computes the same
    on the frames of the test. What is done to frames or joints that the system does not read, and what belongs to
    another dataset, is set to its default, and so is all that a measurement or a baseline does not look at.
    Raises ConfigError where a module is to be measured of a system that has none.
    """
    if config.measurement.module is not None:
        return _measurement(config)
    if config.baseline.method is not None:
        return _baseline(config)
    config = _without_unread(config)
    evaluation = config.evaluation
    frames = evaluation.frames or config.training.frames
    if frames == config.training.frames:
        evaluation = replace(evaluation, frames=None)
    model, data = config.model.canonical(frames), _of_dataset(config.data)
    return replace(config, model=model, data=data, evaluation=evaluation, measurement=MeasurementConfig())


def cell_id(config: Config, digest: str, trained: str | None = None) -> str:
    """16 hexadecimal digits that name a canonical configuration on the dataset of that digest.

    A test is named by the training whose weights it tests as well, a measurement by what is measured alone, a baseline
    by the clips and by how many of their frames it sees.
    """
    tree = asdict(config)
    if config.measurement.module is not None:
        model = {key: tree["model"][key] for key in config.model.measured}
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
    return {"schema": SCHEMA, **without_added(tree)}


def short_hash(value: Any) -> str:
    """16 hexadecimal digits of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _measurement(config: Config) -> Config:
    """A window as long as the axis is full attention, and full attention has no window."""
    measurement, model = config.measurement, config.model
    if not model.measured:
        raise ConfigError(
            f"measurement.module={measurement.module}: model.system={model.system} has no such module; use model=d3d"
        )
    if measurement.module == "joint":
        length, measurement = measurement.joints, _defaults(measurement, "rgb_tokens")
    else:
        length = measurement.frames
    if measurement.attention == "full" or measurement.window >= length:
        measurement = replace(_defaults(measurement, "window"), attention="full")
    return Config(
        model=type(model)(system=model.system, **{key: getattr(model, key) for key in model.measured}),
        measurement=measurement,
    )


def _baseline(config: Config) -> Config:
    """The joints of the clips as they are annotated, at the frames of the test."""
    return Config(
        data=_of_dataset(_defaults(config.data, "view", "resize", "crop")),
        training=TrainingConfig(frames=config.training.frames),
        baseline=config.baseline,
    )


def _without_unread(config: Config) -> Config:
    """What is done to frames or joints that the system does not look at changes no bit: it is drawn last, or apart."""
    reads = config.model.reads
    augmentation, evaluation = config.augmentation, config.evaluation
    if "joints" not in reads:
        disturbed = "joint_noise", "joint_dropout"
        augmentation, evaluation = _defaults(augmentation, *disturbed), _defaults(evaluation, *disturbed)
    if "frames" not in reads and not (augmentation.joint_noise or augmentation.joint_dropout):
        augmentation = _defaults(augmentation, "colour")  # else it moves what is drawn after it
    return replace(config, augmentation=augmentation, evaluation=evaluation)


def _of_dataset(data: DataConfig) -> DataConfig:
    """What belongs to another dataset set to its default."""
    return _defaults(data, *(key for key, names in OF_DATASET.items() if data.name not in names))


def _defaults(config: T, *keys: str) -> T:
    return replace(config, **{key: getattr(type(config)(), key) for key in keys})
