"""Whether attention follows motion: rank correlations over all clips, beside those of shuffled attention.

For each clip Spearman's rank correlation of attention and motion is taken over its frames, or over its joints; the
mean over the clips is compared with the means of two kinds of shuffles:

- *shuffled*: within each clip the frames, or the joints, exchange their attention. It breaks every relation.
- *exchanged*: clips exchange their attention as a whole. Each frame and joint gets what it gets in another clip,
  so that attention which always lies on the wrists, or in the middle of every clip, is no closer to the motion.

Only a correlation that is above both says that the model looks where *this* clip moves. Clips of one recording are not
independent; for the exchange of whole clips they count as if they were.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata
from torch import Tensor

from d3d.analysis.attention import BlockAttention, attention_of_clip
from d3d.data.batch import Batch
from d3d.errors import DataError
from d3d.models.d3d.transformer import D3DTransformer

Numbers = NDArray[np.float64]

SHUFFLES = 999  # the smallest p-value is 0.001
LEAST = 3  # frames or joints of a clip with both numbers, or it has no correlation


@dataclass(frozen=True)
class Association:
    """How attention goes with motion over the frames, or over the joints, of all clips."""

    correlation: float  # Spearman's, the mean over the clips
    clips: int  # that have a correlation
    shuffled: float  # the mean correlation of attention shuffled within clips
    shuffled_p: float  # one-sided: the share of shuffles with a correlation as high
    exchanged: float  # the mean correlation of attention exchanged between clips
    exchanged_p: float


@dataclass(frozen=True)
class AttentionClaims:
    """The two claims of a figure of attention; None where the model lacks the module (Table 4)."""

    frames: Association | None  # the deformable attention on a frame, with its motion energy
    joints: Association | None  # the attention on a joint, with its speed


def judge_attention(
    model: D3DTransformer, clips: Iterable[Batch], seed: int = 0, shuffles: int = SHUFFLES
) -> AttentionClaims:
    """Judges a trained model on clips with frames and joints, each a batch of one, of the same number of frames.

    Attention is the mean over the blocks; `seed` and `shuffles` are those of `association`. Raises DataError if no clip
    has a correlation.
    """
    of_frames: list[tuple[Tensor, Tensor]] = []
    of_joints: list[tuple[Tensor, Tensor]] = []
    for batch in clips:
        blocks = attention_of_clip(model, batch)
        if (found := frame_attention(blocks)) is not None:
            of_frames.append((found, motion_energy(batch.frames[0])))
        if (found := joint_attention(blocks)) is not None:
            of_joints.append((found, joint_speed(batch.joints[0], batch.visible[0])))
    return AttentionClaims(*(_associated(pairs, seed, shuffles) for pairs in (of_frames, of_joints)))


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


def association(attention: ArrayLike, motion: ArrayLike, seed: int = 0, shuffles: int = SHUFFLES) -> Association:
    """How attention goes with motion.

    Args:
        attention: clips × places, the attention on each frame or joint; NaN where there is none.
        motion: clips × places, its motion energy or speed; NaN where it is not known.
        seed: Of the shuffles.
        shuffles: Of each kind.

    Raises DataError if no clip has LEAST places with both numbers, of which neither is the same everywhere.
    """
    ours, theirs = np.asarray(attention, np.float64), np.asarray(motion, np.float64)
    measured = mean_correlation(ours, theirs)
    clips = int(np.isfinite(rank_correlations(ours, theirs)).sum())
    generator = np.random.default_rng(seed)
    known = np.isfinite(ours) & np.isfinite(theirs)

    def against(shuffle: Callable[[], Numbers]) -> tuple[float, float]:
        found = np.array([mean_correlation(shuffle(), theirs) for _ in range(shuffles)])
        as_high = np.count_nonzero(found >= measured - 1e-12)  # sums in another order differ in the last digits
        return float(found.mean()), (1 + as_high) / (1 + shuffles)

    shuffled = against(lambda: _shuffled(ours, known, generator))
    exchanged = against(lambda: ours[generator.permutation(len(ours))])
    return Association(measured, clips, *shuffled, *exchanged)


def mean_correlation(left: Numbers, right: Numbers) -> float:
    """The mean of `rank_correlations` over the clips that have one. Raises DataError if none has."""
    found = rank_correlations(left, right)
    if not np.isfinite(found).any():
        raise DataError(f"no clip has {LEAST} frames or joints with different attention and motion; take longer clips")
    return float(np.nanmean(found))


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


def _shuffled(values: Numbers, known: NDArray[np.bool_], generator: np.random.Generator) -> Numbers:
    """The values with those that are known exchanged at random within each row; the others are NaN."""
    keys = np.where(known, generator.random(values.shape), np.inf)
    drawn = np.take_along_axis(values, keys.argsort(axis=1), axis=1)  # the known ones in random order, then the others
    order = np.argsort(~known, axis=1, kind="stable")  # the places of the known ones, then the others
    found = np.empty_like(values)
    np.put_along_axis(found, order, drawn, axis=1)
    return np.where(known, found, np.nan)


def _associated(pairs: Sequence[tuple[Tensor, Tensor]], seed: int, shuffles: int) -> Association | None:
    if not pairs:
        return None
    attention, motion = (torch.stack(each).cpu().numpy() for each in zip(*pairs, strict=True))
    return association(attention, motion, seed, shuffles)
