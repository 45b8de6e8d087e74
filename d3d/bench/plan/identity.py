"""The identity of a computation: a cell's id is a hash of everything that can change its result.

Paths, workers, devices and code are not part of it. The whole resolved configuration is hashed, never its
difference from the defaults: a changed default would relabel old results silently. A key that was added after the
current SCHEMA is left out where it has the value that means "as before", so that a new key orphans no result.

The kinds of cells (kinds/) build their identities from the functions below.
"""

import hashlib
import json
from dataclasses import asdict, replace
from typing import Any

from d3d.config import OF_DATASET, Config, DataConfig, without_added, without_files
from d3d.defaults import with_defaults

# Keys of data: paths, and what the digest of the dataset covers.
UNSEEN = {"root", "missing", "damaged", "groups", "fold", *OF_DATASET}

SCHEMA = 3  # increase it, and empty ADDED, when a configuration comes to mean another computation


def training_identity(config: Config, digest: str) -> dict[str, Any]:
    """Everything that can change the result of a training.

    `config` is canonical, `digest` that of its dataset.
    """
    tree = without_files(asdict(config), config.model)
    clips = {key: value for key, value in tree["data"].items() if key not in UNSEEN} | {"digest": digest}
    parts = {key: tree[key] for key in ("model", "training", "augmentation")}
    return named({"data": clips, **parts}) | {"seed": config.seed}


def named(tree: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The groups of keys that enter a hash, with the schema and without later keys that mean "as before"."""
    return {"schema": SCHEMA, **without_added(tree)}


def short_hash(value: Any) -> str:
    """16 hexadecimal digits of the SHA-256 of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def without_unread(config: Config) -> Config:
    """Changes of frames or joints that the system does not read set to their defaults.

    They change no bit of the result: their random numbers are drawn last, or from a generator of their own.
    """
    reads = config.model.reads
    augmentation, evaluation = config.augmentation, config.evaluation
    if "joints" not in reads:
        disturbed = "joint_noise", "joint_dropout"
        augmentation, evaluation = with_defaults(augmentation, *disturbed), with_defaults(evaluation, *disturbed)
    if "frames" not in reads and not (augmentation.joint_noise or augmentation.joint_dropout):
        augmentation = with_defaults(augmentation, "colour")  # otherwise it shifts the random numbers drawn after it
    return replace(config, augmentation=augmentation, evaluation=evaluation)


def of_dataset(data: DataConfig) -> DataConfig:
    """Keys that this dataset does not use set to their defaults."""
    return with_defaults(data, *(key for key, names in OF_DATASET.items() if data.name not in names))
