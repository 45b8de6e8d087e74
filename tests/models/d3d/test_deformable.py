import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from d3d.models.d3d.config import D3DConfig
from d3d.models.d3d.deformable import (
    DeformableAttention,
    TokenSearch,
    observed_movement,
    reference_points,
    sample_tokens,
)


def search_of(module: DeformableAttention) -> TokenSearch:
    assert module.search is not None
    return module.search


def trilinear(tokens: Tensor, point: tuple[float, ...]) -> Tensor:
    """The eight neighbours of one clamped point, weighted by hand. tokens D×T×h×w → D."""
    total = torch.zeros(tokens.shape[0], dtype=tokens.dtype)
    clamped = [min(max(p, 0.0), n - 1.0) for p, n in zip(point, tokens.shape[1:], strict=True)]
    for corner in itertools.product((0, 1), repeat=3):
        weight, index = 1.0, []
        for p, upper, n in zip(clamped, corner, tokens.shape[1:], strict=True):
            low = math.floor(p)
            weight *= (p - low) if upper else (1 - p + low)
            index.append(min(low + upper, n - 1))
        total += weight * tokens[:, index[0], index[1], index[2]]
    return total


def test_sampling_matches_eight_weighted_neighbours() -> None:
    torch.manual_seed(0)
    tokens = torch.randn(2, 3, 4, 5, 6, dtype=torch.float64)
    points = torch.rand(2, 2, 3, 2, 3, dtype=torch.float64) * torch.tensor([7.0, 8.0, 9.0]) - 2
    found = sample_tokens(tokens, points)
    assert found.shape == (2, 3, 2, 3, 2)
    for b, t, y, x in itertools.product(range(2), range(2), range(3), range(2)):
        torch.testing.assert_close(found[b, :, t, y, x], trilinear(tokens[b], tuple(points[b, t, y, x].tolist())))


def test_sampling_an_axis_of_one_token_reads_that_token() -> None:
    tokens = torch.randn(1, 2, 1, 1, 4, dtype=torch.float64)
    points = torch.tensor([[[[[0.0, 0.0, 2.0], [3.0, -1.0, 2.0]]]]], dtype=torch.float64)
    expected = tokens[:, :, :, :, 2:3].expand(-1, -1, -1, -1, 2)
    torch.testing.assert_close(sample_tokens(tokens, points), expected)


def test_sampling_has_exact_gradients() -> None:
    torch.manual_seed(0)
    tokens = torch.randn(1, 2, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    points = (torch.rand(1, 2, 2, 2, 3, dtype=torch.float64) * 1.8 + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(sample_tokens, (tokens, points))


def test_reference_points_are_the_centres_of_equal_cells() -> None:
    points = reference_points((12, 28, 3), (6, 22, 1))
    assert points.shape == (6, 22, 1, 3)
    for axis, (tokens, count) in enumerate([(12, 6), (28, 22), (3, 1)]):
        found = points.movedim(axis, 0)[..., axis]
        cells = torch.tensor([-0.5 + tokens / count * (cell + 0.5) for cell in range(count)])
        torch.testing.assert_close(found, cells[:, None, None].expand_as(found))


@given(tokens=st.integers(2, 40), count=st.integers(1, 40))
def test_no_reference_point_is_on_the_border_where_it_could_not_move_outwards(tokens: int, count: int) -> None:
    points = reference_points((tokens, 1, 1), (min(count, tokens - 1), 1, 1))[:, 0, 0, 0]
    assert points.min() > 0 and points.max() < tokens - 1
    torch.testing.assert_close(points + points.flip(0), torch.full_like(points, tokens - 1))


@pytest.mark.parametrize("source", [(12, 28, 28), (4, 9, 6), (1, 1, 1)])
def test_the_search_keeps_as_many_tokens_as_an_unpadded_kernel_leaves(source: tuple[int, int, int]) -> None:
    search = TokenSearch(D3DConfig(width=2, heads=1))
    points = search(torch.randn(1, *source, 8))
    assert points.shape == (1, *(max(1, n - 6) for n in source), 3)


def test_the_search_starts_at_the_reference_points() -> None:
    search = TokenSearch(D3DConfig(width=2, heads=1, kernel=3))
    points = search(torch.randn(2, 5, 4, 4, 8))
    torch.testing.assert_close(points, reference_points((5, 4, 4), (3, 2, 2)).expand(2, -1, -1, -1, -1))


@pytest.mark.parametrize("offset_range", [0.0, 0.5, 3.0])
def test_no_point_moves_further_than_the_offset_range(offset_range: float) -> None:
    torch.manual_seed(0)
    search = TokenSearch(D3DConfig(width=2, heads=1, kernel=3, offset_range=offset_range))
    torch.nn.init.normal_(search.offsets.weight, std=5)
    moved = search(torch.randn(2, 5, 4, 4, 8)) - reference_points((5, 4, 4), (3, 2, 2))
    assert moved.abs().max() <= offset_range + 1e-5
    assert (moved.abs().max() > 0.9 * offset_range) or offset_range == 0


def test_offset_range_zero_is_attention_to_a_plain_resampling() -> None:
    torch.manual_seed(0)
    config = D3DConfig(width=2, heads=2, kernel=3, offset_range=0.0, norm="printed")
    module = DeformableAttention(config, drop_path=0.0).double()
    torch.nn.init.normal_(search_of(module).offsets.weight)
    rgb, modal = torch.randn(1, 4, 5, 5, 8, dtype=torch.float64), torch.randn(1, 8, 8, dtype=torch.float64)
    resampled = torch.nn.functional.interpolate(
        rgb.permute(0, 4, 1, 2, 3), size=(2, 3, 3), mode="trilinear", align_corners=False
    )
    queries = torch.cat([rgb.flatten(1, 3), modal], dim=1)
    keys = torch.cat([resampled.flatten(2).transpose(1, 2), modal], dim=1)
    layers = module.projections
    reference = torch.nn.MultiheadAttention(8, 2, batch_first=True).double()
    with torch.no_grad():
        linears = (layers.query, layers.key, layers.value)
        reference.in_proj_weight.copy_(torch.cat([layer.weight for layer in linears]))
        reference.in_proj_bias.copy_(torch.cat([layer.bias for layer in linears]))
        reference.out_proj.load_state_dict(layers.output.state_dict())
    expected = queries + reference(queries, keys, keys)[0]
    expected = expected + module.feed_forward(expected)
    found_rgb, found_modal = module(rgb, modal)
    torch.testing.assert_close(found_rgb.flatten(1, 3), expected[:, :100])
    torch.testing.assert_close(found_modal, expected[:, 100:])


def test_full_attention_is_multi_head_attention_over_every_token() -> None:
    torch.manual_seed(0)
    module = DeformableAttention(D3DConfig(width=2, heads=2, deformable_attention="full"), 0.0).double()
    rgb, modal = torch.randn(2, 3, 2, 2, 8, dtype=torch.float64), torch.randn(2, 4, 8, dtype=torch.float64)
    tokens = torch.cat([rgb.flatten(1, 3), modal], dim=1)
    normed, parts = module.norm(tokens), module.projections
    query, key, value = (layer(normed).unflatten(-1, (2, 4)) for layer in (parts.query, parts.key, parts.value))
    weights = torch.einsum("bnhd,bmhd->bhnm", query, key).div(2).softmax(dim=-1)
    tokens = tokens + parts.output(torch.einsum("bhnm,bmhd->bnhd", weights, value).flatten(2))
    tokens = tokens + module.feed_forward(tokens)
    found, told = module(rgb, modal)
    torch.testing.assert_close(torch.cat([found.flatten(1, 3), told], dim=1), tokens)


def test_gradients_reach_the_offsets_and_are_exact() -> None:
    torch.manual_seed(0)
    module = DeformableAttention(D3DConfig(width=1, heads=1, kernel=2), drop_path=0.0).double()
    torch.nn.init.normal_(search_of(module).offsets.weight)
    rgb = torch.randn(1, 3, 2, 2, 4, dtype=torch.float64, requires_grad=True)
    modal = torch.randn(1, 2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(module, (rgb, modal))
    module(rgb, modal)[0].sum().backward()
    gradient = search_of(module).offsets.weight.grad
    assert gradient is not None and gradient.abs().sum() > 0


def test_movement_is_how_far_points_are_read_from_where_they_started() -> None:
    torch.manual_seed(0)
    module = DeformableAttention(D3DConfig(width=2, heads=1, kernel=3, offset_range=4.0), drop_path=0.0)
    rgb, modal = torch.randn(2, 6, 4, 5, 8), torch.randn(2, 3, 8)
    with observed_movement(module) as movement:
        module(rgb, modal)
    assert movement.mean == {"t": 0, "y": 0, "x": 0}, "the search starts at the reference points"

    torch.nn.init.normal_(search_of(module).offsets.weight[1:], std=5)
    with observed_movement(module) as movement:
        module(rgb[:1], modal[:1])
        module(rgb[1:], modal[1:])
    module(rgb * 2, modal)  # no longer observed
    start = reference_points((6, 4, 5), (4, 2, 3))
    read = search_of(module)(rgb).clamp(min=torch.zeros(3), max=torch.tensor([5.0, 3.0, 4.0]))
    expected = (read - start).abs().mean(dim=(0, 1, 2, 3))
    torch.testing.assert_close(torch.tensor([movement.mean[axis] for axis in "tyx"]), expected)
    assert movement.mean["t"] == 0 and movement.mean["y"] > 0.5 and movement.mean["x"] > 0.5


def test_a_model_without_a_search_has_no_movement() -> None:
    with observed_movement(torch.nn.Linear(2, 2)) as movement:
        pass
    assert movement.mean == {}
