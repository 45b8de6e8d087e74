"""The training loop (section 4, "Settings"): the result of a training is that of its last epoch.

Every random choice is a function of (seed, epoch), so that a training that was killed and continues from its checkpoint
ends with the same bits as an undisturbed one on a CPU.
"""

import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.swa_utils import AveragedModel

from d3d.config import Config, TrainingConfig
from d3d.data.clip import Dataset
from d3d.data.samples.clip_samples import ClipSamples
from d3d.data.samples.loading import load_batches
from d3d.data.samples.mixup import draw_mixture
from d3d.errors import TrainingError
from d3d.models.registry import build
from d3d.prediction import Prediction
from d3d.training.checkpoint import TrainedPart, load_checkpoint, load_part, save_checkpoint
from d3d.training.description import describe
from d3d.training.evaluation import evaluate
from d3d.training.forward import predict
from d3d.training.moving_average import build_average
from d3d.training.optimizer import build_optimizer, set_learning_rate
from d3d.training.peak_memory import PeakMemory


@dataclass(frozen=True)
class EpochResult:
    """The metrics of one epoch, counted from 1. Accuracies are fractions; memory is in MiB, where it is known."""

    epoch: int
    metrics: dict[str, float]


def train(
    config: Config,
    dataset: Dataset,
    device: torch.device,
    checkpoint: Path,
    report: Callable[[EpochResult], None],
    workers: int = 0,
    test_every: int = 1,
    notice: Callable[[str], None] = warnings.warn,
    starts: Sequence[TrainedPart] = (),
) -> tuple[Prediction, ...]:
    """Trains a system, from its checkpoint on if there is one; returns the test predictions after the last epoch.

    Args:
        config: the system, how it is trained and tested, and the seed.
        dataset: the clips to train and to test on.
        device: where the model runs.
        checkpoint: the folder of the checkpoints, which is made where it does not exist.
        report: called after each epoch and before its checkpoint is written: after a kill, the same epoch may be
            reported once more, with the same numbers.
        workers: processes that read clips beside the training; with 0 this process reads them.
        test_every: epochs from one test to the next. The last epoch is always tested; the metrics of an epoch that is
            not tested have no `eval_` in them.
        notice: told of each damaged checkpoint, which is removed; the training continues from the one before it.
        starts: the parts of the system that start with the weights of finished trainings.

    Raises TrainingError where the loss is not finite, which leaves the last good checkpoint; CheckpointError where the
    checkpoint is of another configuration, or weights to start with are not there; DataError where a clip cannot be
    read.
    """
    memory = PeakMemory(device)
    torch.manual_seed(config.seed)
    model = build(config.model, dataset.skeleton).to(device)
    model.load_files()
    for part in starts:
        load_part(part, model)
    average = build_average(model, config.training)
    optimizer = build_optimizer(model, config.training)
    samples = training_samples(config, dataset)
    finished, described = (
        load_checkpoint(checkpoint, config, model, optimizer, average, notice),
        describe(config, dataset),
    )
    tested = model if average is None else average
    evaluation = None
    for epoch in range(finished + 1, config.training.epochs + 1):
        started = time.perf_counter()
        samples.epoch = epoch
        torch.manual_seed(epoch_seed(config.seed, epoch))
        loss, top1 = train_one_epoch(model, optimizer, samples, config.training, epoch, device, workers, average)
        metrics = {
            "train_loss": loss,
            "train_top1": top1,
            "learning_rate": optimizer.param_groups[0]["lr"],
            "clips_per_second": len(samples) / (time.perf_counter() - started),
        }
        if epoch % test_every == 0 or epoch == config.training.epochs:
            began = time.perf_counter()
            evaluation = evaluate(tested, dataset, config, device, workers)
            metrics |= {
                "eval_clips_per_second": len(dataset.test) / (time.perf_counter() - began),
                "eval_loss": evaluation.loss,
                "eval_top1": evaluation.top1,
                "eval_mean_class_accuracy": evaluation.mean_class_accuracy,
                **{f"eval_{part}_top1": accuracy for part, accuracy in evaluation.part_top1.items()},
                **evaluation.observed,
            }
        if (peak := memory.mib) is not None:
            metrics["peak_memory_mib"] = peak
        report(EpochResult(epoch, metrics))
        save_checkpoint(checkpoint, config, model, optimizer, epoch, average, described)
    return (evaluation or evaluate(tested, dataset, config, device, workers)).predictions


def training_samples(config: Config, dataset: Dataset) -> ClipSamples:
    """The training clips of a dataset, augmented as the configuration says."""
    return ClipSamples(
        dataset.train,
        dataset,
        config.data,
        config.training.frames,
        seed=config.seed,
        augmentation=config.augmentation,
        reads=config.model.reads,
    )


def train_one_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    samples: ClipSamples,
    training: TrainingConfig,
    epoch: int,
    device: torch.device,
    workers: int,
    average: AveragedModel | None = None,
) -> tuple[float, float]:
    """One pass over the training clips; returns the mean loss and top-1, a fraction.

    With mixup, top-1 is that of the mixed clips against their own labels.

    Args:
        model: on `device`; its weights change.
        optimizer: of the model's weights; its learning rate is set before each step.
        samples: the training clips, which are loaded in an order drawn from torch's generator.
        training: batch size, schedule, mixup, label smoothing and gradient clipping.
        epoch: counted from 1.
        device: where the model is.
        workers: processes that read clips; with 0 this process reads them.
        average: the moving average of the weights, updated after every step; None where there is none.

    Raises TrainingError where the loss is not finite, DataError where a clip cannot be read.
    """
    model.train()
    steps = math.ceil(len(samples) / training.batch_size)
    total_loss = torch.zeros((), device=device)
    total_right = torch.zeros((), device=device)
    for step, (batch, targets) in enumerate(load_batches(samples, training.batch_size, workers, shuffle=True)):
        set_learning_rate(optimizer, training, epoch - 1 + step / steps)
        labels = targets.to(device)
        if training.mixup:
            mixture = draw_mixture(training.mixup, len(labels))
            logits = predict(model, mixture.mix(batch), device)
            loss = mixture.cross_entropy(logits, labels, training.label_smoothing)
        else:
            logits = predict(model, batch, device)
            loss = cross_entropy(logits, labels, label_smoothing=training.label_smoothing)
        descend(loss, model, optimizer, training)
        if average is not None:
            average.update_parameters(model)
        total_loss += loss.detach() * len(labels)
        total_right += (logits.detach().argmax(dim=1) == labels).sum()
    mean = total_loss.item() / len(samples)
    if not math.isfinite(mean):
        rate = training.learning_rate
        raise TrainingError(f"the loss of epoch {epoch} is {mean}; lower training.learning_rate={rate}")
    return mean, total_right.item() / len(samples)


def descend(loss: Tensor, model: nn.Module, optimizer: torch.optim.Optimizer, training: TrainingConfig) -> None:
    """One step of the optimizer down the gradient of a loss, which is clipped."""
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(model.parameters(), training.gradient_clip)
    optimizer.step()


def epoch_seed(seed: int, epoch: int) -> int:
    """The seed of torch's generator in one epoch of the training with this seed."""
    return seed * 1_000_003 + epoch
