import pytest
import torch
from torch import Tensor

from d3d.data.skeleton import COCO, NTU, PENN_ACTION, Skeleton
from d3d.models.gcn.streams import Stream, streamed

Vector = tuple[float, float]
SKELETONS = [PENN_ACTION, COCO, NTU]


def expected(stream: Stream, places: Tensor, visible: Tensor, skeleton: Skeleton) -> dict[tuple[int, int], Vector]:
    """The known vectors of one person's clip, (frame, joint) → vector, one by one."""
    parents = dict(skeleton.limbs)
    seen: dict[tuple[int, int], Vector] = {}
    for t in range(len(places)):
        for joint in range(len(skeleton.joint_names)):
            x, y = places[t, joint].tolist()
            parent = parents.get(joint, joint)
            if visible[t, joint] and (not stream.startswith("bone") or visible[t, parent]):
                start = places[t, parent].tolist() if stream.startswith("bone") else (0.0, 0.0)
                seen[t, joint] = x - start[0], y - start[1]
    if not stream.endswith("motion"):
        return seen
    pairs = {key: (vector, seen[key[0] + 1, key[1]]) for key, vector in seen.items() if (key[0] + 1, key[1]) in seen}
    return {key: (after[0] - before[0], after[1] - before[1]) for key, (before, after) in pairs.items()}


@pytest.mark.parametrize("stream", ["joint", "bone", "motion", "bone_motion"])
@pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda skeleton: str(len(skeleton.joint_names)))
def test_streams_are_what_counting_joint_by_joint_gives(skeleton: Skeleton, stream: Stream) -> None:
    generator = torch.Generator().manual_seed(0)
    joints = len(skeleton.joint_names)
    visible = torch.rand(4, joints, generator=generator) > 0.3
    places = torch.rand(4, joints, 2, generator=generator, dtype=torch.float64) * visible[..., None]
    vectors, known = streamed(stream, places[None], visible[None], skeleton)
    wanted, there = torch.zeros_like(places), torch.zeros_like(visible)
    for (t, joint), vector in expected(stream, places, visible, skeleton).items():
        wanted[t, joint], there[t, joint] = torch.tensor(vector, dtype=torch.float64), True
    torch.testing.assert_close(vectors[0], wanted)
    assert torch.equal(known[0], there)


@pytest.mark.parametrize("stream", ["motion", "bone_motion"])
def test_a_single_frame_does_not_move(stream: Stream) -> None:
    vectors, known = streamed(stream, torch.rand(1, 13, 2), torch.ones(1, 13, dtype=torch.bool), PENN_ACTION)
    assert not vectors.any() and not known.any()
