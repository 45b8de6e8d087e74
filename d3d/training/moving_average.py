"""The exponential moving average of a model's weights: where a training asks for one, it is what is tested."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.optim.swa_utils import PARAM_LIST, AveragedModel, get_ema_multi_avg_fn

from d3d.config import TrainingConfig
from d3d.models.system import System


def build_average(model: nn.Module, training: TrainingConfig) -> AveragedModel | None:
    """The moving average of the weights and of batch norm's statistics; None where `training.average` is 0.

    Frozen weights are copied once: the average of equal weights is these weights.
    """
    if not training.average:
        return None
    average = AveragedModel(model, use_buffers=True)
    frozen = {weight.data_ptr() for weight in average.parameters() if not weight.requires_grad}
    average.multi_avg_fn = _of_others(frozen, get_ema_multi_avg_fn(training.average))  # type: ignore[no-untyped-call]
    return average


Averaging = Callable[[PARAM_LIST, PARAM_LIST, Tensor | int], None]
"""Moves averages towards the weights of now, in place; the last argument is how often that has been done."""


def _of_others(frozen: set[int], averaging: Averaging) -> Averaging:
    """The averaging of those weights whose averages do not lie at these places in memory."""

    def average(averages: PARAM_LIST, weights: PARAM_LIST, count: Tensor | int) -> None:
        others = [(mine, now) for mine, now in zip(averages, weights, strict=True) if mine.data_ptr() not in frozen]
        if others:
            averaging([mine for mine, _ in others], [now for _, now in others], count)

    return average


def system_of(model: System | AveragedModel) -> System:
    """The model itself, or the system that holds the moving average of its weights."""
    system = model.module if isinstance(model, AveragedModel) else model
    assert isinstance(system, System)
    return system
