"""What makes two computations the same one: a cell is named by a hash of everything that can change its result.

Paths, workers and devices are not in it, nor is the code. The whole resolved configuration is hashed, never its
difference from the defaults: a changed default would relabel old results silently. Only a key that was added after the
current SCHEMA is left out where it has the value that means "as before", so that a new switch orphans no result.

Here is what the kinds of cells (kinds/) put their names together from.
"""

import hashlib
import json
from dataclasses import asdict, replace
from typing import Any

from d3d.config import OF_DATASET, Config, DataConfig, without_added
from d3d.defaults import with_defaults

UNSEEN = {"root", "missing", *OF_DATASET}  # the keys of data that the dataset's digest speaks for

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
        augmentation, evaluation = with_defaults(augmentation, *disturbed), with_defaults(evaluation, *disturbed)
    if "frames" not in reads and not (augmentation.joint_noise or augmentation.joint_dropout):
        augmentation = with_defaults(augmentation, "colour")  # else it moves what is drawn after it
    return replace(config, augmentation=augmentation, evaluation=evaluation)


def of_dataset(data: DataConfig) -> DataConfig:
    """What belongs to another dataset set to its default."""
    return with_defaults(data, *(key for key, names in OF_DATASET.items() if data.name not in names))
