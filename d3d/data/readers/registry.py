"""The datasets there are, and how one is opened."""

import os
from pathlib import Path

from d3d.config import DataConfig
from d3d.data.clip import Dataset
from d3d.data.readers.annotation_cache import open_cached
from d3d.data.readers.ntu import ntu_source
from d3d.data.readers.penn_action import penn_action_source
from d3d.data.readers.pyskl import GYM99, pyskl_source
from d3d.data.source import Source, open_source
from d3d.data.synthetic.dataset import synthetic_source
from d3d.data.validation_split import validation_split
from d3d.errors import ConfigError, DataError

_NTU = "the folder of NTU RGB+D that holds nturgb+d_skeletons/ and nturgb+d_rgb/"
_ROOTS = {
    "penn_action": "the folder of Penn Action that holds labels/ and frames/",
    "ntu60": _NTU,
    "ntu120": _NTU,
}


def open_dataset(config: DataConfig, cache: Path) -> Dataset:
    """The dataset and the split that the configuration names.

    `cache` is the folder for what is made or read once: the synthetic dataset, and large datasets once they are read.
    Raises DataError and ConfigError; the message names the faulty value, clip or file, and the way out.
    """
    source = find_source(config, cache)
    if source.stamp:
        dataset = open_cached(source, cache, config.missing, os.cpu_count() or 1)
    else:
        dataset = open_source(source, config.missing)
    return validation_split(dataset) if config.split == "validation" else dataset


def find_source(config: DataConfig, cache: Path) -> Source:
    """The source of the dataset that the configuration names; `cache` as in `open_dataset`. Raises as it does."""
    if config.skeleton is not None and config.name != "pyskl":
        raise ConfigError(
            f"data.skeleton={config.skeleton}: {config.name} has a skeleton of its own; leave it out, or use data=pyskl"
        )
    if config.name == "synthetic":
        if config.root is not None:
            raise DataError(f"data.root={config.root}: the synthetic dataset is generated; leave data.root out")
        return synthetic_source(cache, config.clips, config.frames)
    root = None if config.root is None else Path(config.root)
    if config.name == "finegym" or config.name == "pyskl":
        if config.annotations is None:
            raise DataError("data.annotations is not set: name the pickle of skeletons in PYSKL's layout")
        classes = GYM99 if config.name == "finegym" else config.classes
        return pyskl_source(
            Path(config.annotations),
            config.splits,
            name=config.name,
            classes=classes,
            root=root,
            named_skeleton="coco" if config.name == "finegym" else config.skeleton,
            persons=config.persons,
            frame_source=config.frames,
        )
    if root is None:
        raise DataError(f"data.root is not set: name {_ROOTS[config.name]}")
    if config.name == "penn_action":
        return penn_action_source(root, frame_source=config.frames)
    return ntu_source(root, config.name, config.protocol, persons=config.persons, frame_source=config.frames)
