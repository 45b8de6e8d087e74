"""The norm and the feed-forward branch of every attention module of the model."""

from torch import nn

from d3d.models.d3d.config import D3DConfig
from d3d.models.layers.attention import FeedForward


def attention_norm(config: D3DConfig) -> nn.Module:
    """The LayerNorm before an attention with `norm: pre`; the identity with `norm: printed`."""
    return nn.LayerNorm(4 * config.width) if config.norm == "pre" else nn.Identity()


def feed_forward(config: D3DConfig) -> FeedForward:
    """FFN(LN(·)) of Eq. 7. The equation prints this LayerNorm, so the `norm` switch leaves it alone."""
    return FeedForward(4 * config.width, config.feedforward_ratio, config.dropout)
