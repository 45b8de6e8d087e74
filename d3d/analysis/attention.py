"""Where the 3D deformable transformer looks in one clip: which tokens its deformable attention reads, and which joints.

What is shown is the attention of the modal tokens, because the head reads these alone; with `tokens: none`, that of
all tokens. It is the mean over queries and heads.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from d3d.data.batch import Batch
from d3d.errors import ConfigError
from d3d.models.d3d.deformable import DeformableAttention
from d3d.models.d3d.transformer import Block, D3DTransformer
from d3d.models.d3d.windows import sliding_windows
from d3d.models.layers.attention import kept_attention
from d3d.models.layers.persons import group_by_presence


@dataclass(frozen=True)
class DeformableMap:
    """What 3D deformable attention reads of one clip."""

    points: Tensor  # K×3, where tokens were sampled, as (t, y, x) token indices within the volume
    weights: Tensor  # K, the attention on each; they sum to one less the attention on modal tokens
    volume: Tensor  # T×h×w, the weights on the token grid, see `splat`; the same sum


@dataclass(frozen=True)
class BlockAttention:
    """The attention of one block; None where the block lacks the module (Table 4)."""

    deformable: DeformableMap | None
    joints: Tensor | None  # R×T: see `attention_on_joints`; NaN too for the joints of a person who is absent


def attention_of_clip(model: D3DTransformer, batch: Batch) -> list[BlockAttention]:
    """The attention of each block in one clip, without gradients and without dropout.

    Args:
        model: The trained model. Its mode, training or not, is left as it was.
        batch: One clip.

    Raises ConfigError if the batch has more than one clip.
    """
    clips, frames = len(batch.frames), batch.frames.shape[2]
    if clips != 1:
        raise ConfigError(f"{clips} clips: the attention maps are of one clip; give them one by one")
    training = model.training
    try:
        with torch.no_grad(), kept_attention(model.eval()) as maps, _kept_points(model) as sampled:
            model(batch)
    finally:
        model.train(training)
    through = {3: 2, 1: 1, 0: 0}[model.embedding.modal.shape[0]]  # modal tokens of a frame that pass a module
    present = _present(model, batch)
    found = []
    for name, block in model.named_modules():
        if isinstance(block, Block):
            deformable, joints = None, None
            if block.deformable is not None:
                [seen] = maps[f"{name}.deformable.projections"]
                deformable = _deformable(*sampled[block.deformable], seen[0], through * frames)
            if block.joint is not None:
                [seen] = maps[f"{name}.joint.projections"]
                _, keys = sliding_windows(len(present), block.joint.window, block.joint.stride, seen.device)
                own = attention_on_joints(seen, keys, frames, len(present), through * frames)
                joints = own.new_full((model.config.joints, frames), torch.nan)
                joints[present] = own
            found.append(BlockAttention(deformable, joints))
    return found


def splat(points: Tensor, weights: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Gives each of the eight tokens around a point its trilinear share of the point's weight.

    It is the transpose of `sample_tokens`: the weight with which a token enters the sum of sampled tokens. A point at
    integer indices puts all its weight on one token. Points are clamped to the volume, as when they are sampled.

    points K×3 as (t, y, x) token indices, weights K → volume of `shape` (T, h, w) with the same sum.
    """
    last = torch.tensor(shape, device=points.device) - 1
    points = torch.minimum(points.clamp(min=0), last.to(points.dtype))
    low = points.floor().long()
    upper = points - low
    volume = weights.new_zeros(shape)
    for corner in itertools.product((0, 1), repeat=3):
        step = torch.tensor(corner, device=points.device)
        share = torch.where(step == 1, upper, 1 - upper).prod(dim=1)
        t, y, x = torch.minimum(low + step, last).unbind(dim=1)
        volume.index_put_((t, y, x), weights * share.to(weights.dtype), accumulate=True)
    return volume


def attention_on_joints(maps: Tensor, keys: Tensor, frames: int, joints: int, modal: int) -> Tensor:
    """How much attention each joint gets in each frame from the windows of joint stride attention.

    Of each window it is the mean over the modal queries, or over all queries where there are none; a joint that is a
    key of several windows gets their mean. A joint that is a key of no window is NaN: the key windows lie one stride
    ahead, so that the first joints are keys only where a window holds all joints.

    Args:
        maps: n×N×K, the attention of each window: w joints of T frames, joint by joint, then the modal tokens.
        keys: n×w, the joints of each key window.
        frames: T.
        joints: R.
        modal: the number of modal tokens in a window.

    Returns R×T.
    """
    on_keys = maps[:, -modal:].mean(dim=1)[:, : maps.shape[2] - modal]  # with modal = 0 all queries
    each = rearrange(on_keys, "n (w t) -> (n w) t", t=frames)
    total = maps.new_zeros(joints, frames).index_add_(0, keys.flatten(), each)
    times = keys.flatten().bincount(minlength=joints).to(total.dtype)
    return total / torch.where(times > 0, times, torch.nan)[:, None]


def _deformable(points: Tensor, shape: tuple[int, int, int], attention: Tensor, modal: int) -> DeformableMap:
    """The map of sampled points K×3, from the attention N×(K + modal) of all queries, the modal ones last."""
    weights = attention[-modal:].mean(dim=0)[: len(points)]  # with modal = 0 all queries
    last = torch.tensor(shape, device=points.device, dtype=points.dtype) - 1
    return DeformableMap(torch.minimum(points.clamp(min=0), last), weights, splat(points, weights, shape))


@contextmanager
def _kept_points(model: nn.Module) -> Iterator[dict[nn.Module, tuple[Tensor, tuple[int, int, int]]]]:
    """Yields each DeformableAttention → its keys' points K×3 in the first clip, and T, h and w of the token grid.

    Where nothing is searched (`deformable_attention: full`) the points are the tokens themselves.
    """
    found: dict[nn.Module, tuple[Tensor, tuple[int, int, int]]] = {}

    def keep(attention: DeformableAttention) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        def hook(module: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
            _, t, h, w, _ = arguments[0].shape
            points = _every_token(t, h, w, arguments[0]) if module is attention else output[0].flatten(0, 2)
            found[attention] = points, (t, h, w)

        return hook

    attentions = [each for each in model.modules() if isinstance(each, DeformableAttention)]
    hooks = [(each.search or each).register_forward_hook(keep(each)) for each in attentions]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def _every_token(t: int, h: int, w: int, like: Tensor) -> Tensor:
    """The (t, y, x) indices of all tokens, (t·h·w)×3."""
    return torch.cartesian_prod(*(torch.arange(size, device=like.device, dtype=like.dtype) for size in (t, h, w)))


def _present(model: D3DTransformer, batch: Batch) -> Tensor:
    """The indices of the joints of the persons who are present, of which alone the model has tokens."""
    if model.config.persons == 1 or not batch.has_joints:
        return torch.arange(model.config.joints, device=batch.frames.device)
    [group] = group_by_presence(batch.visible, model.config.persons)
    return group.joints
