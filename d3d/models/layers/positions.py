"""Embeddings of places and times, for any number of them."""

import math

import torch
from torch import Tensor, nn


class FourierEmbedding(nn.Module):
    """Sines and cosines of coordinates in [−1, 1] at doubling frequencies, mapped to the token dimension."""

    def __init__(self, coordinates: int, dimension: int, octaves: int = 5) -> None:
        super().__init__()
        self.register_buffer("frequencies", math.pi / 2 * 2.0 ** torch.arange(octaves), persistent=False)
        self.frequencies: Tensor
        self.project = nn.Linear(coordinates * 2 * octaves, dimension)

    def forward(self, coordinates: Tensor) -> Tensor:
        """…×n → …×D."""
        angles = (coordinates[..., None] * self.frequencies.to(coordinates.dtype)).flatten(-2)
        return self.project(torch.cat([angles.sin(), angles.cos()], dim=-1))  # type: ignore[no-any-return]


def regular_coordinates(count: int, like: Tensor) -> Tensor:
    """`count` coordinates from −1 to 1, and 0 for a single one: relative, so any number of frames or tokens works."""
    return torch.linspace(-1, 1, count, device=like.device, dtype=like.dtype) if count > 1 else like.new_zeros(1)
