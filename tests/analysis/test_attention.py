import dataclasses
from typing import Any

import pytest
import torch

from d3d.analysis.attention import attention_of_clip, attention_on_joints, splat
from d3d.data.batch import Batch
from d3d.errors import ConfigError
from d3d.models.d3d.config import D3DConfig
from d3d.models.d3d.deformable import TokenSearch, sample_tokens
from d3d.models.d3d.transformer import D3DTransformer
from d3d.models.layers.attention import kept_attention

TINY = D3DConfig(classes=5, joints=6, width=2, depth=2, heads=2, kernel=3, joint_window=4, temporal_window=4)


def build(**changes: Any) -> D3DTransformer:
    torch.manual_seed(0)
    model = D3DTransformer(dataclasses.replace(TINY, **changes)).eval()
    for module in model.modules():
        if isinstance(module, TokenSearch):
            torch.nn.init.normal_(module.offsets.weight)
    return model


def clip(clips: int = 1, frames: int = 8, side: int = 32) -> Batch:
    generator = torch.Generator().manual_seed(1)
    return Batch(
        (side, side),
        frames=torch.randn(clips, 3, frames, side, side, generator=generator),
        joints=torch.rand(clips, frames, 6, 2, generator=generator) * side,
        visible=torch.rand(clips, frames, 6, generator=generator) > 0.3,
    )


def test_a_point_on_a_token_gives_it_all_and_one_between_gives_each_its_share() -> None:
    on = splat(torch.tensor([[1.0, 2.0, 0.0]]), torch.tensor([0.5]), (3, 4, 2))
    assert on[1, 2, 0] == 0.5 and on.count_nonzero() == 1
    between = splat(torch.tensor([[0.25, 1.0, 0.5]]), torch.tensor([8.0]), (2, 2, 2))
    assert between[:, 1].tolist() == [[3.0, 3.0], [1.0, 1.0]] and between[:, 0].count_nonzero() == 0
    outside = splat(torch.tensor([[-3.0, 9.0, 0.0]]), torch.tensor([1.0]), (2, 2, 2))
    assert outside[0, 1, 0] == 1


def test_a_splat_is_the_transpose_of_sampling() -> None:
    """⟨weights, sample(tokens)⟩ = ⟨splat(weights), tokens⟩ for any tokens."""
    torch.manual_seed(0)
    points, weights = torch.rand(20, 3, dtype=torch.float64) * 6 - 1, torch.rand(20, dtype=torch.float64)
    tokens = torch.randn(3, 4, 5, dtype=torch.float64)
    volume = splat(points, weights, (3, 4, 5))
    sampled = sample_tokens(tokens[None, None], points.reshape(1, 20, 1, 1, 3)).flatten()
    torch.testing.assert_close((volume * tokens).sum(), (weights * sampled).sum())
    torch.testing.assert_close(volume.sum(), weights.sum())


def test_joints_get_the_mean_of_their_windows_by_hand() -> None:
    """Two windows of two joints over two frames, and one modal token: joint 2 is a key of both, joint 0 of none."""
    maps = torch.zeros(2, 5, 5)
    maps[0, -1] = torch.tensor([0.1, 0.2, 0.3, 0.2, 0.2])
    maps[1, -1] = torch.tensor([0.5, 0.0, 0.1, 0.1, 0.3])
    found = attention_on_joints(maps, torch.tensor([[1, 2], [2, 3]]), frames=2, joints=4, modal=1)
    expected = torch.tensor([[torch.nan, torch.nan], [0.1, 0.2], [0.4, 0.1], [0.1, 0.1]])
    torch.testing.assert_close(found, expected, equal_nan=True)


@pytest.mark.parametrize("tokens", ["cross", "single", "none"])
def test_of_a_whole_model_every_block_is_there_and_weights_are_shares(tokens: str) -> None:
    model, batch = build(tokens=tokens, joint_window=6).train(), clip()
    blocks = attention_of_clip(model, batch)
    assert len(blocks) == 2 and model.training
    for block in blocks:
        assert block.deformable and block.joints is not None
        assert block.deformable.volume.shape == (8, 4, 4) and block.deformable.points.shape == (6 * 2 * 2, 3)
        total = block.deformable.weights.sum()
        assert total <= 1 + 1e-5 and (tokens != "none") == bool(total < 0.999)
        torch.testing.assert_close(block.deformable.volume.sum(), total)
        assert (block.deformable.points >= 0).all() and block.joints.shape == (6, 8)
        assert block.joints.sum() <= 1 + 1e-5, "one window holds all joints"


@pytest.mark.parametrize("norm", ["pre", "printed"])
def test_a_model_whose_attention_is_kept_gives_the_same_logits(norm: str) -> None:
    model, batch = build(norm=norm), clip(2)
    with torch.no_grad():
        usual = model(batch)
        with kept_attention(model):
            torch.testing.assert_close(model(batch), usual)
        assert torch.equal(model(batch), usual)


def test_the_first_joints_are_keys_of_no_window_and_absent_persons_have_no_attention() -> None:
    block = attention_of_clip(build(joint_window=4, joint_stride=2), clip())[0]
    assert block.joints is not None and block.joints.isnan().all(dim=1).tolist() == [True] * 2 + [False] * 4
    batch = clip()
    alone = Batch((32, 32), frames=batch.frames, joints=batch.joints, visible=batch.visible & (torch.arange(6) >= 3))
    block = attention_of_clip(build(persons=2, joint_window=3), alone)[0]
    assert block.joints is not None and block.joints.isnan().all(dim=1).tolist() == [True] * 3 + [False] * 3


def test_what_is_eliminated_has_no_map_and_several_clips_are_refused() -> None:
    [block, _] = attention_of_clip(build(deformable_attention=False), clip())
    assert block.deformable is None and block.joints is not None
    [block, _] = attention_of_clip(build(joint_attention=False), clip())
    assert block.deformable is not None and block.joints is None
    with pytest.raises(ConfigError, match="2 clips"):
        attention_of_clip(build(), clip(2))


def test_where_nothing_is_searched_the_weights_lie_on_the_tokens_themselves() -> None:
    block = attention_of_clip(build(deformable_attention="full"), clip())[0]
    assert block.deformable is not None and block.deformable.points.shape == (8 * 4 * 4, 3)
    torch.testing.assert_close(block.deformable.volume.flatten(), block.deformable.weights)
