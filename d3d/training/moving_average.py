"""The exponential moving average of a model's weights: where a training asks for one, it is what is tested."""

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from d3d.config import TrainingConfig
from d3d.models.system import System


def build_average(model: nn.Module, training: TrainingConfig) -> AveragedModel | None:
    """The moving average of the weights and of batch norm's statistics; None where `training.average` is 0."""
    if not training.average:
        return None
    decay = get_ema_multi_avg_fn(training.average)  # type: ignore[no-untyped-call]
    return AveragedModel(model, multi_avg_fn=decay, use_buffers=True)


def system_of(model: System | AveragedModel) -> System:
    """The model itself, or the system that holds the moving average of its weights."""
    system = model.module if isinstance(model, AveragedModel) else model
    assert isinstance(system, System)
    return system
