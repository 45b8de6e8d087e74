"""The parts of an attention module: projections, the scaled dot product and the residual branches."""

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
        self.query = nn.Linear(dimension, dimension)
        self.key = nn.Linear(dimension, dimension)
        self.value = nn.Linear(dimension, dimension)
        self.output = nn.Linear(dimension, dimension)

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Scaled dot product of projected tokens: query B×N×D, key and value B×K×D → B×N×D, heads side by side."""
        query, key, value = (rearrange(tokens, "b n (h d) -> b h n d", h=self.heads) for tokens in (query, key, value))
        return rearrange(scaled_dot_product_attention(query, key, value), "b h n d -> b n (h d)")


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
