"""The datasets there are, and how one is opened. A new one is a module beside this file and a line in the table."""

from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from d3d.config import DataConfig
from d3d.cpus import cpu_count
from d3d.data.clip import Dataset
from d3d.data.readers.annotation_cache import read_cached
from d3d.data.readers.decoded import without_damaged
from d3d.data.readers.groups import read_groups
from d3d.data.readers.ntu import ntu_source
from d3d.data.readers.penn_action import penn_action_source
from d3d.data.readers.pyskl import GYM99, pyskl_source
from d3d.data.sides import exchange_sides
from d3d.data.source import Source, assemble, read_all
from d3d.data.synthetic.dataset import pairs_source, synthetic_source
from d3d.data.validation_split import validation_split
from d3d.errors import ConfigError, DataError


def open_dataset(config: DataConfig, cache: Path) -> Dataset:
    """The dataset and the split that the configuration names, which has at most one fold (`DataConfig.each_fold`).

    `cache` is the folder for what is made or read once: synthetic datasets, and large datasets once they are read.
    Raises DataError and ConfigError; the message names the faulty value, clip or file, and the way out.
    """
    source = find_source(config, cache)
    if source.stamp:
        reads, broken = read_cached(source, cache, cpu_count(), config.damaged)
    else:
        reads, broken = read_all(source, damaged=config.damaged)
    if config.damaged == "skip" and config.frames == "files":
        reads, undecodable = without_damaged(source, reads, cache)
        broken = (*broken, *undecodable)
    dataset = assemble(source, reads, broken, config.missing)
    if config.sides == "exchanged":
        dataset = exchange_sides(dataset)
    if config.split == "test":
        return dataset
    (fold,) = config.folds or (None,)
    return validation_split(dataset, fold)


def find_source(config: DataConfig, cache: Path) -> Source:
    """The source of the dataset that the configuration names; `cache` as in `open_dataset`. Raises as it does."""
    if config.name not in READERS:
        nearest = get_close_matches(config.name, READERS, 1, 0)[0]
        there = ", ".join(READERS)
        raise ConfigError(f"data.name={config.name}: unknown dataset; did you mean {nearest}? There are: {there}")
    if config.skeleton is not None and config.name != "pyskl":
        raise ConfigError(
            f"data.skeleton={config.skeleton}: {config.name} has a skeleton of its own; leave it out, or use data=pyskl"
        )
    try:
        source = READERS[config.name](config, cache)
    except OSError as error:  # a folder that this user may not enter, or that is on a disk that has gone
        fault = f"{error.filename} cannot be opened ({error.strerror or error})"
        raise DataError(f"data.name={config.name}: {fault}; make it readable, or name another folder") from error
    return source if config.groups is None else replace(source, groups=read_groups(Path(config.groups)))


def _synthetic(config: DataConfig, cache: Path) -> Source:
    _require_no_root(config)
    return synthetic_source(cache, config.clips, config.frames)


def _synthetic_pairs(config: DataConfig, cache: Path) -> Source:
    _require_no_root(config)
    return pairs_source(cache, config.clips, config.frames)


def _require_no_root(config: DataConfig) -> None:
    if config.root is not None:
        raise DataError(f"data.root={config.root}: the synthetic dataset is generated; leave data.root out")


def _penn_action(config: DataConfig, cache: Path) -> Source:
    root = _root(config, "the folder of Penn Action that holds labels/ and frames/")
    return penn_action_source(root, frame_source=config.frames)


def _ntu(config: DataConfig, cache: Path) -> Source:
    root = _root(config, "the folder of NTU RGB+D that holds nturgb+d_skeletons/ and nturgb+d_rgb/")
    return ntu_source(root, config.name, config.protocol, persons=config.persons, frame_source=config.frames)


def _finegym(config: DataConfig, cache: Path) -> Source:
    return _pickled(config, GYM99, "coco")


def _pyskl(config: DataConfig, cache: Path) -> Source:
    return _pickled(config, config.classes, config.skeleton)


def _pickled(config: DataConfig, classes: int | None, skeleton: str | None) -> Source:
    """A dataset in the layout of PYSKL."""
    if config.annotations is None:
        raise DataError("data.annotations is not set: name the pickle of skeletons in PYSKL's layout")
    return pyskl_source(
        Path(config.annotations),
        config.splits,
        test=_optional(config.test_annotations),
        name=config.name,
        classes=classes,
        label_map=_optional(config.label_map),
        root=_optional(config.root),
        named_skeleton=skeleton,
        persons=config.persons,
        frame_source=config.frames,
    )


def _optional(path: str | None) -> Path | None:
    return None if path is None else Path(path)


def _root(config: DataConfig, folder: str) -> Path:
    """The folder that data.root names, which a dataset on disk cannot do without."""
    if config.root is None:
        raise DataError(f"data.root is not set: name {folder}")
    return Path(config.root)


READERS: dict[str, Callable[[DataConfig, Path], Source]] = {
    "synthetic": _synthetic,
    "synthetic_pairs": _synthetic_pairs,
    "penn_action": _penn_action,
    "ntu60": _ntu,
    "ntu120": _ntu,
    "finegym": _finegym,
    "pyskl": _pyskl,
}  # data.name → what makes a source of the configuration and of the folder for what is made or read once
