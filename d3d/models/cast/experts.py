"""The two experts: CLIP's image encoder and VideoMAE's video encoder (section 3.1 of the paper).

Both are vision transformers of pre-norm blocks. They differ in how a clip becomes tokens, in which tokens attend to
each other, and in details of a block.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from einops import rearrange, reduce
from torch import Tensor, nn
from torch.nn.functional import gelu, interpolate

from d3d.models.cast.config import Tokens, ViTConfig
from d3d.models.layers.attention import MultiHeadProjections
from d3d.models.layers.positions import regular_coordinates, waves


def quick_gelu(inputs: Tensor) -> Tensor:
    """x·σ(1.702x), which CLIP was trained with."""
    return inputs * torch.sigmoid(1.702 * inputs)


class SelfAttention(MultiHeadProjections):
    """Multi-head self-attention. Without `key_bias` the keys have none, which changes no attention weight."""

    def __init__(self, width: int, heads: int, *, key_bias: bool) -> None:
        super().__init__(width, heads)
        if not key_bias:
            self.key = nn.Linear(width, width, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """B×n×D → B×n×D; every token attends to all n of its group."""
        return self.output(self.attend(self.query(tokens), self.key(tokens), self.value(tokens)))  # type: ignore[no-any-return]


class Block(nn.Module):
    """The weights of a pre-norm transformer block; CAST puts adapters and the exchange between its parts."""

    def __init__(self, width: int, heads: int, kind: Tokens) -> None:
        super().__init__()
        epsilon = EPSILON[kind]
        self.norm1 = nn.LayerNorm(width, eps=epsilon)
        self.attention = SelfAttention(width, heads, key_bias=kind == "frames")
        self.norm2 = nn.LayerNorm(width, eps=epsilon)
        self.expand = nn.Linear(width, 4 * width)
        self.shrink = nn.Linear(4 * width, width)
        self.activation: Callable[[Tensor], Tensor] = quick_gelu if kind == "frames" else gelu

    def attend(self, tokens: Tensor) -> Tensor:
        """MHSA(LN(X)), B×n×D."""
        return self.attention(self.norm1(tokens))  # type: ignore[no-any-return]

    def feed_forward(self, normed: Tensor) -> Tensor:
        """FFN(Z) of tokens that norm2 has normalised, B×n×D."""
        activated: Tensor = self.activation(self.expand(normed))
        return self.shrink(activated)  # type: ignore[no-any-return]

    def forward(self, tokens: Tensor) -> Tensor:
        """The block as it was trained: B×n×D → B×n×D."""
        tokens = tokens + self.attend(tokens)
        return tokens + self.feed_forward(self.norm2(tokens))


class Expert(nn.Module, ABC):
    """A vision transformer without a head.

    Its tokens are G×n×D, where tokens of one group attend to each other. `patches` and `with_patches` translate to the
    form that both experts share, B×T×N×D. Raises ConfigError where clips are not of whole tokens.
    """

    def __init__(self, config: ViTConfig, kind: Tokens) -> None:
        super().__init__()
        config.check_clips()
        self.times = config.times
        self.blocks = nn.ModuleList(Block(config.width, config.heads, kind) for _ in range(config.depth))

    @abstractmethod
    def embed(self, clips: Tensor) -> Tensor:
        """B×3×2T×H×W → tokens G×n×D."""

    @abstractmethod
    def patches(self, tokens: Tensor) -> Tensor:
        """Tokens G×n×C → the patches alone, B×T×N×C."""

    @abstractmethod
    def with_patches(self, tokens: Tensor, patches: Tensor) -> Tensor:
        """Tokens G×n×C whose patches are replaced by B×T×N×C."""

    def forward(self, clips: Tensor) -> Tensor:
        """The expert alone, B×3×2T×H×W → a vector of each clip, B×D, before the last LayerNorm."""
        tokens = self.embed(clips)
        for block in self.blocks:
            tokens = block(tokens)
        return self.pool(tokens, len(clips))

    @abstractmethod
    def pool(self, tokens: Tensor, clips: int) -> Tensor:
        """Tokens G×n×D of B `clips` → a vector of each, B×D, before the last LayerNorm."""


class FrameExpert(Expert):
    """CLIP ViT-B/16's image encoder: every second frame alone, G = B·T, with a class token in front, n = 1+N."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__(config, "frames")
        self.offset = 1 if config.spatial_frame == "last" else 0  # of the frame among the two of a token
        self.embedding = nn.Conv2d(3, config.width, config.patch, stride=config.patch, bias=False)
        self.class_token = nn.Parameter(torch.randn(config.width) * config.width**-0.5)
        self.positions = nn.Parameter(torch.randn(1 + config.places, config.width) * config.width**-0.5)
        self.norm_before = nn.LayerNorm(config.width, eps=EPSILON["frames"])

    def embed(self, clips: Tensor) -> Tensor:
        """B×3×2T×H×W → (B·T)×(1+N)×D."""
        patches = self.embedding(rearrange(clips[:, :, self.offset :: 2], "b c t h w -> (b t) c h w"))
        positions = self._positions(patches.shape[-2], patches.shape[-1])
        first = self.class_token.expand(len(patches), 1, -1)
        tokens = torch.cat([first, rearrange(patches, "g d h w -> g (h w) d")], dim=1)
        return self.norm_before(tokens + positions)  # type: ignore[no-any-return]

    def _positions(self, rows: int, columns: int) -> Tensor:
        """The table for a grid of this size, (1+rows·columns)×D; interpolated where it was learned for another."""
        return resized(self.positions, rows, columns)

    def patches(self, tokens: Tensor) -> Tensor:
        """(B·T)×(1+N)×C → B×T×N×C."""
        return rearrange(tokens[:, 1:], "(b t) n c -> b t n c", t=self.times)

    def with_patches(self, tokens: Tensor, patches: Tensor) -> Tensor:
        """(B·T)×(1+N)×C and B×T×N×C → (B·T)×(1+N)×C."""
        return torch.cat([tokens[:, :1], rearrange(patches, "b t n c -> (b t) n c")], dim=1)

    def pool(self, tokens: Tensor, clips: int) -> Tensor:
        """The mean of the class tokens of a clip."""
        return reduce(tokens[:, 0], "(b t) d -> b d", "mean", b=clips)


class TubeletExpert(Expert):
    """VideoMAE ViT-B/16: a token is 2×patch×patch pixels, and all T·N of a clip attend to each other, G = B."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__(config, "tubelets")
        size = (2, config.patch, config.patch)
        self.embedding = nn.Conv3d(3, config.width, size, stride=size)
        self.positions_of = POSITIONS[config.sine_positions]

    def embed(self, clips: Tensor) -> Tensor:
        """B×3×2T×H×W → B×(T·N)×D."""
        tokens = self.embedding(clips)
        positions = self.positions_of(tokens.shape[2:], tokens.shape[1]).to(tokens)
        return rearrange(tokens, "b d t h w -> b (t h w) d") + positions  # type: ignore[no-any-return]

    def patches(self, tokens: Tensor) -> Tensor:
        """B×(T·N)×C → B×T×N×C."""
        return rearrange(tokens, "b (t n) c -> b t n c", t=self.times)

    def with_patches(self, tokens: Tensor, patches: Tensor) -> Tensor:
        """B×T×N×C → B×(T·N)×C: all tokens are patches."""
        return rearrange(patches, "b t n c -> b (t n) c")

    def pool(self, tokens: Tensor, clips: int) -> Tensor:
        """The mean of all tokens of a clip."""
        return tokens.mean(dim=1)


EXPERTS: dict[Tokens, type[FrameExpert | TubeletExpert]] = {"frames": FrameExpert, "tubelets": TubeletExpert}
EPSILON: dict[Tokens, float] = {"frames": 1e-5, "tubelets": 1e-6}  # of every LayerNorm of an expert


def resized(positions: Tensor, rows: int, columns: int) -> Tensor:
    """A table (1+side²)×D of a class token and a square of patches, interpolated to (1+rows·columns)×D, bicubically."""
    side = math.isqrt(len(positions) - 1)
    if (rows, columns) == (side, side):
        return positions
    grid = rearrange(positions[1:], "(h w) d -> 1 d h w", h=side)
    grid = interpolate(grid, (rows, columns), mode="bicubic", align_corners=False)
    return torch.cat([positions[:1], rearrange(grid, "1 d h w -> (h w) d")])


def index_positions(grid: Sequence[int], width: int) -> Tensor:
    """Fixed positions of a grid T×H×W of tokens, (T·H·W)×width, as VideoMAE has them.

    Sines and cosines of a token's index among all tokens, as in "Attention is all you need". With few channels they
    hardly tell which tokens are at the same place.
    """
    count = math.prod(grid)
    rates = 10_000 ** (-2 * (torch.arange(width) // 2) / width)
    angles = torch.arange(count)[:, None] * rates
    return torch.where(torch.arange(width) % 2 == 0, angles.sin(), angles.cos())


def axis_positions(grid: Sequence[int], width: int) -> Tensor:
    """Fixed positions of a grid T×H×W of tokens, (T·H·W)×width, of which each axis has a third of the channels.

    Sines and cosines of kπ/2 times a token's coordinate on the axis, which is from −1 to 1, k = 1, 2, …
    """
    shares = [(width // 2 + more) // 3 for more in range(3)]  # of t, y and x, in twos of a sine and a cosine
    axes = [
        waves(regular_coordinates(count, torch.empty(0))[:, None], math.pi / 2 * torch.arange(1, share + 1))
        for count, share in zip(grid, shares, strict=True)
    ]
    index = torch.cartesian_prod(*(torch.arange(count) for count in grid))
    return torch.cat([axis[index[:, number]] for number, axis in enumerate(axes)], dim=1)


POSITIONS = {"index": index_positions, "axes": axis_positions}
