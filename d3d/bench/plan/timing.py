"""Measures how long training takes per clip, by training on one batch, for settings that are not in the record."""

import time
from dataclasses import replace
from functools import cache
from math import ceil

import numpy as np
import torch
from numpy.typing import NDArray

from d3d.analysis.complexity import forward_gmacs
from d3d.config import Config
from d3d.data.clip import Clip, Dataset, View
from d3d.data.samples.clip_samples import ClipSamples
from d3d.models.registry import build
from d3d.models.system import PretrainingSystem
from d3d.training.loop import train_one_epoch
from d3d.training.optimizer import build_optimizer
from d3d.training.pretraining import pretrain_one_epoch

LARGEST = 10  # GMACs of a clip; a batch of larger clips takes minutes, and gigabytes of memory


@cache  # a plan with several looks asks once for each look
def seconds_per_clip(config: Config, dataset: Dataset, threads: int) -> float | None:
    """Seconds per training clip on this machine's CPU with this many threads; None where a clip is too large to try.

    They include augmentation, the forward and the backward pass and the optimizer's step, but not reading frames, which
    are cached in memory and mostly read once in a training. Processor time is measured and divided by the threads, so
    that other work on the machine does not count.
    """
    if forward_gmacs(config, dataset.skeleton) > LARGEST:
        return None
    before, batch, cpu = torch.get_num_threads(), config.training.batch_size, torch.device("cpu")
    clips = (dataset.train * ceil(batch / len(dataset.train)))[:batch]
    blank = replace(dataset, read_frames=_blank)
    with torch.random.fork_rng(devices=[]):
        try:
            torch.set_num_threads(threads)
            model = build(config.model, dataset.skeleton)
            optimizer = build_optimizer(model, config.training)
            for part in (clips[:2], clips):  # the first batch warms up
                samples = ClipSamples(
                    part,
                    blank,
                    config.data,
                    config.training.frames,
                    seed=0,
                    augmentation=config.augmentation,
                    reads=config.model.reads,
                )
                started = time.process_time()
                if isinstance(model, PretrainingSystem):
                    pretrain_one_epoch(model, optimizer, samples, config.training, 1, cpu, workers=0)
                else:
                    train_one_epoch(model, optimizer, samples, config.training, 1, cpu, workers=0)
        finally:
            torch.set_num_threads(before)
    return (time.process_time() - started) / threads / len(clips)


def _blank(clip: Clip, indices: NDArray[np.int64], view: View) -> NDArray[np.uint8]:
    """Black frames; see `ReadFrames`."""
    return np.zeros((len(indices), view.rows, view.columns, 3), np.uint8)
