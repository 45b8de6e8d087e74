"""The optimizer and its schedule (section 4, "Settings"): AdamW, a linear warm-up, then half a cosine."""

import math

import torch
from torch import nn

from d3d.config import TrainingConfig


def build_optimizer(model: nn.Module, training: TrainingConfig) -> torch.optim.AdamW:
    """AdamW with weight decay on matrices and convolution kernels; norms and biases do not decay.

    Frozen weights are left out.
    """
    parameters = [weight for weight in model.parameters() if weight.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": training.weight_decay},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=training.learning_rate, fused=True)


def set_learning_rate(optimizer: torch.optim.Optimizer, training: TrainingConfig, epochs: float) -> None:
    """Gives the optimizer the rate after this many epochs, a real number."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(training, epochs)


def learning_rate(training: TrainingConfig, epochs: float) -> float:
    """The rate after this many epochs, a real number: linear warm-up from about 0, then half a cosine down to 0."""
    if epochs < training.warmup_epochs:
        return training.learning_rate * (epochs + 1e-2) / (training.warmup_epochs + 1e-2)
    progress = (epochs - training.warmup_epochs) / max(1e-9, training.epochs - training.warmup_epochs)
    return training.learning_rate * (1 + math.cos(math.pi * min(1.0, progress))) / 2
