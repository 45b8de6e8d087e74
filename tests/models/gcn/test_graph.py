import pytest
import torch

from d3d.data.skeleton import COCO, NTU, PENN_ACTION, Skeleton
from d3d.errors import ConfigError
from d3d.models.gcn.graph import Partition, subsets

SKELETONS = [PENN_ACTION, COCO, NTU]


def hops(skeleton: Skeleton) -> list[int]:
    """The number of limbs between each joint and the centre."""
    parent = dict(skeleton.limbs)

    def up(joint: int) -> int:
        return 0 if joint == skeleton.centre else 1 + up(parent[joint])

    return [up(joint) for joint in range(len(skeleton.joint_names))]


def expected(skeleton: Skeleton, partition: Partition) -> list[dict[tuple[int, int], float]]:
    """Each subset's (sender, receiver) → weight, joint by joint."""
    joints, limbs, away = range(len(skeleton.joint_names)), set(skeleton.limbs), hops(skeleton)
    if partition == "directed":
        own = {(i, i): 1.0 for i in joints}
        inward = {(child, parent): 1 / sum(other == parent for _, other in limbs) for child, parent in limbs}
        return [own, inward, {(parent, child): 1.0 for child, parent in limbs}]
    count = {"uniform": 1, "distance": 2, "spatial": 3}[partition]
    found: list[dict[tuple[int, int], float]] = [{} for _ in range(count)]
    for i in joints:
        neighbours = [i, *(j for j in joints if (i, j) in limbs or (j, i) in limbs)]
        for j in neighbours:
            place = 0 if count == 1 or i == j else 1 if count == 2 or away[j] >= away[i] else 2
            found[place][j, i] = 1 / len(neighbours)
    return found


@pytest.mark.parametrize("partition", ["uniform", "distance", "spatial", "directed"])
@pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda skeleton: str(len(skeleton.joint_names)))
def test_subsets_are_what_counting_joint_by_joint_gives(skeleton: Skeleton, partition: Partition) -> None:
    wanted = expected(skeleton, partition)
    found = subsets(skeleton, partition)
    assert len(found) == len(wanted)
    for matrix, entries in zip(found, wanted, strict=True):
        brute = torch.zeros_like(matrix)
        for (sender, receiver), weight in entries.items():
            brute[sender, receiver] = weight
        torch.testing.assert_close(matrix, brute)


@pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda skeleton: str(len(skeleton.joint_names)))
def test_the_subsets_of_distance_and_spatial_add_up_to_the_uniform_one(skeleton: Skeleton) -> None:
    (whole,) = subsets(skeleton, "uniform")
    torch.testing.assert_close(whole.sum(dim=0), torch.ones(len(whole)))
    for partition in ("distance", "spatial"):
        torch.testing.assert_close(subsets(skeleton, partition).sum(dim=0), whole)


def test_a_skeleton_without_limbs_is_refused_with_the_way_out() -> None:
    with pytest.raises(ConfigError, match=r"no limbs.*docs/data\.md"):
        subsets(Skeleton(joint_names=("a", "b"), mirrored=None), "spatial")
