"""The graph of a skeleton, and the subsets that a joint's neighbours are divided into, each with its own weights."""

from typing import Literal

import torch
from torch import Tensor

from d3d.data.skeleton import Skeleton
from d3d.errors import ConfigError

Partition = Literal["uniform", "distance", "spatial", "directed"]


def subsets(skeleton: Skeleton, partition: Partition) -> Tensor:
    """K×V×V: in subset k, entry (j, i) is the weight with which joint i receives from joint j.

    The neighbours of a joint are itself and the joints that a limb connects it to; each column is divided by their
    number. The partitions are those of Yan et al., AAAI 2018, section 3.3, and of Chen et al., ICCV 2021:

    - `uniform`, K = 1: all neighbours alike;
    - `distance`, K = 2: the joint itself; its neighbours;
    - `spatial`, K = 3: the joint itself; neighbours at least as far from the centre as it is; nearer ones;
    - `directed`, K = 3: the joint itself; along limbs towards the parent; along limbs towards the child. Here each
      subset is divided by its own number of neighbours.

    Raises ConfigError for a skeleton without limbs.
    """
    if not skeleton.limbs or skeleton.centre is None:
        raise ConfigError("model.system=gcn: the skeleton has no limbs; name them in its file (docs/data.md)")
    joints = len(skeleton.joint_names)
    itself, inward = torch.eye(joints), torch.zeros(joints, joints)
    for child, parent in skeleton.limbs:
        inward[child, parent] = 1
    if partition == "directed":
        return torch.stack([itself, _by_column(inward), _by_column(inward.T)])
    neighbours = inward + inward.T
    normalised = _by_column(itself + neighbours)
    if partition == "uniform":
        return normalised[None]
    if partition == "distance":
        return torch.stack([normalised * itself, normalised * neighbours])
    hops = _hops(skeleton)
    farther = (hops[:, None] >= hops[None, :]).float()  # joint j is at least as far from the centre as joint i
    return torch.stack(
        [normalised * itself, normalised * neighbours * farther, normalised * neighbours * (1 - farther)]
    )


def _by_column(matrix: Tensor) -> Tensor:
    return matrix / matrix.sum(dim=0).clamp(min=1)


def _hops(skeleton: Skeleton) -> Tensor:
    """V: the number of limbs between each joint and the centre, the root of the tree of limbs."""
    parents = dict(skeleton.limbs)
    hops = torch.zeros(len(skeleton.joint_names))
    for joint in range(len(hops)):
        above = joint
        while above != skeleton.centre:
            above, hops[joint] = parents[above], hops[joint] + 1
    return hops
