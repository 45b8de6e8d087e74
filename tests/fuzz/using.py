"""Opens a dataset and takes every sample of it, as a training and its test do."""

from pathlib import Path
from typing import Any

from d3d.config import DataConfig
from d3d.data.readers.registry import find_source
from d3d.data.samples.clip_samples import ClipSamples
from d3d.data.samples.sampling import check_frames
from d3d.data.source import open_source

FRAMES = 4


def use_dataset(cache: Path, **data: Any) -> None:
    """Raises the errors that a training would."""
    config = DataConfig(**{"resize": 18, "crop": 16} | data)
    dataset = open_source(find_source(config, cache))
    check_frames(dataset, FRAMES)
    for clips, seed in ((dataset.train, 0), (dataset.test, None)):
        samples = ClipSamples(clips, dataset, config, FRAMES, seed=seed)
        for index in range(len(samples)):
            samples[index]
