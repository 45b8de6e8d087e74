"""R(2+1)D-18: factored convolutions, the mean over time and space, and a linear layer."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from d3d.data.batch import Batch
from d3d.data.skeleton import Skeleton
from d3d.models.layers.backbone import ResidualBlock, stem
from d3d.models.r2plus1d.config import R2Plus1DConfig
from d3d.models.system import System


class R2Plus1D(System):
    """R(2+1)D-18. At width 64 with 400 classes it has 31 505 325 parameters, as many as torchvision's r2plus1d_18."""

    config_type = R2Plus1DConfig

    def __init__(self, config: R2Plus1DConfig, skeleton: Skeleton | None = None) -> None:
        super().__init__(config, skeleton)
        self.features = nn.Sequential(stem(config.width), *_stages(config))
        channels = config.width * (8 if config.stages == "published" else 4)
        self.head = nn.Linear(channels, config.classes)

    def forward(self, batch: Batch) -> Tensor:
        """B clips of any number of frames → logits B×K."""
        frames = batch.frames.contiguous(memory_format=torch.channels_last_3d)
        return self.head(self.features(frames).mean(dim=(2, 3, 4)))  # type: ignore[no-any-return]


def _stages(config: R2Plus1DConfig) -> Iterator[nn.Module]:
    """Two residual blocks a stage; all but the first stage begin with the stride."""
    count, frames = (4, 2) if config.stages == "published" else (3, 1)
    channels = config.width
    for stage in range(count):
        outputs = config.width * 2**stage
        first = stage == 0
        yield ResidualBlock(channels, outputs, 1 if first else 2, 1 if first else frames)
        yield ResidualBlock(outputs, outputs, 1)
        channels = outputs
