"""Clips of annotated people, from files or made up, and the samples a model is trained on."""

from pathlib import Path

from d3d.config import DataConfig
from d3d.data.clip import Clip, Dataset
from d3d.data.penn_action import open_penn_action
from d3d.data.samples import Batch, ClipSamples, Sample, collate
from d3d.data.sampling import check_frames
from d3d.data.synthetic import open_synthetic
from d3d.data.validation import validation_split
from d3d.errors import DataError

__all__ = ["Batch", "Clip", "ClipSamples", "Dataset", "Sample", "check_frames", "collate", "open_dataset"]


def open_dataset(config: DataConfig, cache: Path) -> Dataset:
    """The dataset and split the configuration names. The synthetic one is made under `cache` unless it is there.

    Raises DataError, whose message names the value, clip or file at fault and the way out.
    """
    dataset = _open(config, cache)
    return validation_split(dataset) if config.split == "validation" else dataset


def _open(config: DataConfig, cache: Path) -> Dataset:
    if config.name == "synthetic":
        if config.root is not None:
            raise DataError(f"data.root={config.root}: the synthetic dataset is made, not read; leave data.root out")
        return open_synthetic(cache, config.clips, config.frames)
    if config.root is None:
        raise DataError("data.root is not set: name the folder of Penn Action that holds labels/ and frames/")
    return open_penn_action(Path(config.root), frames=config.frames, missing=config.missing)
