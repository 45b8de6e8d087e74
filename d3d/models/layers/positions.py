"""Embeddings of places and times, for any number of them."""

import math

import torch
from torch import Tensor, nn


class FourierEmbedding(nn.Module):
    """Sines and cosines of coordinates in [−1, 1] at doubling frequencies, mapped to the token dimension."""

    def __init__(self, coordinates: int, dimension: int, octaves: int = 5) -> None:
        super().__init__()
        self.register_buffer("frequencies", frequencies(octaves), persistent=False)
        self.frequencies: Tensor
        self.project = nn.Linear(coordinates * 2 * octaves, dimension)

    def forward(self, coordinates: Tensor) -> Tensor:
        """…×n → …×D."""
        return self.project(waves(coordinates, self.frequencies))  # type: ignore[no-any-return]


class JointwiseFourierEmbedding(nn.Module):
    """The same with a linear map of its own for each joint.

    The mean over the joints of one shared map forgets which joint is where; that of R maps is a linear function of the
    whole skeleton.
    """

    def __init__(self, joints: int, coordinates: int, dimension: int, octaves: int = 5) -> None:
        super().__init__()
        self.register_buffer("frequencies", frequencies(octaves), persistent=False)
        self.frequencies: Tensor
        features = coordinates * 2 * octaves
        bound = features**-0.5  # as in nn.Linear
        self.weight = nn.Parameter(torch.empty(joints, features, dimension).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(joints, dimension).uniform_(-bound, bound))

    def forward(self, coordinates: Tensor, own: Tensor | None = None) -> Tensor:
        """…×R×n → …×R×D; `own` are the indices of these R joints among all, None where they are all."""
        weight, bias = (self.weight, self.bias) if own is None else (self.weight[own], self.bias[own])
        return torch.einsum("...rf,rfd->...rd", waves(coordinates, self.frequencies), weight) + bias


def frequencies(octaves: int) -> Tensor:
    """π/2, π, 2π, …: the lowest has half a period between −1 and 1."""
    return math.pi / 2 * 2.0 ** torch.arange(octaves)


def waves(coordinates: Tensor, frequencies: Tensor) -> Tensor:
    """…×n and F frequencies → …×2nF: sines, then cosines."""
    angles = (coordinates[..., None] * frequencies.to(coordinates.dtype)).flatten(-2)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def regular_coordinates(count: int, like: Tensor) -> Tensor:
    """`count` coordinates from −1 to 1, and 0 for a single one: relative, so any number of frames or tokens works."""
    return torch.linspace(-1, 1, count, device=like.device, dtype=like.dtype) if count > 1 else like.new_zeros(1)
