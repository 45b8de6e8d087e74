"""Attention and motion as numbers of a clip's frames and joints, and Spearman's rank correlation of the two."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor

from d3d.analysis.attention import BlockAttention

Numbers = NDArray[np.float64]

LEAST = 3  # frames or joints of a clip with both numbers, or it has no correlation


def frame_attention(blocks: Sequence[BlockAttention]) -> Tensor | None:
    """T: the deformable attention on all tokens of a frame, the mean over the blocks; None if no block has any."""
    maps = [block.deformable.volume.sum(dim=(1, 2)) for block in blocks if block.deformable]
    return torch.stack(maps).mean(dim=0) if maps else None


def joint_attention(blocks: Sequence[BlockAttention]) -> Tensor | None:
    """R: the attention on a joint, the mean over frames and blocks, NaN where it is never a key.

    None if no block has any.
    """
    maps = [block.joints.mean(dim=1) for block in blocks if block.joints is not None]
    return torch.stack(maps).mean(dim=0) if maps else None


def motion_energy(frames: Tensor) -> Tensor:
    """The mean squared change of a frame's pixels from and to its neighbours. frames 3×T×H×W → T; NaN for one frame."""
    changes = (frames[:, 1:] - frames[:, :-1]).square().mean(dim=(0, 2, 3))
    nothing = changes.new_full((1,), torch.nan)
    return torch.stack([torch.cat([nothing, changes]), torch.cat([changes, nothing])]).nanmean(dim=0)


def joint_speed(joints: Tensor, visible: Tensor) -> Tensor:
    """The mean distance that a joint moves from one frame to the next, in pixels, where it is visible in both.

    joints T×R×2, visible T×R → R; NaN where there is no such pair.
    """
    distance = (joints[1:] - joints[:-1]).norm(dim=-1)
    known = visible[1:] & visible[:-1]
    return torch.where(known, distance, torch.nan).nanmean(dim=0)


def rank_correlations(left: Numbers, right: Numbers) -> Numbers:
    """Spearman's correlation of each pair of rows over the places where both have a number.

    clips × places each → clips; NaN where there are fewer than LEAST such places, or all numbers of one are equal.
    """
    known = np.isfinite(left) & np.isfinite(right)
    ranks = [_centred_ranks(values, known) for values in (left, right)]
    product, *squares = ((a * b).sum(axis=1) for a, b in (ranks, [ranks[0]] * 2, [ranks[1]] * 2))
    scale = np.sqrt(squares[0] * squares[1])
    valid = (known.sum(axis=1) >= LEAST) & (scale > 0)
    return np.where(valid, product / np.where(valid, scale, 1), np.nan)


def _centred_ranks(values: Numbers, known: NDArray[np.bool_]) -> Numbers:
    """The ranks of each row's known values less their mean; 0 where a value is not known."""
    ranks = rankdata(np.where(known, values, np.inf), axis=1)  # what is not known comes last
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    mean = np.where(known, ranks, 0).sum(axis=1, keepdims=True) / count
    return np.where(known, ranks - mean, 0.0)
