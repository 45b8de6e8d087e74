from dataclasses import replace

import pytest
import torch

from d3d.data.batch import Batch
from d3d.errors import ConfigError
from d3d.models.layers.backbone import Backbone
from d3d.models.star.backbone import MC3
from d3d.models.star.config import STARConfig
from d3d.models.star.network import STAR

TINY = STARConfig(classes=5, joints=13, width=2, dimension=8, heads=2, depth=1)
TWO = replace(TINY, joints=26, persons=2)


def build(config: STARConfig) -> STAR:
    torch.manual_seed(0)
    return STAR(config).eval()


def clips(frames: int = 4, joints: int = 13, count: int = 3) -> Batch:
    generator = torch.Generator().manual_seed(1)
    return Batch(
        (24, 32),
        frames=torch.randn(count, 3, frames, 24, 32, generator=generator),
        joints=24 * torch.rand(count, frames, joints, 2, generator=generator),
        visible=torch.rand(count, frames, joints, generator=generator) > 0.3,
    )


def changed(batch: Batch, **tensors: torch.Tensor) -> Batch:
    own = {"frames": batch.frames, "joints": batch.joints, "visible": batch.visible}
    return Batch(batch.size, **(own | tensors))


def test_mc3_at_its_published_size_has_its_parameters() -> None:
    with torch.device("meta"):
        backbone, head = MC3(64), torch.nn.Linear(512, 400)
    assert sum(p.numel() for module in (backbone, head) for p in module.parameters()) == 11_695_440


def test_mc3_keeps_every_frame() -> None:
    with torch.device("meta"):
        local, deep = MC3(64)(torch.zeros(1, 3, 16, 224, 224))
    assert local.shape == (1, 64, 16, 112, 112) and deep.shape == (1, 512, 16, 14, 14)


def test_tokens_of_a_frame_are_the_grid_the_joints_and_three_classes() -> None:
    with torch.device("meta"):
        embedding = STAR(replace(TINY, width=64, dimension=512)).embedding
        local, deep = torch.zeros(1, 64, 16, 112, 112), torch.zeros(1, 512, 16, 14, 14)
        joints, own = torch.zeros(1, 16, 13, 2), torch.zeros(13, dtype=torch.int64)
        tokens = embedding(local, deep, joints, joints[..., 0].bool(), own)
    assert tokens.shape == (1, 16, 196 + 13 + 3, 512)


def test_the_other_backbone_is_that_of_the_other_system() -> None:
    assert isinstance(STAR(replace(TINY, backbone="d3d")).backbone, Backbone)


@pytest.mark.parametrize("backbone", ["mc3", "d3d"])
@pytest.mark.parametrize("frames", [1, 2, 5])
def test_any_number_of_frames_and_each_clip_for_itself(frames: int, backbone: str) -> None:
    model, batch = build(replace(TINY, backbone=backbone)), clips(frames)  # type: ignore[arg-type]
    alone = [
        model(Batch(batch.size, frames=batch.frames[i, None], joints=batch.joints[i, None], visible=batch.visible[[i]]))
        for i in range(3)
    ]
    assert model(batch).shape == (3, 5)
    torch.testing.assert_close(model(batch), torch.cat(alone))


@pytest.mark.parametrize("attention", ["full", "zigzag", "binary"])
def test_every_weight_takes_part(attention: str) -> None:
    model = build(replace(TINY, encoder_attention=attention, decoder_attention=attention)).train()  # type: ignore[arg-type]
    model(clips()).square().sum().backward()
    idle = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert idle == []


def test_who_is_absent_has_no_tokens() -> None:
    both, single, batch = build(TWO), build(TINY), clips(4, 26)
    weights = both.state_dict()
    index = "embedding.joint_index"
    visible = batch.visible.clone()
    visible[:, :, 13:] = False
    single.load_state_dict(weights | {index: weights[index][:13]})
    alone = single(changed(batch, joints=batch.joints[:, :, :13], visible=visible[:, :, :13]))
    torch.testing.assert_close(both(changed(batch, visible=visible)), alone)


def test_clips_with_different_persons_are_answered_in_their_order() -> None:
    model, batch = build(TWO), clips(4, 26)
    visible = batch.visible.clone()
    visible[0, :, 13:], visible[2, :, :13] = False, False
    batch = changed(batch, visible=visible)
    alone = [
        model(Batch(batch.size, frames=batch.frames[i, None], joints=batch.joints[i, None], visible=visible[[i]]))
        for i in range(3)
    ]
    torch.testing.assert_close(model(batch), torch.cat(alone))
    assert model(changed(batch, visible=torch.zeros_like(visible))).isfinite().all()


@pytest.mark.parametrize("garbage", [-1e6, float("nan"), float("inf")])
def test_the_coordinates_of_an_invisible_joint_change_nothing(garbage: float) -> None:
    model, batch = build(TINY), clips()
    spoiled = torch.where(batch.visible[..., None], batch.joints, torch.tensor(garbage))
    assert torch.equal(model(batch), model(changed(batch, joints=spoiled)))


def test_the_order_of_frames_and_the_places_of_joints_matter() -> None:
    model, batch = build(TINY), clips(5)
    assert not torch.allclose(model(batch), model(changed(batch, joints=batch.joints * 0.5)), atol=1e-6)
    backwards = changed(batch, frames=batch.frames.flip(2), joints=batch.joints.flip(1), visible=batch.visible.flip(1))
    assert not torch.allclose(model(batch), model(backwards), atol=1e-6)


def test_another_number_of_joints_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"26 joints: this model was built for model\.joints=13"):
        build(TINY)(clips(4, 26))


def test_heads_that_do_not_divide_a_token_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.heads"):
        STARConfig(dimension=30, heads=8)


def test_one_person_is_counted_without_looking_at_who_is_present() -> None:
    config = TWO.everybody_present()
    with torch.device("meta"):  # has no values to look at
        logits = STAR(config)(
            Batch(
                (24, 32),
                frames=torch.zeros(1, 3, 4, 24, 32),
                joints=torch.zeros(1, 4, 26, 2),
                visible=torch.zeros(1, 4, 26, dtype=torch.bool),
            )
        )
    assert logits.shape == (1, 5)
