"""Learning without labels: the loop of systems that others start from. Their result is their last epoch's weights.

As in loop.py, every random choice is a function of (seed, epoch).
"""

import math
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from d3d.config import Config, TrainingConfig
from d3d.data.batch import Batch
from d3d.data.clip import Dataset
from d3d.data.samples.clip_samples import ClipSamples
from d3d.data.samples.loading import load_batches
from d3d.errors import TrainingError
from d3d.models.registry import build
from d3d.models.system import PretrainingSystem
from d3d.training.checkpoint import load_checkpoint, save_checkpoint
from d3d.training.forward import autocast_dtype
from d3d.training.loop import EpochResult, descend, epoch_seed, training_samples
from d3d.training.optimizer import build_optimizer, set_learning_rate
from d3d.training.peak_memory import PeakMemory

PICTURED = 4  # training clips whose pictures are kept, at most a batch


def pretrain(
    config: Config,
    dataset: Dataset,
    device: torch.device,
    checkpoint: Path,
    report: Callable[[EpochResult], None],
    workers: int = 0,
    notice: Callable[[str], None] = warnings.warn,
) -> tuple[float, Tensor]:
    """Trains a system without labels, from its checkpoint on if there is one; no test clip is read.

    Returns the mean loss of the training clips, unaugmented, after the last epoch, and pictures of the first of them,
    PICTURED×S×3×T×H×W normalised pixels (`PretrainingSystem.pictures`).

    Args:
        config: the system, how it is trained, and the seed.
        dataset: whose training clips it learns from.
        device: where the model runs.
        checkpoint: the folder of the checkpoints, which is made where it does not exist.
        report: called after each epoch and before its checkpoint is written, as by `train`.
        workers: processes that read clips beside the training; with 0 this process reads them.
        notice: told of each damaged checkpoint, which is removed; the training continues from the one before it.

    Raises TrainingError, CheckpointError and DataError as `train` does.
    """
    memory = PeakMemory(device)
    torch.manual_seed(config.seed)
    model = build(config.model, dataset.skeleton).to(device)
    assert isinstance(model, PretrainingSystem)
    optimizer = build_optimizer(model, config.training)
    samples = training_samples(config, dataset)
    finished = load_checkpoint(checkpoint, config, model, optimizer, None, notice)
    for epoch in range(finished + 1, config.training.epochs + 1):
        started = time.perf_counter()
        samples.epoch = epoch
        torch.manual_seed(epoch_seed(config.seed, epoch))
        loss = pretrain_one_epoch(model, optimizer, samples, config.training, epoch, device, workers)
        metrics = {
            "train_loss": loss,
            "learning_rate": optimizer.param_groups[0]["lr"],
            "clips_per_second": len(samples) / (time.perf_counter() - started),
        }
        if (peak := memory.mib) is not None:
            metrics["peak_memory_mib"] = peak
        report(EpochResult(epoch, metrics))
        save_checkpoint(checkpoint, config, model, optimizer, epoch)
    unaugmented = ClipSamples(
        dataset.train, dataset, config.data, config.training.frames, seed=None, reads=config.model.reads
    )
    return look_back(model, unaugmented, config, device, workers)


def pretrain_one_epoch(
    model: PretrainingSystem,
    optimizer: torch.optim.Optimizer,
    samples: ClipSamples,
    training: TrainingConfig,
    epoch: int,
    device: torch.device,
    workers: int,
) -> float:
    """One pass over the training clips; returns the mean loss. Arguments and errors are those of `train_one_epoch`."""
    model.train()
    steps = math.ceil(len(samples) / training.batch_size)
    total = torch.zeros((), device=device)
    for step, (batch, labels) in enumerate(load_batches(samples, training.batch_size, workers, shuffle=True)):
        set_learning_rate(optimizer, training, epoch - 1 + step / steps)
        loss = _loss(model, batch, device)
        descend(loss, model, optimizer, training)
        total += loss.detach() * len(labels)
    mean = total.item() / len(samples)
    if not math.isfinite(mean):
        rate = training.learning_rate
        raise TrainingError(f"the loss of epoch {epoch} of the pre-training is {mean}; lower its learning rate {rate}")
    return mean


@torch.inference_mode()
def look_back(
    model: PretrainingSystem, samples: ClipSamples, config: Config, device: torch.device, workers: int
) -> tuple[float, Tensor]:
    """The mean loss of clips, and pictures of the first of them; the seed decides what is masked."""
    model.eval()
    torch.manual_seed(epoch_seed(config.seed, config.training.epochs + 1))
    total, pictures = torch.zeros((), device=device), torch.empty(0)
    for step, (batch, labels) in enumerate(load_batches(samples, config.training.batch_size, workers)):
        total += _loss(model, batch, device) * len(labels)
        if step == 0:
            first = Batch(batch.size, frames=batch.frames[:PICTURED])
            pictures = model.pictures(first.to(device)).float().cpu()
    return total.item() / len(samples), pictures


def _loss(model: PretrainingSystem, batch: Batch, device: torch.device) -> Tensor:
    dtype = autocast_dtype(device)
    with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
        loss: Tensor = model(batch.to(device))
    return loss.float()
