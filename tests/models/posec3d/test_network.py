from dataclasses import replace

import pytest
import torch
from torch import Tensor

from d3d.data.batch import Batch
from d3d.data.skeleton import COCO, PENN_ACTION, nameless
from d3d.errors import ConfigError
from d3d.models.layers.heatmaps import joint_heatmaps
from d3d.models.posec3d.config import PoseC3DConfig
from d3d.models.posec3d.network import PoseC3D

TINY = PoseC3DConfig(classes=5, joints=13, width=2, stages="small")
TWO = replace(TINY, joints=26, persons=2)


def build(config: PoseC3DConfig) -> PoseC3D:
    torch.manual_seed(0)
    return PoseC3D(config, PENN_ACTION).eval()


def clips(frames: int = 4, joints: int = 13) -> Batch:
    generator = torch.Generator().manual_seed(1)
    visible = torch.rand(3, frames, joints, generator=generator) > 0.3
    return Batch((16, 20), joints=16 * torch.rand(3, frames, joints, 2, generator=generator), visible=visible)


def test_at_its_published_size_it_has_its_parameters() -> None:
    with torch.device("meta"):
        model = PoseC3D(PoseC3DConfig(classes=60, joints=34, persons=2), COCO)
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(2.02, abs=0.005)


@pytest.mark.parametrize(("stages", "frames"), [("published", 24), ("small", 24), ("small", 1)])
def test_only_the_last_stage_halves_the_frames(stages: str, frames: int) -> None:
    with torch.device("meta"):
        features = PoseC3D(replace(TINY, stages=stages), PENN_ACTION).features  # type: ignore[arg-type]
        found = features(torch.zeros(1, 13, 2 * frames - 1, 56, 56)).shape
    assert found == (1, 32, frames, 7, 7)


@pytest.mark.parametrize("heatmaps", ["joint", "limb"])
@pytest.mark.parametrize("frames", [1, 7])
def test_any_number_of_frames_and_each_clip_for_itself(frames: int, heatmaps: str) -> None:
    model, batch = build(replace(TWO, heatmaps=heatmaps)), clips(frames, 26)  # type: ignore[arg-type]
    alone = [
        model(Batch(batch.size, joints=batch.joints[i : i + 1], visible=batch.visible[i : i + 1])) for i in range(3)
    ]
    torch.testing.assert_close(model(batch), torch.cat(alone))
    assert model(batch).shape == (3, 5)


@pytest.mark.parametrize("heatmaps", ["joint", "limb"])
def test_the_volume_is_the_maximum_over_persons(heatmaps: str) -> None:
    both, single, batch = build(replace(TWO, heatmaps=heatmaps)), build(replace(TINY, heatmaps=heatmaps)), clips(4, 26)  # type: ignore[arg-type]
    each = [
        single.volume(Batch(batch.size, joints=batch.joints[:, :, own], visible=batch.visible[:, :, own]))
        for own in (slice(0, 13), slice(13, 26))
    ]
    assert torch.equal(both.volume(batch), torch.maximum(*each))


def test_who_is_absent_is_not_in_the_volume() -> None:
    batch = clips(4, 26)
    visible = batch.visible.clone()
    visible[:, :, 13:] = False
    alone = Batch(batch.size, joints=batch.joints[:, :, :13], visible=visible[:, :, :13])
    both = Batch(batch.size, joints=batch.joints, visible=visible)
    assert torch.equal(build(TWO)(both), build(TINY)(alone))
    nobody = build(TWO)(Batch(batch.size, joints=batch.joints, visible=torch.zeros_like(visible)))
    assert nobody.isfinite().all()


def test_a_large_input_is_drawn_at_the_resolution_with_pixels_where_they_belong() -> None:
    joints: Tensor = torch.tensor([[[[3.5, 1.5]] * 13]])  # 8×8 pixels become one
    seen = torch.ones(1, 1, 13, dtype=torch.bool)
    volume = build(replace(TINY, resolution=4)).volume(Batch((16, 32), joints=joints, visible=seen))
    assert volume.shape == (1, 13, 1, 2, 4)
    wanted = joint_heatmaps(torch.tensor([0.0, -0.25]), torch.tensor(True), (2, 4), 0.5)
    torch.testing.assert_close(volume[0, 0, 0], wanted)


@pytest.mark.parametrize("garbage", [-1e6, float("nan"), float("inf")])
def test_the_coordinates_of_an_invisible_joint_change_nothing(garbage: float) -> None:
    batch = clips()
    spoiled = torch.where(batch.visible[..., None], batch.joints, torch.tensor(garbage))
    for heatmaps in ("joint", "limb"):
        model = build(replace(TINY, heatmaps=heatmaps))
        assert torch.equal(model(batch), model(Batch(batch.size, joints=spoiled, visible=batch.visible)))


def test_every_weight_takes_part() -> None:
    model = build(TINY).train()
    model(clips()).square().sum().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in model.parameters())


def test_limbs_of_a_skeleton_without_limbs_are_refused_with_the_way_out() -> None:
    with pytest.raises(ConfigError, match=r"model\.heatmaps=limb: the skeleton has no limbs.*docs/data\.md"):
        PoseC3D(replace(TINY, heatmaps="limb"), nameless(13))
    PoseC3D(TINY, nameless(13))
