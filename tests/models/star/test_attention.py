import math

import pytest
import torch
from torch import Tensor

from d3d.models.layers.attention import MultiHeadProjections
from d3d.models.star.attention import HalvesAttention, Layer, halves
from d3d.models.star.config import STARConfig

TINY = STARConfig(dimension=8, heads=2, width=2, depth=1)


@pytest.mark.parametrize(
    ("attention", "frames", "first", "second"),
    [
        ("zigzag", 4, [0, 2], [1, 3]),
        ("zigzag", 5, [0, 2, 4], [1, 3]),
        ("binary", 4, [0, 1], [2, 3]),
        ("binary", 5, [0, 1], [2, 3, 4]),
        ("binary", 2, [0], [1]),
    ],
)
def test_halves(attention: str, frames: int, first: list[int], second: list[int]) -> None:
    found = halves(attention, frames)  # type: ignore[arg-type]
    assert [half.tolist() for half in found] == [first, second]


def brute_force(projections: MultiHeadProjections, tokens: Tensor, partners: list[list[int]]) -> Tensor:
    """tokens T×S×D: each token asks every token of its frame's partners, head by head."""
    heads, each = projections.heads, tokens.shape[-1] // projections.heads
    query, key, value = (layer(tokens) for layer in (projections.query, projections.key, projections.value))
    found = torch.zeros_like(tokens)
    for frame, others in enumerate(partners):
        for place in range(tokens.shape[1]):
            for head in range(heads):
                own = slice(head * each, (head + 1) * each)
                keys, values = key[others][..., own].flatten(0, 1), value[others][..., own].flatten(0, 1)
                weights = torch.softmax(keys @ query[frame, place, own] / math.sqrt(each), dim=0)
                found[frame, place, own] = weights @ values
    result: Tensor = projections.output(found)
    return result


@pytest.mark.parametrize("frames", [2, 3, 6, 7])
@pytest.mark.parametrize("attention", ["zigzag", "binary"])
def test_each_frame_asks_exactly_the_other_half(attention: str, frames: int) -> None:
    torch.manual_seed(0)
    module = HalvesAttention(TINY, attention).double()  # type: ignore[arg-type]
    tokens = torch.randn(2, frames, 3, 8, dtype=torch.float64)
    side = [t % 2 if attention == "zigzag" else int(t >= frames // 2) for t in range(frames)]
    partners = [[other for other in range(frames) if side[other] != side[t]] for t in range(frames)]
    wanted = torch.stack([brute_force(module.projections, clip, partners) for clip in tokens])
    torch.testing.assert_close(module(tokens), wanted)


@pytest.mark.parametrize("attention", ["zigzag", "binary"])
def test_a_single_frame_is_told_nothing(attention: str) -> None:
    assert not HalvesAttention(TINY, attention)(torch.randn(2, 1, 3, 8)).any()  # type: ignore[arg-type]


def test_full_attention_has_no_second_attention() -> None:
    names = {name.split(".")[0] for name, _ in Layer(TINY, "zigzag").named_parameters()}
    full = {name.split(".")[0] for name, _ in Layer(TINY, "full").named_parameters()}
    assert names - full == {"halves", "halves_norm"}


def test_a_layer_is_normalised_after_each_of_its_parts() -> None:
    torch.manual_seed(0)
    layer, tokens = Layer(TINY, "binary"), torch.randn(2, 4, 3, 8)
    every = tokens.flatten(1, 2)
    everywhere = brute_force(layer.all, every[0][None], [[0]])
    state = layer.all_norm(tokens[0] + everywhere.reshape(4, 3, 8))
    assert layer.halves is not None and layer.halves_norm is not None
    state = layer.halves_norm(state + layer.halves(state[None])[0])
    torch.testing.assert_close(layer(tokens)[0], layer.feed_forward_norm(state + layer.feed_forward(state)))
