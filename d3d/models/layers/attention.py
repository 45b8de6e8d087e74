"""The parts of an attention module: projections, the scaled dot product and the residual branches."""

from collections.abc import Iterator
from contextlib import contextmanager

from einops import rearrange
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


class DropPath(nn.Module):
    """Skips a residual branch for whole clips while training (stochastic depth, Huang et al., ECCV 2016)."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, branch: Tensor) -> Tensor:
        """branch B×… → the same shape; branches that are not skipped are scaled so that the expectation stays."""
        if not self.training or self.probability == 0:
            return branch
        keep = branch.new_empty(branch.shape[0], *[1] * (branch.dim() - 1)).bernoulli_(1 - self.probability)
        return branch * keep / (1 - self.probability)


class MultiHeadProjections(nn.Module):
    """W_q, W_k, W_v and the output projection of multi-head attention (Eq. 6).

    The projections are separate from the product: windowed attention projects every token once, then gathers windows.
    """

    def __init__(self, dimension: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.kept: list[Tensor] | None = None  # where `kept_attention` keeps the maps of forward passes
        self.query = nn.Linear(dimension, dimension)
        self.key = nn.Linear(dimension, dimension)
        self.value = nn.Linear(dimension, dimension)
        self.output = nn.Linear(dimension, dimension)

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Scaled dot product of projected tokens: query B×N×D, key and value B×K×D → B×N×D, heads side by side."""
        query, key, value = (rearrange(tokens, "b n (h d) -> b h n d", h=self.heads) for tokens in (query, key, value))
        if self.kept is None:
            attended = scaled_dot_product_attention(query, key, value)
        else:  # the fused kernels never hold the map
            attention = (query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5).softmax(dim=-1)
            self.kept.append(attention.mean(dim=1))
            attended = attention @ value
        return rearrange(attended, "b h n d -> b n (h d)")


@contextmanager
def kept_attention(model: nn.Module) -> Iterator[dict[str, list[Tensor]]]:
    """Keeps the attention maps of every forward pass of the model within the block, at the cost of speed and memory.

    Yields the name of each MultiHeadProjections → its maps in the order of its calls, B×N×K: for each of N queries the
    weights of K keys, which sum to one; the mean over the heads. Outputs are the same up to rounding.
    """
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, MultiHeadProjections)}
    maps: dict[str, list[Tensor]] = {name: [] for name in layers}
    try:
        for name, layer in layers.items():
            layer.kept = maps[name]
        yield maps
    finally:
        for layer in layers.values():
            layer.kept = None


class FeedForward(nn.Sequential):
    """LayerNorm and a feed-forward network with `ratio` times as many hidden channels as tokens have."""

    def __init__(self, dimension: int, ratio: int, dropout: float) -> None:
        super().__init__(
            nn.LayerNorm(dimension),
            nn.Linear(dimension, ratio * dimension),
            nn.GELU(),
            nn.Linear(ratio * dimension, dimension),
            nn.Dropout(dropout),
        )
