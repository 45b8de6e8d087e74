"""The test of a model: every test clip once, in order, and what the model predicts for it."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch.nn.functional import nll_loss
from torch.optim.swa_utils import AveragedModel

from d3d.config import Config
from d3d.data.clip import Dataset
from d3d.data.samples.clip_samples import ClipSamples
from d3d.data.samples.loading import load_batches
from d3d.models.registry import build
from d3d.models.system import System
from d3d.prediction import Prediction, mean_class_accuracy, part_top1, top1
from d3d.training.checkpoint import load_trained
from d3d.training.forward import predict
from d3d.training.moving_average import system_of


@dataclass(frozen=True)
class Evaluation:
    """The mean cross entropy of the test clips, the prediction for each of them, and the system's own metrics."""

    loss: float
    predictions: tuple[Prediction, ...]
    observed: dict[str, float] = field(default_factory=dict)  # see System.observed

    @property
    def top1(self) -> float:
        """The fraction of clips that are predicted correctly."""
        return top1(self.predictions)

    @property
    def mean_class_accuracy(self) -> float:
        """The fraction of clips of a class that are predicted correctly, averaged over the classes."""
        return mean_class_accuracy(self.predictions)

    @property
    def part_top1(self) -> dict[str, float]:
        """The part of the labels, such as the verb → the fraction of clips of which it is predicted correctly."""
        return part_top1(self.predictions)


@torch.inference_mode()
def evaluate(
    model: System | AveragedModel, dataset: Dataset, config: Config, device: torch.device, workers: int = 0
) -> Evaluation:
    """Tests a model on the centre crop of one frame of each segment, as `config.evaluation` says.

    A clip of several views is predicted from the mean of their probabilities.

    Args:
        model: the system, on `device`, or the moving average of its weights.
        dataset: whose test clips are read.
        config: of the training; `config.evaluation` says what the test changes.
        device: where the model is.
        workers: processes that read clips; with 0 this process reads them.

    Raises DataError where a clip cannot be read.
    """
    model.eval()
    frames = config.evaluation.frames or config.training.frames
    reads = config.model.reads
    views = []
    with system_of(model).observed() as observed:
        for view in range(config.evaluation.views):
            samples = ClipSamples(
                *(dataset.test, dataset, config.data, frames),
                seed=None,
                evaluation=config.evaluation,
                view=view,
                reads=reads,
            )
            batches = load_batches(samples, config.training.batch_size, workers)
            views.append(torch.cat([predict(model, batch, device).log_softmax(dim=1) for batch, _ in batches]))
    logarithms = torch.stack(views).logsumexp(dim=0) - math.log(len(views))
    labels = torch.tensor([clip.label for clip in dataset.test], device=device)
    loss = nll_loss(logarithms, labels, reduction="none").mean().item()
    answers = zip(dataset.test, logarithms.argmax(dim=1).tolist(), logarithms.exp().tolist(), strict=True)
    predictions = tuple(
        Prediction(
            clip.id,
            clip.label,
            predicted,
            clip.group,
            tuple(probabilities),
            tuple(part.predict(clip.label, probabilities) for part in dataset.parts),
        )
        for clip, predicted, probabilities in answers
    )
    return Evaluation(loss, predictions, observed)


def evaluate_trained(
    config: Config, trained: Config, dataset: Dataset, device: torch.device, checkpoint: Path, workers: int = 0
) -> Evaluation:
    """Tests the weights of a finished training; nothing is trained.

    Args:
        config: how to test. It may differ from `trained` in `evaluation` and in windows and strides, which have no
            weights.
        trained: the configuration of the training.
        dataset: whose test clips are read.
        device: where the model runs.
        checkpoint: the folder that the training wrote its checkpoints to.
        workers: processes that read clips; with 0 this process reads them.

    Raises CheckpointError where the training is not finished or its checkpoint is damaged, DataError where a clip
    cannot be read.
    """
    model = build(config.model, dataset.skeleton).to(device)
    load_trained(checkpoint, trained, model)
    return evaluate(model, dataset, config, device, workers)
