import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from d3d.data.batch import Batch
from d3d.errors import ConfigError
from d3d.models.d3d.config import D3DConfig
from d3d.models.d3d.deformable import TokenSearch
from d3d.models.d3d.transformer import D3DTransformer

TINY = D3DConfig(classes=5, joints=6, width=2, depth=2, heads=2, kernel=3, joint_window=4, temporal_window=4)


def build(**changes: Any) -> D3DTransformer:
    torch.manual_seed(0)
    model = D3DTransformer(dataclasses.replace(TINY, **changes)).eval()
    for module in model.modules():
        if isinstance(module, TokenSearch):
            torch.nn.init.normal_(module.offsets.weight)
    return model


def inputs(batch: int = 2, frames: int = 8, side: int = 32) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(batch, 3, frames, side, side, generator=generator),
        torch.rand(batch, frames, 6, 2, generator=generator) * side,
        torch.rand(batch, frames, 6, generator=generator) > 0.3,
    )


def answer(model: D3DTransformer, frames: Tensor, joints: Tensor, visible: Tensor) -> Tensor:
    logits: Tensor = model(Batch((frames.shape[3], frames.shape[4]), frames=frames, joints=joints, visible=visible))
    return logits


@pytest.mark.parametrize("frames", [2, 3, 4, 7, 12, 16, 32])
def test_any_number_of_frames(frames: int) -> None:
    logits = answer(build(kernel=7), *inputs(frames=frames))
    assert logits.shape == (2, 5)
    assert logits.isfinite().all()


@pytest.mark.parametrize("tokens", ["cross", "single", "none"])
@pytest.mark.parametrize("norm", ["pre", "printed"])
def test_a_batch_gives_what_its_clips_give_alone(tokens: str, norm: str) -> None:
    model, batch = build(tokens=tokens, norm=norm).double(), inputs(batch=3)
    frames, joints, visible = batch[0].double(), batch[1].double(), batch[2]
    alone = [answer(model, frames[i : i + 1], joints[i : i + 1], visible[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(answer(model, frames, joints, visible), torch.cat(alone))


@pytest.mark.parametrize("pose_position", ["coordinate", "motion", "trajectory", "index"])
@pytest.mark.parametrize("garbage", [-1e6, 7.5, float("nan"), float("inf")])
def test_the_coordinates_of_an_invisible_joint_change_nothing(pose_position: str, garbage: float) -> None:
    model = build(pose_position=pose_position)
    frames, joints, visible = inputs()
    spoiled = torch.where(visible[..., None], joints, torch.tensor(garbage))
    assert torch.equal(answer(model, frames, joints, visible), answer(model, frames, spoiled, visible))


def test_the_coordinates_of_a_visible_joint_change_the_answer() -> None:
    model = build()
    frames, joints, visible = inputs()
    moved = torch.where(visible[..., None], 31 - joints, joints)
    assert not torch.allclose(answer(model, frames, joints, visible), answer(model, frames, moved, visible))


def test_without_pose_features_a_pose_token_is_blind_and_knows_its_joint() -> None:
    model = build(width=8, pose_features=False, deformable_attention=False, temporal_attention=False)
    frames, joints, visible = inputs()
    assert torch.equal(answer(model, frames, joints, visible), answer(model, frames.flip(3), joints, visible))
    assert not torch.allclose(answer(model, frames, joints, visible), answer(model, frames, 31 - joints, visible))
    seeing = build(width=8, deformable_attention=False, temporal_attention=False)
    assert not torch.equal(answer(seeing, frames, joints, visible), answer(seeing, frames.flip(3), joints, visible))


def test_the_order_of_the_frames_changes_the_answer() -> None:
    model = build()
    frames, joints, visible = inputs()
    reversed_logits = answer(model, frames.flip(2), joints.flip(1), visible.flip(1))
    assert not torch.allclose(answer(model, frames, joints, visible), reversed_logits, atol=1e-4)


def modules(model: D3DTransformer) -> set[str]:
    """The names of all modules with parameters, without the numbers of the blocks."""
    names = (name for name, _ in model.named_parameters())
    return {".".join(part for part in name.split(".") if not part.isdigit()).rsplit(".", 1)[0] for name in names}


@pytest.mark.parametrize(
    ("change", "gone"),
    [
        ({"deformable_attention": False}, "blocks.deformable"),
        ({"deformable_attention": "full"}, "blocks.deformable.search"),
        ({"joint_attention": False}, "blocks.joint"),
        ({"temporal_attention": False}, "blocks.temporal"),
        ({"tokens": "single"}, "blocks.mix"),
        ({"pose_position": "index"}, "embedding.coordinate"),
    ],
)
def test_a_switch_takes_away_exactly_what_it_names(change: dict[str, Any], gone: str) -> None:
    full, reduced = modules(build()), modules(build(**change))
    assert reduced < full
    assert full - reduced == {name for name in full if name.startswith(gone)}


def test_norm_printed_takes_away_the_norms_before_the_attentions_and_the_head() -> None:
    full, printed = modules(build()), modules(build(norm="printed"))
    assert full - printed == {"norm", "blocks.deformable.norm", "blocks.joint.norm", "blocks.temporal.norm"}


def test_a_block_without_modules_is_the_identity_on_rgb_and_pose() -> None:
    nothing = {f"{name}_attention": False for name in ("deformable", "joint", "temporal")}
    block = build(**nothing).blocks[0]
    rgb, pose, modal = torch.randn(1, 4, 2, 2, 8), torch.randn(1, 4, 6, 8), torch.randn(1, 4, 3, 8)
    out_rgb, out_pose, out_modal = block(rgb, pose, modal)
    assert torch.equal(out_rgb, rgb) and torch.equal(out_pose, pose)
    torch.testing.assert_close(out_modal, modal)  # the mixer starts as the mean of two equal CLS tokens


def test_deformable_attention_alone_is_an_rgb_only_model() -> None:
    model = build(joint_attention=False, temporal_attention=False)
    frames, joints, visible = inputs()
    assert torch.equal(answer(model, frames, joints, visible), answer(model, frames, joints * 0.5, ~visible))


@pytest.mark.parametrize("eliminated", ["deformable_attention", "joint_attention", "temporal_attention"])
def test_every_other_row_of_table_4_sees_the_joints(eliminated: str) -> None:
    model = build(**{eliminated: False})
    frames, joints, visible = inputs()
    assert not torch.equal(answer(model, frames, joints, visible), answer(model, frames, joints * 0.5, visible))


@pytest.mark.parametrize("tokens", ["cross", "single", "none"])
def test_every_parameter_learns(tokens: str) -> None:
    model = build(tokens=tokens).train()
    answer(model, *inputs()).logsumexp(dim=1).sum().backward()  # type: ignore[no-untyped-call]
    learnable = [(name, p) for name, p in model.named_parameters() if p.numel()]
    idle = [name for name, p in learnable if p.grad is None or not p.grad.abs().sum() > 0]
    # a softmax ignores a bias of its keys
    assert [name for name in idle if "key.bias" not in name] == []


def test_another_number_of_joints_is_refused() -> None:
    frames, joints, visible = inputs()
    with pytest.raises(ConfigError, match="3 joints"):
        answer(build(), frames, joints[:, :, :3], visible[:, :, :3])


def test_windows_and_strides_change_no_parameter() -> None:
    shapes = [
        {name: p.shape for name, p in build(temporal_window=window, temporal_stride=stride).named_parameters()}
        for window, stride in [(4, 1), (4, 4), (10, 5)]
    ]
    assert shapes[0] == shapes[1] == shapes[2]


def test_drop_path_and_dropout_act_in_training_alone() -> None:
    model = build(drop_path=0.5, dropout=0.3)
    batch = inputs()
    torch.testing.assert_close(answer(model, *batch), answer(build(), *batch))
    model.blocks.train()
    assert not torch.allclose(answer(model, *batch), answer(model, *batch))


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_drop_path_skips_branches_of_the_last_block_and_none_of_the_first_of_several(depth: int) -> None:
    model, batch = build(depth=depth, drop_path=0.5), inputs()
    model.blocks[-1].train()
    assert not torch.allclose(answer(model, *batch), answer(model, *batch))
    model.eval().blocks[0].train()
    assert torch.allclose(answer(model, *batch), answer(model, *batch)) == (depth > 1)


@pytest.mark.parametrize(
    "changes",
    [
        *({"tokens": tokens, "norm": norm} for tokens in ("cross", "single", "none") for norm in ("pre", "printed")),
        {"joint_attention": False},
        {"temporal_attention": False},
        {"deformable_attention": False},
        {"pose_position": "relative"},
        {"pose_position": "motion"},
        {"pose_position": "trajectory"},
        {"pose_features": False},
        {"joint_window": 12},
    ],
)
def test_an_absent_second_person_changes_no_logit(changes: dict[str, Any]) -> None:
    room = build(persons=2, joints=12, **changes)
    single = build(joints=6, **changes)
    of_joints = {
        name for name in room.state_dict() if name.startswith(("embedding.joint_index", "embedding.trajectory"))
    }
    single.load_state_dict({n: w[:6] if n in of_joints else w for n, w in room.state_dict().items()})
    frames, joints, visible = inputs()
    nowhere = torch.full_like(joints, float("nan"))
    added = torch.cat([joints, nowhere], dim=2), torch.cat([visible, torch.zeros_like(visible)], dim=2)
    assert torch.equal(answer(room, frames, *added), answer(single, frames, joints, visible))


@pytest.mark.parametrize("tokens", ["cross", "single", "none"])
def test_clips_of_one_two_and_no_persons_mix_in_a_batch(tokens: str) -> None:
    model = build(persons=2, joints=6, tokens=tokens).double()
    frames, joints, visible = inputs(batch=6)
    frames, joints = frames.double(), joints.double()
    visible[0, :, 3:] = False
    visible[2, :, :3] = False  # only the second is left in the picture
    visible[3] = False
    visible[5, :, 3:] = False
    alone = [answer(model, frames[i : i + 1], joints[i : i + 1], visible[i : i + 1]) for i in range(6)]
    together = answer(model, frames, joints, visible)
    torch.testing.assert_close(together, torch.cat(alone))
    assert together.isfinite().all()


def test_a_second_person_who_is_there_changes_the_answer() -> None:
    model = build(persons=2, joints=6)
    frames, joints, visible = inputs()
    lonely = visible.clone()
    lonely[:, :, 3:] = False
    assert not torch.allclose(answer(model, frames, joints, visible), answer(model, frames, joints, lonely), atol=1e-4)


def test_every_parameter_learns_from_clips_of_one_and_two_persons() -> None:
    model = build(persons=2, joints=6).train()
    frames, joints, visible = inputs()
    visible[0, :, 3:] = False
    answer(model, frames, joints, visible).logsumexp(dim=1).sum().backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_joints_must_divide_among_the_persons() -> None:
    with pytest.raises(ConfigError, match=r"model\.persons=4"):
        build(persons=4)
