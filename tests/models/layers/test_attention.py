import torch

from d3d.models.layers.attention import MultiHeadProjections, kept_attention


def projections(dimension: int = 8, heads: int = 2) -> MultiHeadProjections:
    torch.manual_seed(0)
    return MultiHeadProjections(dimension, heads)


def test_kept_maps_sum_to_one_and_outputs_are_those_of_the_fused_kernels() -> None:
    layer = projections()
    query, key, value = torch.randn(3, 5, 8), torch.randn(3, 7, 8), torch.randn(3, 7, 8)
    fused = layer.attend(query, key, value)
    with kept_attention(layer) as maps:
        explicit = layer.attend(query, key, value)
    torch.testing.assert_close(explicit, fused)
    [kept] = maps[""]
    assert kept.shape == (3, 5, 7)
    torch.testing.assert_close(kept.sum(dim=-1), torch.ones(3, 5))
    assert torch.equal(layer.attend(query, key, value), fused), "nothing is kept after the block"
    assert len(maps[""]) == 1


def test_a_map_is_that_of_a_softmax_by_hand() -> None:
    layer = projections(dimension=1, heads=1)
    with kept_attention(layer) as maps:
        found = layer.attend(torch.tensor([[[1.0]]]), torch.tensor([[[0.0], [1.0]]]), torch.tensor([[[2.0], [4.0]]]))
    weight = 1 / (1 + torch.e**1)
    torch.testing.assert_close(maps[""][0], torch.tensor([[[weight, 1 - weight]]]))
    torch.testing.assert_close(found, torch.tensor([[[2 * weight + 4 * (1 - weight)]]]))
