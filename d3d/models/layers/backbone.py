"""The layers of R(2+1)D (Tran et al., CVPR 2018), and the backbone that the 3D deformable transformer makes of them."""

import torch
from torch import Tensor, nn
from torch.nn.functional import relu


def middle_channels(inputs: int, outputs: int) -> int:
    """Channels between the two halves of a (2+1)D convolution that give it the parameters of a 3×3×3 convolution."""
    return max(1, (inputs * outputs * 27) // (inputs * 9 + 3 * outputs))


def factored_convolution(
    inputs: int, middle: int, outputs: int, stride: int, temporal_stride: int = 1
) -> nn.Sequential:
    """(2+1)D: a 1×3×3 convolution in space, then a 3×1×1 convolution in time.

    Args:
        inputs: channels.
        middle: channels between the two.
        outputs: channels.
        stride: in both directions of space.
        temporal_stride: in time.
    """
    return nn.Sequential(
        nn.Conv3d(inputs, middle, (1, 3, 3), stride=(1, stride, stride), padding=(0, 1, 1), bias=False),
        nn.BatchNorm3d(middle),
        nn.ReLU(),
        nn.Conv3d(middle, outputs, (3, 1, 1), stride=(temporal_stride, 1, 1), padding=(1, 0, 0), bias=False),
        nn.BatchNorm3d(outputs),
    )


def stem(width: int) -> nn.Sequential:
    """The first two convolutions, B×3×T×H×W → B×width×T×H/2×W/2."""
    middle = max(1, 45 * width // 64)  # R(2+1)D's 45 at 64 channels
    return nn.Sequential(
        nn.Conv3d(3, middle, (1, 7, 7), stride=(1, 2, 2), padding=(0, 3, 3), bias=False),
        nn.BatchNorm3d(middle),
        nn.ReLU(),
        nn.Conv3d(middle, width, (3, 1, 1), padding=(1, 0, 0), bias=False),
        nn.BatchNorm3d(width),
        nn.ReLU(),
    )


class ResidualBlock(nn.Module):
    """Two (2+1)D convolutions and a shortcut.

    `inputs` and `outputs` are channels; the first convolution has `stride` in space and `temporal_stride` in time.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, temporal_stride: int = 1) -> None:
        super().__init__()
        middle = middle_channels(inputs, outputs)
        self.first = factored_convolution(inputs, middle, outputs, stride, temporal_stride)
        self.second = factored_convolution(outputs, middle, outputs, 1)
        self.shortcut: nn.Module = nn.Identity()
        if (stride, temporal_stride) != (1, 1) or inputs != outputs:
            strides = (temporal_stride, stride, stride)
            self.shortcut = nn.Sequential(
                nn.Conv3d(inputs, outputs, 1, stride=strides, bias=False), nn.BatchNorm3d(outputs)
            )

    def forward(self, features: Tensor) -> Tensor:
        """B×inputs×T×h×w → B×outputs×T/temporal_stride×h/stride×w/stride (sizes rounded up)."""
        return relu(self.second(relu(self.first(features))) + self.shortcut(features))


class Backbone(nn.Module):
    """Frames → F_a (for the pose tokens) and F_b (the RGB tokens) of the 3D deformable transformer (section 3.1).

    Every temporal stride is 1 and the last stage is dropped, which is what the paper's shapes ask for: F_a with H/2×W/2
    after the first stage, F_b with 4C channels and H/8×W/8 after the third, both with all T frames. At C = 64 and
    12×224² it has 7.8 M parameters and takes 179 GMACs.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = stem(width)
        self.stage1 = nn.Sequential(ResidualBlock(width, width, 1), ResidualBlock(width, width, 1))
        self.stage2 = nn.Sequential(ResidualBlock(width, 2 * width, 2), ResidualBlock(2 * width, 2 * width, 1))
        self.stage3 = nn.Sequential(ResidualBlock(2 * width, 4 * width, 2), ResidualBlock(4 * width, 4 * width, 1))

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """frames B×3×T×H×W → F_a B×C×T×H/2×W/2, F_b B×4C×T×H/8×W/8 (sizes rounded up)."""
        frames = frames.contiguous(memory_format=torch.channels_last_3d)  # up to twice as fast, forward and backward
        local = self.stage1(self.stem(frames))
        return local, self.stage3(self.stage2(local))
