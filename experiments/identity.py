"""What makes two computations the same one: a cell is named by a hash of everything that can change its result.

Paths, workers and devices are not in it, nor is the code. The whole resolved configuration is hashed, never its
difference from the defaults: a changed default would relabel old results silently. Only a key that was added after the
current SCHEMA is left out where it has the value that means "as before", so that a new switch orphans no result.

Here is what the kinds of cells (kinds/) put their names together from.
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
    without_added,
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

T = TypeVar("T", DataConfig, AugmentationConfig, EvaluationConfig)

SCHEMA = 3  # raise it when the same configuration comes to mean another computation, and empty ADDED then


def training_identity(config: Config, digest: str) -> dict[str, Any]:
    """All that can change the result of a training, of a canonical configuration on the dataset of that digest."""
    tree = asdict(config)
    clips = {key: value for key, value in tree["data"].items() if key not in UNSEEN} | {"digest": digest}
    parts = {key: tree[key] for key in ("model", "training", "augmentation")}
    return named({"data": clips, **parts}) | {"seed": config.seed}


def named(tree: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The keys of these groups that enter a hash: all but later ones that are as before."""
    return {"schema": SCHEMA, **without_added(tree)}


def short_hash(value: Any) -> str:
    """16 hexadecimal digits of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def without_unread(config: Config) -> Config:
    """What is done to frames or joints that the system does not look at changes no bit: it is drawn last, or apart."""
    reads = config.model.reads
    augmentation, evaluation = config.augmentation, config.evaluation
    if "joints" not in reads:
        disturbed = "joint_noise", "joint_dropout"
        augmentation, evaluation = _defaults(augmentation, *disturbed), _defaults(evaluation, *disturbed)
    if "frames" not in reads and not (augmentation.joint_noise or augmentation.joint_dropout):
        augmentation = _defaults(augmentation, "colour")  # else it moves what is drawn after it
    return replace(config, augmentation=augmentation, evaluation=evaluation)


def of_dataset(data: DataConfig) -> DataConfig:
    """What belongs to another dataset set to its default."""
    return _defaults(data, *(key for key, names in OF_DATASET.items() if data.name not in names))


def _defaults(config: T, *keys: str) -> T:
    return replace(config, **{key: getattr(type(config)(), key) for key in keys})
