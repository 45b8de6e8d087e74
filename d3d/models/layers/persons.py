"""Clips with absent persons: an absent person has no tokens, as if the dataset had fewer persons."""

from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor


class Group(NamedTuple):
    """Clips of a batch in which the same persons are present."""

    clips: Tensor  # indices into the batch, int64
    joints: Tensor  # indices of the joints of those present, int64


def group_by_presence(visible: Tensor, persons: int) -> list[Group]:
    """Groups the clips of visible B×T×R; a person is present where any of its joints is visible in any frame.

    Where nobody is present, the first person counts as present. On a GPU this synchronises with the device once.
    """
    each = visible.shape[2] // persons
    present = rearrange(visible, "b t (p j) -> b p (t j)", p=persons).any(dim=2)
    clips: dict[tuple[int, ...], list[int]] = {}
    for clip, there in enumerate(present.tolist()):
        clips.setdefault(tuple(person for person in range(persons) if there[person]) or (0,), []).append(clip)
    own = {who: [person * each + joint for person in who for joint in range(each)] for who in clips}
    return [Group(_indices(clips[who], visible), _indices(own[who], visible)) for who in sorted(clips)]


def _indices(values: list[int], like: Tensor) -> Tensor:
    return torch.tensor(values, device=like.device)
