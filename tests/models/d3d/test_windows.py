import pytest
import torch

from d3d.errors import ConfigError
from d3d.models.d3d.windows import merge_windows, sliding_windows

EVERY = [(n, w, s) for n in range(1, 31) for w in range(1, 31) for s in range(1, w + 1)]


def brute_force(length: int, window: int, stride: int) -> tuple[list[list[int]], list[list[int]]]:
    """This implementation's reading of Algorithms A1 and A2, token by token."""
    window = min(window, length)
    starts, start = [], 0
    while start + window < length:
        starts.append(start)
        start += stride
    starts.append(length - window)
    queries = [[start + i for i in range(window)] for start in starts]
    keys = [[min(start + stride, length - window) + i for i in range(window)] for start in starts]
    return queries, keys


def test_windows_match_the_brute_force_for_every_length_window_and_stride() -> None:
    for length, window, stride in EVERY:
        queries, keys = sliding_windows(length, window, stride)
        assert (queries.tolist(), keys.tolist()) == brute_force(length, window, stride), (length, window, stride)


def test_every_token_asks_and_stays_on_the_axis() -> None:
    for length, window, stride in EVERY:
        queries, keys = sliding_windows(length, window, stride)
        assert set(queries.flatten().tolist()) == set(range(length))
        assert int(keys.min()) >= 0 and int(keys.max()) < length
        assert len(queries) == len(keys)


def test_a_window_as_long_as_the_axis_is_full_attention() -> None:
    for window in (5, 6, 30):
        queries, keys = sliding_windows(5, window, 1)
        assert queries.tolist() == keys.tolist() == [[0, 1, 2, 3, 4]]


@pytest.mark.parametrize(("window", "stride"), [(4, 0), (4, 5), (4, -1), (0, 1)])
def test_a_stride_outside_the_window_is_refused(window: int, stride: int) -> None:
    with pytest.raises(ConfigError, match="must be"):
        sliding_windows(12, window, stride)


def test_merging_averages_the_copies_of_each_token() -> None:
    generator = torch.Generator().manual_seed(0)
    for length, window, stride in [(12, 6, 3), (13, 4, 1), (13, 4, 4), (7, 9, 2), (30, 7, 5)]:
        queries, _ = sliding_windows(length, window, stride)
        values = torch.randn(2, *queries.shape, 3, 5, generator=generator, dtype=torch.float64)
        copies: list[list[torch.Tensor]] = [[] for _ in range(length)]
        for n, row in enumerate(queries.tolist()):
            for w, token in enumerate(row):
                copies[token].append(values[:, n, w])
        expected = torch.stack([torch.stack(found).mean(dim=0) for found in copies], dim=1)
        torch.testing.assert_close(merge_windows(values, queries, length), expected)


def test_gathering_then_merging_changes_nothing() -> None:
    tokens = torch.randn(2, 13, 4, dtype=torch.float64)
    queries, _ = sliding_windows(13, 6, 3)
    torch.testing.assert_close(merge_windows(tokens[:, queries], queries, 13), tokens)


def test_merging_has_exact_gradients() -> None:
    queries, _ = sliding_windows(7, 3, 2)
    values = torch.randn(1, *queries.shape, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: merge_windows(v, queries, 7), (values,))
