"""The layers of the STAR-transformer: attention over all tokens, then between two halves of the frames."""

from typing import Literal

import torch
from torch import Tensor, nn

from d3d.models.layers.attention import MultiHeadProjections
from d3d.models.star.config import Attention, STARConfig


def halves(attention: Literal["zigzag", "binary"], frames: int) -> tuple[Tensor, Tensor]:
    """The indices, from 0, of the frames in each of the two halves that ask each other.

    With an odd number of frames the middle one is in the second half of `binary`, and the first half of `zigzag` has
    one frame more.
    """
    every = torch.arange(frames)
    if attention == "zigzag":
        return every[0::2], every[1::2]
    return every[: frames // 2], every[frames // 2 :]


class Layer(nn.Module):
    """z̄ = LN(FAttn(z) + z), split into z′ and z″; ẑ = LN(X(z′) + z′ ‖ X(z″) + z″); LN(MLP(ẑ) + ẑ).

    X(z′) has queries from z′ and keys and values from z″, X(z″) the reverse. With `full` attention ẑ = z̄.
    """

    def __init__(self, config: STARConfig, attention: Attention) -> None:
        super().__init__()
        self.all = MultiHeadProjections(config.dimension, config.heads)
        self.all_norm = nn.LayerNorm(config.dimension)
        self.halves = None if attention == "full" else HalvesAttention(config, attention)
        self.halves_norm = None if attention == "full" else nn.LayerNorm(config.dimension)
        hidden = config.feedforward_ratio * config.dimension
        self.feed_forward = nn.Sequential(
            nn.Linear(config.dimension, hidden), nn.GELU(), nn.Linear(hidden, config.dimension)
        )
        self.feed_forward_norm = nn.LayerNorm(config.dimension)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """B×T×S×D → the same shape."""
        every = tokens.flatten(1, 2)
        attended = asked(self.all, every, every).reshape(tokens.shape)
        tokens = self.all_norm(tokens + self.dropout(attended))
        if self.halves is not None and self.halves_norm is not None:
            tokens = self.halves_norm(tokens + self.dropout(self.halves(tokens)))
        return self.feed_forward_norm(tokens + self.dropout(self.feed_forward(tokens)))  # type: ignore[no-any-return]


class HalvesAttention(nn.Module):
    """Zigzag or binary attention: each half of the frames asks the other, with the same weights."""

    def __init__(self, config: STARConfig, attention: Literal["zigzag", "binary"]) -> None:
        super().__init__()
        self.attention: Literal["zigzag", "binary"] = attention
        self.projections = MultiHeadProjections(config.dimension, config.heads)

    def forward(self, tokens: Tensor) -> Tensor:
        """B×T×S×D → the same shape, each frame in its place; zero for a single frame, which has no other to ask."""
        frames = tokens.shape[1]
        if frames == 1:
            return torch.zeros_like(tokens)
        first, second = (half.to(tokens.device) for half in halves(self.attention, frames))
        one, other = tokens[:, first], tokens[:, second]
        answers = [
            asked(self.projections, asking.flatten(1, 2), answering.flatten(1, 2)).reshape(asking.shape)
            for asking, answering in ((one, other), (other, one))
        ]
        return torch.cat(answers, dim=1)[:, torch.cat([first, second]).argsort()]


def asked(projections: MultiHeadProjections, asking: Tensor, answering: Tensor) -> Tensor:
    """Multi-head attention with queries from B×N×D and keys and values from B×M×D → B×N×D."""
    query, key, value = projections.query(asking), projections.key(answering), projections.value(answering)
    return projections.output(projections.attend(query, key, value))  # type: ignore[no-any-return]
