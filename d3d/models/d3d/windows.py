"""The sliding windows of the stride attentions (Algorithms A1 and A2).

As printed, the algorithms leave the last token out of every window and do not terminate for many lengths. Here the
query windows start at 0, s, 2s, …, the last clamped so that every token is covered; the key window of a query window
starts one stride later, clamped likewise; a window as long as the axis is full attention.
"""

import torch
from torch import Tensor

from d3d.errors import ConfigError


def sliding_windows(length: int, window: int, stride: int, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Token indices of the n windows of w = min(window, length) tokens over an axis of `length` tokens.

    `stride` is the number of tokens from one window to the next. Returns (queries, keys), both n×w int64 on `device`.
    Raises ConfigError unless 1 ≤ stride ≤ window and length ≥ 1.
    """
    if length < 1 or window < 1:
        raise ConfigError(f"window={window} over {length} tokens: both must be at least 1")
    if not 1 <= stride <= window:
        raise ConfigError(f"stride={stride}: must be between 1 and the window = {window}")
    window = min(window, length)
    last = length - window
    starts = torch.tensor([*range(0, last, stride), last], device=device)
    inside = torch.arange(window, device=device)
    return starts[:, None] + inside, (starts + stride).clamp(max=last)[:, None] + inside


def merge_windows(values: Tensor, queries: Tensor, length: int) -> Tensor:
    """The mean of each token's copies over the windows that hold it.

    values B×n×w×…, queries n×w as `sliding_windows` gives them → B×length×…. A product with a constant matrix rather
    than a scatter, so that it is deterministic on every device.
    """
    membership = torch.nn.functional.one_hot(queries.flatten(), length).to(values.dtype)
    mean = membership / membership.sum(dim=0)
    return torch.einsum("bk...,kl->bl...", values.flatten(1, 2), mean)
