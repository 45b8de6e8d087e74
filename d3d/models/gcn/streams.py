"""What a network sees of skeletons: places, bones, and the motion of either."""

from typing import Literal

import torch
from torch import Tensor

from d3d.data.skeleton import Skeleton

Stream = Literal["joint", "bone", "motion", "bone_motion"]


def streamed(stream: Stream, places: Tensor, visible: Tensor, skeleton: Skeleton) -> tuple[Tensor, Tensor]:
    """The vectors of a stream and which of them are known; unknown vectors are zero.

    - `joint`: the places themselves;
    - `bone`: a joint minus its parent, known where both are visible; that of the centre is zero;
    - `motion`: the next frame minus this one, known where the joint is visible in both; in the last frame nothing is;
    - `bone_motion`: the same of bones.

    Args:
        stream: one of the four.
        places: …×T×V×2, zero where invisible.
        visible: …×T×V bool.
        skeleton: the V joints of a person, with limbs.

    Returns:
        Vectors …×T×V×2 and …×T×V bool.
    """
    if stream.startswith("bone"):
        parents = dict(skeleton.limbs)
        parent = [parents.get(joint, joint) for joint in range(len(skeleton.joint_names))]
        places, visible = places - places[..., parent, :], visible & visible[..., parent]
    if stream.endswith("motion"):
        moved, both = places[..., 1:, :, :] - places[..., :-1, :, :], visible[..., 1:, :] & visible[..., :-1, :]
        places = torch.cat([moved, torch.zeros_like(places[..., :1, :, :])], dim=-3)
        visible = torch.cat([both, torch.zeros_like(visible[..., :1, :])], dim=-2)
    return torch.where(visible[..., None], places, torch.zeros_like(places)), visible
