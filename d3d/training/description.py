"""What a checkpoint says of itself beside its weights, so that they can be used without the record or the dataset."""

import dataclasses
from typing import Any

from d3d.config import PLACES, Config, without_files
from d3d.data.clip import Dataset


def describe(config: Config, dataset: Dataset) -> dict[str, Any]:
    """The configuration of a training, its classes and its skeleton, as JSON has them; without the places of files.

    d3d/trained_cell.py reads it.
    """
    tree = without_files(dataclasses.asdict(config), config.model)
    tree["data"] = {key: value for key, value in tree["data"].items() if key not in (*PLACES, "skeleton")}
    return {
        "config": tree,
        "classes": dataset.classes,
        "skeleton": dataclasses.asdict(dataset.skeleton),
        "persons": dataset.persons,
    }
