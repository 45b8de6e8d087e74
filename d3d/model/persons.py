"""Clips whose persons are not all there: an absent person has no token, as if the clip had never had room for one."""

from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor


class Group(NamedTuple):
    """Clips of a batch in which the same persons are present."""

    clips: Tensor  # indices into the batch, int64
    joints: Tensor  # indices of the joints of those present, int64


def group_by_presence(visible: Tensor, persons: int) -> list[Group]:
    """Every clip of visible B×T×R in one group; a person is present where any of its joints is visible in any frame.

    Where nobody is, the first person counts as present. Reads the visibility back from a GPU.
    """
    present = rearrange(visible, "b t (p j) -> b p (t j)", p=persons).any(dim=2)
    present[:, 0] |= ~present.any(dim=1)
    each = visible.shape[2] // persons
    groups = []
    for pattern in torch.unique(present, dim=0):
        clips = (present == pattern).all(dim=1).nonzero().squeeze(1)
        groups.append(Group(clips, pattern.repeat_interleave(each).nonzero().squeeze(1)))
    return groups
