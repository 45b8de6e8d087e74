"""3D deformable attention (section 3.2, Eq. 3–7, Algorithm A3).

Every token is a query; keys and values are tokens read at learned places. Algorithm A3 allocates T×h×w keys and
scatters at real-valued indices, which contradicts Eq. 3; here T̃·h̃·w̃ tokens are gathered by trilinear interpolation.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn.functional import grid_sample, pad

from d3d.models.d3d.branches import attention_norm, feed_forward
from d3d.models.d3d.config import D3DConfig
from d3d.models.layers.attention import DropPath, MultiHeadProjections


def reference_points(
    source: tuple[int, int, int], target: tuple[int, int, int], device: torch.device | None = None
) -> Tensor:
    """p of Figure 3: points at the centres of m equal cells of n tokens, (i + ½) · n/m − ½ on each axis, as in DAT.

    No point lies on the border of the volume. Sampling is clamped there, so a point on the border has no gradient
    outwards, and with two points on each axis every point would be a corner that never moves.

    source (T, h, w) tokens, target (t, y, x) points → t×y×x×3 float, as (t, y, x) token indices.
    """
    axes = [
        (torch.arange(points, device=device, dtype=torch.float32) + 0.5) * (tokens / points) - 0.5
        for tokens, points in zip(source, target, strict=True)
    ]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)


def sample_tokens(tokens: Tensor, points: Tensor) -> Tensor:
    """Trilinear interpolation of the tokens at real-valued token indices; points are clamped to the volume (Eq. 3).

    tokens B×D×T×h×w, points B×t×y×x×3 as (t, y, x) token indices → B×D×t×y×x.
    """
    last = torch.tensor(tokens.shape[2:], device=points.device, dtype=points.dtype) - 1
    grid = 2 * points / last.clamp(min=1) - 1
    grid = torch.where(last == 0, torch.zeros_like(grid), grid)
    precise = torch.promote_types(tokens.dtype, torch.float32)  # on CUDA, 5-D sampling has no half-precision kernel
    with torch.autocast(tokens.device.type, enabled=False):
        places = grid.flip(-1).to(precise)  # (x, y, z), the order of grid_sample
        sampled = grid_sample(tokens.to(precise), places, mode="bilinear", padding_mode="border", align_corners=True)
    return sampled.to(tokens.dtype)


class TokenSearch(nn.Module):
    """The 3D token search: Δp = tanh(Conv3D → LN → GELU → Conv3D) · offset range, in tokens.

    Only the first convolution has kernel k (two of 7 would leave T̃ = 12 − 6 − 6 = 0 frames); it is unpadded, but an
    axis shorter than k is replicated up to k. The last convolution starts at zero: the search starts at the reference
    points.
    """

    def __init__(self, config: D3DConfig) -> None:
        super().__init__()
        dimension = 4 * config.width
        groups = dimension if config.offset_convolution == "depthwise" else 1
        self.kernel = config.kernel
        self.offset_range = config.offset_range
        self.convolution = nn.Conv3d(dimension, dimension, config.kernel, groups=groups)
        self.norm = nn.LayerNorm(dimension)
        self.offsets = nn.Linear(dimension, 3)  # a 1×1×1 convolution on channels-last tokens
        nn.init.zeros_(self.offsets.weight)
        nn.init.zeros_(self.offsets.bias)

    def forward(self, rgb: Tensor) -> Tensor:
        """rgb B×T×h×w×D → points B×t×y×x×3 as (t, y, x) token indices."""
        volume = rearrange(rgb, "b t h w d -> b d t h w")
        source = (volume.shape[2], volume.shape[3], volume.shape[4])
        missing = [max(0, self.kernel - tokens) for tokens in source]
        if any(missing):
            t, y, x = ((amount // 2, amount - amount // 2) for amount in missing)
            volume = pad(volume, (*x, *y, *t), mode="replicate")
        found = rearrange(self.convolution(volume), "b d t y x -> b t y x d")
        shift = torch.tanh(self.offsets(nn.functional.gelu(self.norm(found)))) * self.offset_range
        target = (found.shape[1], found.shape[2], found.shape[3])
        return reference_points(source, target, rgb.device).to(shift.dtype) + shift


class Movement:
    """The mean distance of the points of all token searches from their reference points, in tokens."""

    def __init__(self) -> None:
        self._sum: Tensor | None = None  # of |Δp|, t, y and x
        self._points = 0

    def add(self, search: nn.Module, arguments: tuple[Any, ...], points: Tensor) -> None:
        """A forward hook of a TokenSearch: points B×t×y×x×3 found in rgb B×T×h×w×D, clamped as in `sample_tokens`."""
        _, *source, _ = arguments[0].shape
        last = torch.tensor(source, device=points.device, dtype=points.dtype) - 1
        read = torch.minimum(points.clamp(min=0), last)
        target = (points.shape[1], points.shape[2], points.shape[3])
        start = reference_points((source[0], source[1], source[2]), target, points.device).to(points.dtype)
        moved = (read - start).abs().sum(dim=(0, 1, 2, 3), dtype=torch.float32)
        self._sum = moved if self._sum is None else self._sum + moved
        self._points += points[..., 0].numel()

    @property
    def mean(self) -> dict[str, float]:
        """Axis ("t", "y", "x") → mean |Δp| in tokens; empty where no search has run."""
        if self._sum is None:
            return {}
        return dict(zip("tyx", (self._sum / self._points).tolist(), strict=True))


@contextmanager
def observed_movement(model: nn.Module) -> Iterator[Movement]:
    """Counts every forward pass of the model's token searches within the block."""
    movement = Movement()
    hooks = [each.register_forward_hook(movement.add) for each in model.modules() if isinstance(each, TokenSearch)]
    try:
        yield movement
    finally:
        for hook in hooks:
            hook.remove()


class DeformableAttention(nn.Module):
    """X += MSA(X W_q, X̃ W_k, X̃ W_v); X += FFN(LN(X)) with X = [Z ‖ M], X̃ = [Z̃ ‖ M] (Eq. 4–7).

    With `deformable_attention: full` nothing is searched: Z̃ = Z.
    """

    def __init__(self, config: D3DConfig, drop_path: float) -> None:
        super().__init__()
        self.search = None if config.deformable_attention == "full" else TokenSearch(config)
        self.norm = attention_norm(config)
        self.projections = MultiHeadProjections(4 * config.width, config.heads)
        self.dropout = nn.Dropout(config.dropout)
        self.drop_path = DropPath(drop_path)
        self.feed_forward = feed_forward(config)

    def forward(self, rgb: Tensor, modal: Tensor) -> tuple[Tensor, Tensor]:
        """rgb B×T×h×w×D, modal B×M×D (M may be 0) → the same shapes."""
        shape = rgb.shape
        found = self.found(rgb)  # first: the order decides in which order gradients are added, and so their last bits
        tokens = torch.cat([rgb.flatten(1, 3), modal], dim=1)
        asking, asked = self.norm(tokens), self.norm(torch.cat([found, modal], dim=1))
        attended = self.projections.attend(
            self.projections.query(asking), self.projections.key(asked), self.projections.value(asked)
        )
        tokens = tokens + self.drop_path(self.dropout(self.projections.output(attended)))
        tokens = tokens + self.drop_path(self.feed_forward(tokens))
        rgb_tokens, modal = tokens.split([tokens.shape[1] - modal.shape[1], modal.shape[1]], dim=1)
        return rgb_tokens.reshape(shape), modal

    def found(self, rgb: Tensor) -> Tensor:
        """rgb B×T×h×w×D → the tokens B×N×D that become keys: those of the search, or all."""
        if self.search is None:
            return rgb.flatten(1, 3)
        points = self.search(rgb)
        sampled = sample_tokens(rearrange(rgb, "b t h w d -> b d t h w"), points)
        return rearrange(sampled, "b d t y x -> b (t y x) d")
