"""MC3-18, mixed convolutions (Tran et al., CVPR 2018): a stage of 3D convolutions, then stages that see one frame."""

import torch
from torch import Tensor, nn


class MC3(nn.Module):
    """Frames → the maps of the first and of the last stage. No convolution has a stride in time.

    At width 64 with a linear layer of 400 classes it has 11 695 440 parameters, as many as torchvision's mc3_18.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv3d(3, width, (3, 7, 7), stride=(1, 2, 2), padding=(1, 3, 3), bias=False),
            nn.BatchNorm3d(width),
            nn.ReLU(),
        )
        self.stage1 = nn.Sequential(ResidualBlock(width, width, 3), ResidualBlock(width, width, 3))
        self.later = nn.Sequential(
            *(
                nn.Sequential(ResidualBlock(inputs, 2 * inputs, 1, 2), ResidualBlock(2 * inputs, 2 * inputs, 1))
                for inputs in (width, 2 * width, 4 * width)
            )
        )

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """frames B×3×T×H×W → B×C×T×H/2×W/2, B×8C×T×H/16×W/16 (sizes rounded up)."""
        local = self.stage1(self.stem(frames.contiguous(memory_format=torch.channels_last_3d)))
        return local, self.later(local)


class ResidualBlock(nn.Module):
    """Two convolutions of kernel frames×3×3, the first with `stride` in space, and a shortcut."""

    def __init__(self, inputs: int, outputs: int, frames: int, stride: int = 1) -> None:
        super().__init__()
        kernel, padding = (frames, 3, 3), (frames // 2, 1, 1)
        self.branch = nn.Sequential(
            nn.Conv3d(inputs, outputs, kernel, stride=(1, stride, stride), padding=padding, bias=False),
            nn.BatchNorm3d(outputs),
            nn.ReLU(),
            nn.Conv3d(outputs, outputs, kernel, padding=padding, bias=False),
            nn.BatchNorm3d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs or stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv3d(inputs, outputs, 1, stride=(1, stride, stride), bias=False), nn.BatchNorm3d(outputs)
            )

    def forward(self, features: Tensor) -> Tensor:
        """B×inputs×T×h×w → B×outputs×T×h/stride×w/stride (sizes rounded up)."""
        return torch.relu(self.branch(features) + self.shortcut(features))
