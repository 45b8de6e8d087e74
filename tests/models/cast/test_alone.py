from dataclasses import replace

import pytest
import torch
from einops import rearrange, reduce

from d3d.data.batch import Batch
from d3d.errors import ConfigError
from d3d.models.cast.alone import MaskedViT, ViT, normalised
from d3d.models.cast.config import ExpertConfig, MaskedViTConfig
from d3d.models.cast.experts import axis_positions

MASKED = MaskedViTConfig(width=16, depth=1, heads=2, patch=4, frames=4, crop=8, mask_ratio=0.5, decoder_depth=1)
ALONE = ExpertConfig(width=16, depth=1, heads=2, patch=4, frames=4, crop=8, classes=5)


def clips(count: int = 3) -> Batch:
    generator = torch.Generator().manual_seed(1)
    return Batch((8, 8), frames=torch.randn(count, 3, 4, 8, 8, generator=generator))


def masked_model(config: MaskedViTConfig = MASKED) -> MaskedViT:
    torch.manual_seed(0)
    return MaskedViT(config).eval()


def test_what_is_seen_is_two_places_of_four_at_all_times_and_the_rest_is_reconstructed() -> None:
    batch = clips()
    clip, seen, filled = masked_model().pictures(batch).unbind(dim=1)
    torch.testing.assert_close(clip, batch.frames)
    shown = (seen != 0).any(dim=1)  # B×T×H×W
    places = reduce(shown.int(), "b t (h p) (w q) -> b t (h w)", "max", p=4, q=4)
    assert (places.sum(dim=2) == 2).all()
    assert (places == places[:, :1]).all(), "a tube has the same place at all times"
    kept = shown[:, None].expand_as(seen)
    torch.testing.assert_close(seen[kept], clip[kept])
    torch.testing.assert_close(filled[kept], clip[kept])
    assert not torch.isclose(filled[~kept], clip[~kept]).all()


def test_a_reconstruction_knows_nothing_of_what_is_masked_but_its_mean_and_deviation() -> None:
    model, batch = masked_model(), clips(1)
    torch.manual_seed(3)
    visible = model._visible(batch.frames)
    torch.manual_seed(3)
    seen = model.pictures(batch)[:, 1]
    other = Batch((8, 8), frames=torch.where(seen == 0, torch.randn_like(seen), batch.frames))
    found, again = (model._reconstructed(each.frames, visible) for each in (batch, other))
    torch.testing.assert_close(found, again)


def test_the_target_has_mean_0_and_deviation_1_in_each_channel() -> None:
    target, _, _ = normalised(5 + 3 * torch.randn(2, 4, 3 * 32))
    channels = rearrange(target, "b n (c p) -> b n c p", c=3)
    torch.testing.assert_close(channels.mean(dim=-1), torch.zeros(2, 4, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(channels.std(dim=-1), torch.ones(2, 4, 3), atol=1e-4, rtol=0)


def test_it_learns_to_reconstruct_one_clip_and_every_weight_takes_part() -> None:
    model, batch = masked_model().train(), clips(1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = model(batch)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    idle = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert idle == []
    assert losses[0] == pytest.approx(1, abs=0.5) and sum(losses[-5:]) / 5 < 0.7 * losses[0]


@pytest.mark.parametrize(("ratio", "masked"), [(0.1, 0), (0.99, 4)])
def test_a_mask_leaves_something_to_see_and_something_to_reconstruct(ratio: float, masked: int) -> None:
    config = replace(MASKED, mask_ratio=ratio)
    assert config.masked == masked
    with pytest.raises(ConfigError, match=rf"model\.mask_ratio={ratio}: must leave one of the 4 patches"):
        MaskedViT(config)


def test_an_expert_of_frames_is_trained_on_one_frame_of_each_clip_and_tested_on_all() -> None:
    torch.manual_seed(0)
    model, batch = ViT(replace(ALONE, tokens="frames")), clips(1)
    every = model.eval()(batch)
    singles = [model(Batch((8, 8), frames=batch.frames[:, :, 2 * t : 2 * t + 2])) for t in range(2)]
    model.train()
    drawn = [model(batch) for _ in range(20)]
    assert not any(torch.allclose(each, every) for each in drawn)
    for single in singles:
        assert any(torch.allclose(each, single) for each in drawn)


@pytest.mark.parametrize("tokens", ["frames", "tubelets"])
def test_clips_do_not_see_each_other(tokens: str) -> None:
    torch.manual_seed(0)
    model, batch = ViT(replace(ALONE, tokens=tokens)).eval(), clips()  # type: ignore[arg-type]
    each = torch.cat([model(Batch((8, 8), frames=frame[None])) for frame in batch.frames])
    torch.testing.assert_close(model(batch), each, atol=1e-5, rtol=1e-4)


def test_positions_on_axes_are_those_of_the_axes_in_the_order_of_tokens() -> None:
    grid = rearrange(axis_positions((3, 4, 5), 12), "(t y x) d -> t y x d", t=3, y=4)
    for axis, channels in enumerate((slice(0, 4), slice(4, 8), slice(8, 12))):
        own = grid[..., channels].movedim(axis, 0)
        assert (own == own[:, :1, :1]).all(), "it tells nothing of the other axes"
        assert torch.cdist(own[:, 0, 0], own[:, 0, 0]).fill_diagonal_(1).min() > 0.1, "it tells every place on its own"


@pytest.mark.parametrize("positions", ["index", "axes"])
def test_an_expert_of_tubelets_knows_where_a_token_is(positions: str) -> None:
    torch.manual_seed(0)
    model = ViT(replace(ALONE, sine_positions=positions)).eval()  # type: ignore[arg-type]
    batch = clips(1)
    for axis in (2, 3, 4):
        moved = Batch((8, 8), frames=batch.frames.roll(batch.frames.shape[axis] // 2, axis))
        assert not torch.allclose(model(moved), model(batch)), axis
