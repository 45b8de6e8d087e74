"""Clips of annotated people, from files or made up, and the samples a model is trained on."""

from pathlib import Path

from d3d.config import DataConfig
from d3d.data.clip import Clip, Dataset
from d3d.data.penn_action import penn_action_source
from d3d.data.samples import Batch, ClipSamples, Sample, collate
from d3d.data.sampling import check_frames
from d3d.data.source import Source, open_source
from d3d.data.synthetic import synthetic_source
from d3d.data.validation import validation_split
from d3d.errors import DataError

__all__ = [
    "Batch",
    "Clip",
    "ClipSamples",
    "Dataset",
    "Sample",
    "check_frames",
    "collate",
    "find_source",
    "open_dataset",
]


def open_dataset(config: DataConfig, cache: Path) -> Dataset:
    """The dataset and split the configuration names. The synthetic one is made under `cache` unless it is there.

    Raises DataError, whose message names the value, clip or file at fault and the way out.
    """
    dataset = open_source(find_source(config, cache), config.missing)
    return validation_split(dataset) if config.split == "validation" else dataset


def find_source(config: DataConfig, cache: Path) -> Source:
    """Where the clips of the dataset that the configuration names are read from. Raises DataError."""
    if config.name == "synthetic":
        if config.root is not None:
            raise DataError(f"data.root={config.root}: the synthetic dataset is made, not read; leave data.root out")
        return synthetic_source(cache, config.clips, config.frames)
    if config.root is None:
        raise DataError("data.root is not set: name the folder of Penn Action that holds labels/ and frames/")
    return penn_action_source(Path(config.root), frames=config.frames)
