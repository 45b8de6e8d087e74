import pytest
import torch
from torch import Tensor
from torch.nn.functional import softmax

from d3d.models.d3d.config import D3DConfig
from d3d.models.d3d.stride import StrideAttention
from d3d.models.d3d.windows import sliding_windows


def brute_force(module: StrideAttention, tokens: Tensor, modal: Tensor) -> tuple[Tensor, Tensor]:
    """Window by window and head by head, with a softmax written out."""
    layers, heads = module.projections, module.projections.heads
    _, length, side, dimension = tokens.shape
    size = dimension // heads
    queries, keys = sliding_windows(length, module.window, module.stride)
    copies: list[list[Tensor]] = [[] for _ in range(length)]
    modal_copies = []
    for asking, asked in zip(queries, keys, strict=True):
        x = module.norm(torch.cat([tokens[:, asking].flatten(1, 2), modal], dim=1))
        y = module.norm(torch.cat([tokens[:, asked].flatten(1, 2), modal], dim=1))
        q, k, v = layers.query(x), layers.key(y), layers.value(y)
        parts = []
        for head in range(heads):
            own = slice(head * size, (head + 1) * size)
            scores = q[..., own] @ k[..., own].transpose(1, 2) / size**0.5
            parts.append(softmax(scores, dim=-1) @ v[..., own])
        out = layers.output(torch.cat(parts, dim=-1))
        for place, token in enumerate(asking.tolist()):
            copies[token].append(out[:, place * side : (place + 1) * side])
        modal_copies.append(out[:, len(asking) * side :])
    merged = torch.stack([torch.stack(found).mean(dim=0) for found in copies], dim=1)
    tokens, modal = tokens + merged, modal + torch.stack(modal_copies).mean(dim=0)
    return tokens + module.feed_forward(tokens), modal + module.feed_forward(modal)


@pytest.mark.parametrize("norm", ["pre", "printed"])
@pytest.mark.parametrize(("length", "window", "stride"), [(12, 6, 3), (13, 4, 1), (13, 5, 5), (3, 6, 3), (1, 4, 2)])
def test_matches_the_windows_taken_one_by_one(norm: str, length: int, window: int, stride: int) -> None:
    torch.manual_seed(0)
    config = D3DConfig(width=2, heads=2, norm=norm)  # type: ignore[arg-type]
    module = StrideAttention(config, window, stride, drop_path=0.0).double()
    tokens = torch.randn(2, length, 3, 8, dtype=torch.float64)
    for extra in (0, 4):
        modal = torch.randn(2, extra, 8, dtype=torch.float64)
        found, expected = module(tokens, modal), brute_force(module, tokens, modal)
        torch.testing.assert_close(found[0], expected[0])
        torch.testing.assert_close(found[1], expected[1])


def test_an_unset_stride_is_half_the_window() -> None:
    config = D3DConfig(width=1, heads=1)
    assert [StrideAttention(config, window, None, 0.0).stride for window in (1, 2, 5, 6)] == [1, 1, 2, 3]


def test_windows_see_no_further_than_half_a_window_ahead() -> None:
    torch.manual_seed(0)
    module = StrideAttention(D3DConfig(width=2, heads=2), 4, 2, drop_path=0.0).double()
    tokens = torch.randn(1, 12, 1, 8, dtype=torch.float64, requires_grad=True)
    module(tokens, tokens.new_zeros(1, 0, 8))[0][0, 0].sum().backward()
    assert tokens.grad is not None
    seen = tokens.grad.abs().sum(dim=(0, 2, 3)) > 0
    assert seen.nonzero().flatten().tolist() == [0, 2, 3, 4, 5]  # itself, and the window one stride later


def test_gradients_are_exact() -> None:
    torch.manual_seed(0)
    module = StrideAttention(D3DConfig(width=1, heads=2), 3, 2, drop_path=0.0).double()
    tokens = torch.randn(1, 5, 2, 4, dtype=torch.float64, requires_grad=True)
    modal = torch.randn(1, 2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(module, (tokens, modal))
