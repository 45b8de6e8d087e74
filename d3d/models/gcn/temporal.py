"""The three ways in which a joint's features are convolved over time."""

import torch
from torch import Tensor, nn

from d3d.models.gcn.config import GCNConfig

DILATIONS = (1, 2, 3, 4)  # of the six branches


def temporal_unit(config: GCNConfig, channels: int, stride: int) -> nn.Module:
    """A module B×channels×T×V → B×channels×⌈T/stride⌉×V that `config.time` chooses."""
    if config.time == "branches":
        return nn.Sequential(Branches(channels, stride), nn.BatchNorm2d(channels), nn.Dropout(config.dropout))
    if config.time == "four_branches":
        return nn.Sequential(FourBranches(channels, stride), nn.BatchNorm2d(channels), nn.Dropout(config.dropout))
    kernel = config.temporal_kernel
    return nn.Sequential(
        nn.Conv2d(channels, channels, (kernel, 1), stride=(stride, 1), padding=(kernel // 2, 0)),
        nn.BatchNorm2d(channels),
        nn.Dropout(config.dropout),
    )


class Branches(nn.Module):
    """Six branches on a sixth of the channels each: kernel 3 dilated 1, 2, 3 and 4 times, max-pooling, 1×1 (ST-GCN++).

    The first branch also gets the channels that remain, and no branch is without one. Their concatenation passes BN,
    ReLU and a 1×1 convolution.
    """

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        part = max(1, channels // (len(DILATIONS) + 2))
        first = max(1, channels - part * (len(DILATIONS) + 1))
        self.branches = nn.ModuleList(
            nn.Sequential(
                *_reduced(channels, first if dilation == 1 else part),
                _dilated(3, dilation, stride, first if dilation == 1 else part),
            )
            for dilation in DILATIONS
        )
        self.branches.append(nn.Sequential(*_reduced(channels, part), _pooled(stride)))
        self.branches.append(nn.Conv2d(channels, part, 1, stride=(stride, 1)))
        merged = first + part * (len(DILATIONS) + 1)
        self.merge = nn.Sequential(nn.BatchNorm2d(merged), nn.ReLU(), nn.Conv2d(merged, channels, 1))

    def forward(self, joints: Tensor) -> Tensor:
        merged: Tensor = self.merge(torch.cat([branch(joints) for branch in self.branches], dim=1))
        return merged


class FourBranches(nn.Module):
    """Four branches on a quarter of the channels each: kernel 5 dilated 1 and 2 times, max-pooling, 1×1 (CTR-GCN).

    The first branch also gets the channels that remain. The norm that follows each branch follows their concatenation
    here, which is the same.
    """

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        part = channels // 4
        first = channels - 3 * part
        self.branches = nn.ModuleList(
            [
                nn.Sequential(*_reduced(channels, first), _dilated(5, 1, stride, first)),
                nn.Sequential(*_reduced(channels, part), _dilated(5, 2, stride, part)),
                nn.Sequential(*_reduced(channels, part), _pooled(stride)),
                nn.Conv2d(channels, part, 1, stride=(stride, 1)),
            ]
        )

    def forward(self, joints: Tensor) -> Tensor:
        return torch.cat([branch(joints) for branch in self.branches], dim=1)


def _reduced(channels: int, part: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(channels, part, 1), nn.BatchNorm2d(part), nn.ReLU()


def _dilated(kernel: int, dilation: int, stride: int, part: int) -> nn.Module:
    padding, spacing = (dilation * (kernel // 2), 0), (dilation, 1)
    return nn.Conv2d(part, part, (kernel, 1), stride=(stride, 1), padding=padding, dilation=spacing)


def _pooled(stride: int) -> nn.Module:
    return nn.MaxPool2d((3, 1), stride=(stride, 1), padding=(1, 0))
