"""Joint and temporal stride attention: cross attention between windows that lie one stride apart (section 3.2).

Algorithm A1 (joints) and Algorithm A2 (frames) are the same algorithm over different axes: a window holds w positions
of one axis with everything on the other axis, and the modal tokens join every window.
"""

import torch
from einops import rearrange
from torch import Tensor, nn

from d3d.models.d3d.branches import attention_norm, feed_forward
from d3d.models.d3d.config import D3DConfig
from d3d.models.d3d.windows import merge_windows, sliding_windows
from d3d.models.layers.attention import DropPath, MultiHeadProjections


class StrideAttention(nn.Module):
    """Windowed cross attention over the first token axis, followed by the feed-forward network.

    The windows' outputs are averaged per token before the output projection, which is linear, so each token is
    projected once; the residual and the feed-forward network are also applied once per token.

    Args:
        config: width, heads, norm and dropout.
        window: w, positions of the axis in a window.
        stride: positions from one window to the next; None: half the window.
        drop_path: probability that a residual branch is skipped.
    """

    def __init__(self, config: D3DConfig, window: int, stride: int | None, drop_path: float) -> None:
        super().__init__()
        self.window = window
        self.stride = max(1, window // 2) if stride is None else stride
        self.norm = attention_norm(config)
        self.projections = MultiHeadProjections(4 * config.width, config.heads)
        self.dropout = nn.Dropout(config.dropout)
        self.drop_path = DropPath(drop_path)
        self.feed_forward = feed_forward(config)

    def forward(self, tokens: Tensor, modal: Tensor) -> tuple[Tensor, Tensor]:
        """tokens B×N×S×D, windows over N; modal B×M×D joins every window (M may be 0) → the same shapes."""
        length, side = tokens.shape[1:3]
        queries, keys = sliding_windows(length, self.window, self.stride, tokens.device)
        joined = torch.cat([tokens.flatten(1, 2), modal], dim=1)
        normed = self.norm(joined)

        def windows(projection: nn.Linear, indices: Tensor) -> Tensor:
            """B×(N·S+M)×D → (B·n)×(w·S+M)×D: the fused attention kernels want one batch axis."""
            projected = projection(normed)
            grid = rearrange(projected[:, : length * side], "b (n s) d -> b n s d", n=length)
            shared = projected[:, None, length * side :].expand(-1, len(indices), -1, -1)
            return torch.cat([grid[:, indices].flatten(2, 3), shared], dim=2).flatten(0, 1)

        attended = self.projections.attend(
            windows(self.projections.query, queries),
            windows(self.projections.key, keys),
            windows(self.projections.value, keys),
        )
        attended = rearrange(attended, "(b n) k d -> b n k d", n=len(queries))
        asked = queries.shape[1] * side
        own, shared = attended[:, :, :asked], attended[:, :, asked:]
        own = rearrange(own, "b n (w s) d -> b n w s d", s=side)
        merged = torch.cat([merge_windows(own, queries, length).flatten(1, 2), shared.mean(dim=1)], dim=1)
        joined = joined + self.drop_path(self.dropout(self.projections.output(merged)))
        joined = joined + self.drop_path(self.feed_forward(joined))
        tokens_out, modal_out = joined.split([length * side, modal.shape[1]], dim=1)
        return tokens_out.reshape(tokens.shape), modal_out
