from dataclasses import replace

import pytest
import torch
from torch import Tensor

from d3d.data.batch import Batch
from d3d.data.skeleton import NTU, PENN_ACTION
from d3d.errors import ConfigError
from d3d.models.gcn.config import GCNConfig
from d3d.models.gcn.network import GCN

TINY = GCNConfig(classes=5, joints=13, width=6)
TWO = replace(TINY, joints=26, persons=2)
GRAPHS = ["fixed", "importance", "free", "channelwise"]


def build(config: GCNConfig) -> GCN:
    torch.manual_seed(0)
    model = GCN(config, PENN_ACTION).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(module.weight)  # weights that start near zero would hide the effect of a graph
    return model


def clips(count: int = 3, frames: int = 8, joints: int = 13) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    visible = torch.rand(count, frames, joints, generator=generator) > 0.3
    return 32 * torch.rand(count, frames, joints, 2, generator=generator), visible


def answer(model: GCN, joints: Tensor, visible: Tensor) -> Tensor:
    logits: Tensor = model(Batch((32, 32), joints=joints, visible=visible))
    return logits


def test_st_gcn_at_its_published_size_has_its_parameters() -> None:
    with torch.device("meta"):
        model = GCN(GCNConfig(classes=60, joints=50, persons=2), NTU)
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(3.10, abs=0.01)


CTR_GCN = GCNConfig(graph="channelwise", partition="directed", time="four_branches")


def test_ctr_gcn_has_half_as_many_as_st_gcn() -> None:
    with torch.device("meta"):
        model = GCN(replace(CTR_GCN, classes=120, joints=50, persons=2), NTU)
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(1.46, abs=0.005)


@pytest.mark.parametrize("frames", [1, 2, 7, 12, 32])
def test_any_number_of_frames(frames: int) -> None:
    for time in ("plain", "branches", "four_branches"):
        assert answer(build(replace(TINY, time=time)), *clips(frames=frames)).isfinite().all()


@pytest.mark.parametrize("time", ["branches", "four_branches"])
def test_branches_of_a_narrow_network_have_a_channel_each(time: str) -> None:
    assert answer(build(replace(TINY, width=4, time=time)), *clips()).shape == (3, 5)  # type: ignore[arg-type]


def test_a_stream_reaches_the_answer_and_a_still_skeleton_has_no_motion() -> None:
    joints, visible = clips()
    joints, visible = joints[:, :1].expand(-1, 8, -1, -1), torch.ones_like(visible)
    other = joints.roll(1, 0)
    for stream, differs in (("joint", True), ("bone", True), ("motion", False), ("bone_motion", False)):
        model = build(replace(TINY, stream=stream))  # type: ignore[arg-type]
        assert torch.equal(answer(model, joints, visible), answer(model, other, visible)) != differs, stream


@pytest.mark.parametrize("time", ["plain", "branches", "four_branches"])
@pytest.mark.parametrize("graph", GRAPHS)
def test_every_weight_takes_part(graph: str, time: str) -> None:
    model = build(replace(TINY, width=24, graph=graph, time=time, partition="directed")).train()  # type: ignore[arg-type]
    answer(model, *clips()).square().sum().backward()  # type: ignore[no-untyped-call]
    idle = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
    silent = ("sender", "receiver", "relation")  # have no gradient while the strength of the comparison is zero
    assert [name for name in idle if not any(part in name for part in silent)] == []


@pytest.mark.parametrize("graph", GRAPHS)
def test_a_batch_gives_what_its_clips_give_alone(graph: str) -> None:
    model = build(replace(TWO, graph=graph)).double()  # type: ignore[arg-type]
    joints, visible = clips(joints=26)
    joints, visible[0, :, 13:] = joints.double(), False
    alone = [answer(model, joints[i : i + 1], visible[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(answer(model, joints, visible), torch.cat(alone))


def test_a_joint_far_along_the_limbs_and_in_another_frame_is_heard_of() -> None:
    model, (joints, visible) = build(TINY), clips(count=1)
    moved = joints.clone()
    visible[:] = True
    moved[0, -1, 12] += 5
    assert not torch.equal(answer(model, joints, visible), answer(model, moved, visible))


@pytest.mark.parametrize("garbage", [-1e6, float("nan"), float("inf")])
def test_the_coordinates_of_an_invisible_joint_change_nothing(garbage: float) -> None:
    model, (joints, visible) = build(TINY), clips()
    spoiled = torch.where(visible[..., None], joints, torch.tensor(garbage))
    assert torch.equal(answer(model, joints, visible), answer(model, spoiled, visible))


def test_who_is_absent_does_not_count() -> None:
    model, single = build(TWO), build(TINY)
    single.load_state_dict(model.state_dict())
    joints, visible = clips(joints=26)
    visible[:, :, 13:] = False
    torch.testing.assert_close(answer(model, joints, visible), answer(single, joints[:, :, :13], visible[:, :, :13]))
    swapped = answer(model, joints.roll(13, 2), visible.roll(13, 2))
    torch.testing.assert_close(swapped, answer(model, joints, visible))


def test_where_nobody_is_the_answer_is_a_number() -> None:
    joints, visible = clips(joints=26)
    assert answer(build(TWO), joints, torch.zeros_like(visible)).isfinite().all()


def test_a_skeleton_that_is_not_there_or_of_another_count_is_refused() -> None:
    with pytest.raises(ConfigError, match="13 joints of 1 persons need their skeleton, and none is given"):
        GCN(TINY)
    with pytest.raises(ConfigError, match="one of 25 joints is given"):
        GCN(TINY, NTU)
