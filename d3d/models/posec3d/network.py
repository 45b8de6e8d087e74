"""PoseC3D: heatmaps of a clip as a volume with a channel for each joint or limb, and a 3D convolutional network."""

from collections.abc import Iterator

import torch
from einops import rearrange
from torch import Tensor, nn

from d3d.data.batch import Batch
from d3d.data.skeleton import Skeleton
from d3d.errors import ConfigError
from d3d.models.layers.heatmaps import joint_heatmaps, limb_heatmaps
from d3d.models.posec3d.config import PoseC3DConfig
from d3d.models.system import System

PUBLISHED_SIDE = 56  # pixels of the map that sigma is stated for
SMALLEST_SIGMA = 0.5  # pixels; a narrower Gaussian falls between the pixels
BOTTLENECKS = {"published": (4, 6, 3), "small": (1, 2, 1)}
STEM = {"published": 7, "small": 3}  # pixels of the first kernel
STAGES = ((1, 1), (3, 1), (3, 2))  # of each stage (frames of the kernels, temporal stride)


class PoseC3D(System):
    """All persons are in one volume: a pixel has the largest value that any of them gives it.

    At width 32 with 17 joints and 60 classes it has 2.02 million parameters.
    """

    config_type = PoseC3DConfig

    def __init__(self, config: PoseC3DConfig, skeleton: Skeleton | None = None) -> None:
        super().__init__(config, skeleton)
        self.config = config
        self.limbs = () if skeleton is None else skeleton.limbs
        if config.heatmaps == "limb" and not self.limbs:
            fault = "the skeleton has no limbs; name them in its file (docs/data.md), or use joint"
            raise ConfigError(f"model.heatmaps=limb: {fault}")
        maps = config.joints // config.persons if config.heatmaps == "joint" else len(self.limbs)
        kernel = STEM[config.stages]
        stem = nn.Conv3d(maps, config.width, (1, kernel, kernel), padding=(0, kernel // 2, kernel // 2), bias=False)
        self.features = nn.Sequential(stem, nn.BatchNorm3d(config.width), nn.ReLU(), _pool(), *_stages(config))
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(16 * config.width, config.classes)

    def forward(self, batch: Batch) -> Tensor:
        """B clips of any number of frames → logits B×K."""
        volume = self.volume(batch).contiguous(memory_format=torch.channels_last_3d)
        return self.head(self.dropout(self.features(volume).mean(dim=(2, 3, 4))))  # type: ignore[no-any-return]

    def volume(self, batch: Batch) -> Tensor:
        """B clips → heatmaps B×V×T×h×w, or B×L×T×h×w of limbs, with values from 0 to 1."""
        scale = min(1.0, self.config.resolution / max(batch.size))
        size = max(1, round(batch.size[0] * scale)), max(1, round(batch.size[1] * scale))
        sigma = max(SMALLEST_SIGMA, self.config.sigma * max(size) / PUBLISHED_SIDE)
        joints = rearrange(batch.joints, "b t (m v) c -> b t m v c", m=self.config.persons)
        visible = rearrange(batch.visible, "b t (m v) -> b t m v", m=self.config.persons)
        shrunk = joints.new_tensor([size[1] / batch.size[1], size[0] / batch.size[0]])
        joints = (joints + 0.5) * shrunk - 0.5  # pixels are counted from the centre of the first
        if self.config.heatmaps == "joint":
            maps = joint_heatmaps(joints, visible, size, sigma)
        else:
            maps = limb_heatmaps(joints, visible, self.limbs, size, sigma)
        return rearrange(maps.amax(dim=2), "b t v h w -> b v t h w")


class Bottleneck(nn.Module):
    """Convolutions of frames×1×1, 1×3×3 with the strides, and 1×1×1 to four times the channels, and a shortcut.

    Args:
        inputs: channels.
        middle: channels between the convolutions.
        frames: that the first kernel spans, odd.
        temporal_stride: of the second convolution in time.
        stride: of the second convolution in both directions of space.
    """

    def __init__(self, inputs: int, middle: int, frames: int, temporal_stride: int, stride: int) -> None:
        super().__init__()
        outputs, strides = 4 * middle, (temporal_stride, stride, stride)
        self.branch = nn.Sequential(
            nn.Conv3d(inputs, middle, (frames, 1, 1), padding=(frames // 2, 0, 0), bias=False),
            nn.BatchNorm3d(middle),
            nn.ReLU(),
            nn.Conv3d(middle, middle, (1, 3, 3), stride=strides, padding=(0, 1, 1), bias=False),
            nn.BatchNorm3d(middle),
            nn.ReLU(),
            nn.Conv3d(middle, outputs, 1, bias=False),
            nn.BatchNorm3d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs or strides != (1, 1, 1):
            self.shortcut = nn.Sequential(
                nn.Conv3d(inputs, outputs, 1, stride=strides, bias=False), nn.BatchNorm3d(outputs)
            )

    def forward(self, features: Tensor) -> Tensor:
        """B×inputs×T×h×w → B×4·middle×T/temporal_stride×h/stride×w/stride (sizes rounded up)."""
        return torch.relu(self.branch(features) + self.shortcut(features))


def _pool() -> nn.Module:
    return nn.MaxPool3d((1, 3, 3), stride=1, padding=(0, 1, 1))


def _stages(config: PoseC3DConfig) -> Iterator[nn.Module]:
    channels = config.width
    for stage, (count, (frames, temporal_stride)) in enumerate(zip(BOTTLENECKS[config.stages], STAGES, strict=True)):
        middle = config.width * 2**stage
        for block in range(count):
            first = block == 0
            yield Bottleneck(channels, middle, frames, temporal_stride if first else 1, 2 if first else 1)
            channels = 4 * middle
