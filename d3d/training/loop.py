"""Training and evaluation (section 4, "Settings"): AdamW, a cosine schedule with warm-up, the last epoch is the result.

Every random choice is a function of (seed, epoch), so that a training killed at any epoch and continued from its
checkpoint ends with the bits of an undisturbed one on CPU.
"""

import math
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from d3d.config import Config, TrainingConfig
from d3d.data.batch import Batch, Labelled
from d3d.data.clip import Dataset
from d3d.data.samples.clip_samples import ClipSamples, Sample
from d3d.data.samples.mixup import draw_mixture
from d3d.errors import DataError, TrainingError
from d3d.models.registry import build
from d3d.models.system import System
from d3d.prediction import Prediction, mean_class_accuracy, top1
from d3d.training.checkpoint import load_checkpoint, load_trained, save_checkpoint
from d3d.training.peak_memory import PeakMemory


@dataclass(frozen=True)
class EpochResult:
    """What is reported after an epoch, counted from 1. Accuracies are fractions, memory is in MiB, where known."""

    epoch: int
    metrics: dict[str, float]


@dataclass(frozen=True)
class Evaluation:
    """The mean cross entropy, the prediction of every clip, and what the system reports of itself."""

    loss: float
    predictions: tuple[Prediction, ...]
    observed: dict[str, float] = field(default_factory=dict)  # metrics of the system's own, see System.observed

    @property
    def top1(self) -> float:
        """The fraction of clips predicted right."""
        return top1(self.predictions)

    @property
    def mean_class_accuracy(self) -> float:
        """The same within each class, averaged over the classes."""
        return mean_class_accuracy(self.predictions)


def train(
    config: Config,
    dataset: Dataset,
    device: torch.device,
    checkpoint: Path,
    report: Callable[[EpochResult], None],
    workers: int = 0,
    test_every: int = 1,
    notice: Callable[[str], None] = warnings.warn,
) -> tuple[Prediction, ...]:
    """Trains, continuing from the checkpoint folder if it holds a state; returns the last epoch's test predictions.

    `report` is called before the epoch's checkpoint is written: after a kill an epoch may be reported twice, with the
    same numbers. `workers` processes read clips beside the training. It is tested after every `test_every`-th epoch and
    the last; the others have no metrics of a test. `notice` is told of a damaged checkpoint, without which it goes on
    from the one before. Raises TrainingError when the loss is no number, which leaves the last good checkpoint,
    CheckpointError when that is of another configuration, DataError when a clip cannot be read.
    """
    memory = PeakMemory(device)
    torch.manual_seed(config.seed)
    model = build(config.model, dataset.skeleton).to(device)
    average = build_average(model, config.training)
    optimizer = build_optimizer(model, config.training)
    samples = ClipSamples(
        dataset.train,
        dataset,
        config.data,
        config.training.frames,
        seed=config.seed,
        augmentation=config.augmentation,
        reads=config.model.reads,
    )
    finished = load_checkpoint(checkpoint, config, model, optimizer, average, notice)
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
                **evaluation.observed,
            }
        if (peak := memory.mib) is not None:
            metrics["peak_memory_mib"] = peak
        report(EpochResult(epoch, metrics))
        save_checkpoint(checkpoint, config, model, optimizer, epoch, average)
    return (evaluation or evaluate(tested, dataset, config, device, workers)).predictions


def evaluate_trained(
    config: Config, trained: Config, dataset: Dataset, device: torch.device, checkpoint: Path, workers: int = 0
) -> Evaluation:
    """Tests the finished training of `trained`, whose checkpoint folder is given, as `config` says; nothing is trained.

    The two may differ in the evaluation and in windows and strides, which have no weights. Raises CheckpointError.
    """
    model = build(config.model, dataset.skeleton).to(device)
    load_trained(checkpoint, trained, model)
    return evaluate(model, dataset, config, device, workers)


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
    """One pass over the training clips in an order drawn from torch's generator; returns mean loss and top-1.

    `average` follows the weights after every step. With mixup the top-1 is of mixed clips, against their own labels.
    """
    model.train()
    loader = DataLoader(samples, training.batch_size, shuffle=True, collate_fn=samples.collate, num_workers=workers)
    total_loss = torch.zeros((), device=device)
    total_right = torch.zeros((), device=device)
    for step, (batch, targets) in enumerate(batches(loader)):
        rate = learning_rate(training, epoch - 1 + step / len(loader))
        for group in optimizer.param_groups:
            group["lr"] = rate
        labels = targets.to(device)
        if training.mixup:
            mixture = draw_mixture(training.mixup, len(labels))
            logits = predict(model, mixture.mix(batch), device)
            loss = mixture.cross_entropy(logits, labels, training.label_smoothing)
        else:
            logits = predict(model, batch, device)
            loss = cross_entropy(logits, labels, label_smoothing=training.label_smoothing)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), training.gradient_clip)
        optimizer.step()
        if average is not None:
            average.update_parameters(model)
        total_loss += loss.detach() * len(labels)
        total_right += (logits.detach().argmax(dim=1) == labels).sum()
    mean = total_loss.item() / len(samples)
    if not math.isfinite(mean):
        rate = training.learning_rate
        raise TrainingError(f"the loss of epoch {epoch} is {mean}; lower training.learning_rate={rate}")
    return mean, total_right.item() / len(samples)


@torch.inference_mode()
def evaluate(
    model: System | AveragedModel, dataset: Dataset, config: Config, device: torch.device, workers: int = 0
) -> Evaluation:
    """The test clips once, in order: centred segments, centre crop, and what `config.evaluation` changes."""
    model.eval()
    frames = config.evaluation.frames or config.training.frames
    reads = config.model.reads
    samples = ClipSamples(
        dataset.test, dataset, config.data, frames, seed=None, evaluation=config.evaluation, reads=reads
    )
    loader = DataLoader(samples, config.training.batch_size, collate_fn=samples.collate, num_workers=workers)
    losses, answered = [], []
    with _system(model).observed() as observed:
        for batch, labels in batches(loader):
            logits = predict(model, batch, device)
            losses.append(cross_entropy(logits, labels.to(device), reduction="none"))
            answered.append(logits)
    answers = torch.cat(answered)
    said = zip(dataset.test, answers.argmax(dim=1).tolist(), answers.softmax(dim=1).tolist(), strict=True)
    predictions = tuple(
        Prediction(clip.id, clip.label, answer, clip.group, tuple(probabilities))
        for clip, answer, probabilities in said
    )
    return Evaluation(torch.cat(losses).mean().item(), predictions, observed)


def batches(loader: DataLoader[Sample]) -> Iterator[Labelled]:
    """What it loads. Raises the DataError of a clip as the clip's reader raised it, in whichever process that was."""
    try:
        yield from loader
    except DataError as error:
        if not loader.num_workers:
            raise
        # From another process it comes with the traceback there as its message, whose last line is the one meant.
        said = error.args[0].strip().splitlines()[-1]
        raise DataError(said.partition(f"{DataError.__name__}: ")[2]) from error


def autocast_dtype(device: torch.device) -> torch.dtype | None:
    """What the model computes in beside float32: bfloat16 where a GPU gains by it, elsewhere nothing."""
    return torch.bfloat16 if device.type == "cuda" else None


def predict(model: nn.Module, batch: Batch, device: torch.device) -> Tensor:
    """Logits B×K in float32; see `autocast_dtype`."""
    dtype = autocast_dtype(device)
    with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
        logits: Tensor = model(batch.to(device))
    return logits.float()


def _system(model: System | AveragedModel) -> System:
    """The system itself, or that of the moving average of its weights."""
    system = model.module if isinstance(model, AveragedModel) else model
    assert isinstance(system, System)
    return system


def build_average(model: nn.Module, training: TrainingConfig) -> AveragedModel | None:
    """The exponential moving average of weights and of batch norm's statistics, if the configuration asks for one."""
    if not training.average:
        return None
    decay = get_ema_multi_avg_fn(training.average)  # type: ignore[no-untyped-call]
    return AveragedModel(model, multi_avg_fn=decay, use_buffers=True)


def build_optimizer(model: nn.Module, training: TrainingConfig) -> torch.optim.AdamW:
    """AdamW; weight decay on matrices and kernels, none on norms and biases."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": training.weight_decay},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=training.learning_rate, fused=True)


def learning_rate(training: TrainingConfig, epochs: float) -> float:
    """The rate after so many epochs: linear warm-up from 0, then half a cosine down to 0."""
    if epochs < training.warmup_epochs:
        return training.learning_rate * (epochs + 1e-2) / (training.warmup_epochs + 1e-2)
    progress = (epochs - training.warmup_epochs) / max(1e-9, training.epochs - training.warmup_epochs)
    return training.learning_rate * (1 + math.cos(math.pi * min(1.0, progress))) / 2


def epoch_seed(seed: int, epoch: int) -> int:
    """The generator's seed in one epoch of one training."""
    return seed * 1_000_003 + epoch
