"""The two ways in which a joint's features are convolved over time."""

import torch
from torch import Tensor, nn

from d3d.models.gcn.config import GCNConfig

DILATIONS = (1, 2, 3, 4)


def temporal_unit(config: GCNConfig, channels: int, stride: int) -> nn.Module:
    """A module B×channels×T×V → B×channels×⌈T/stride⌉×V that `config.time` chooses."""
    if config.time == "branches":
        return nn.Sequential(Branches(channels, stride), nn.BatchNorm2d(channels), nn.Dropout(config.dropout))
    kernel = config.temporal_kernel
    return nn.Sequential(
        nn.Conv2d(channels, channels, (kernel, 1), stride=(stride, 1), padding=(kernel // 2, 0)),
        nn.BatchNorm2d(channels),
        nn.Dropout(config.dropout),
    )


class Branches(nn.Module):
    """Six branches on a sixth of the channels each: kernel 3 dilated 1, 2, 3 and 4 times, max-pooling, 1×1 (ST-GCN++).

    The first branch also gets the channels that remain. Their concatenation passes BN, ReLU and a 1×1 convolution.
    """

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        part = channels // (len(DILATIONS) + 2)
        first = channels - part * (len(DILATIONS) + 1)
        self.branches = nn.ModuleList(
            nn.Sequential(
                *_reduced(channels, first if dilation == 1 else part),
                _dilated(dilation, stride, first if dilation == 1 else part),
            )
            for dilation in DILATIONS
        )
        pooled = nn.MaxPool2d((3, 1), stride=(stride, 1), padding=(1, 0))
        self.branches.append(nn.Sequential(*_reduced(channels, part), pooled))
        self.branches.append(nn.Conv2d(channels, part, 1, stride=(stride, 1)))
        self.merge = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, channels, 1))

    def forward(self, joints: Tensor) -> Tensor:
        merged: Tensor = self.merge(torch.cat([branch(joints) for branch in self.branches], dim=1))
        return merged


def _reduced(channels: int, part: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(channels, part, 1), nn.BatchNorm2d(part), nn.ReLU()


def _dilated(dilation: int, stride: int, part: int) -> nn.Module:
    padding, spacing = (dilation, 0), (dilation, 1)
    return nn.Conv2d(part, part, (3, 1), stride=(stride, 1), padding=padding, dilation=spacing)
