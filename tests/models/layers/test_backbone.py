import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from d3d.models.layers.backbone import Backbone


def test_at_the_papers_scale_it_has_the_counted_parameters_and_operations() -> None:
    with torch.device("meta"):
        backbone, frames = Backbone(64), torch.zeros(1, 3, 12, 224, 224)
        with FlopCounterMode(display=False) as flops:
            local, deep = backbone(frames)
    assert local.shape == (1, 64, 12, 112, 112)
    assert deep.shape == (1, 256, 12, 28, 28)
    assert sum(p.numel() for p in backbone.parameters()) / 1e6 == pytest.approx(7.8, abs=0.05)
    assert flops.get_total_flops() / 2e9 == pytest.approx(179, abs=0.5)


@pytest.mark.parametrize("frames", [1, 2, 7, 32])
def test_every_frame_is_kept(frames: int) -> None:
    local, deep = Backbone(2)(torch.randn(1, 3, frames, 32, 24))
    assert local.shape == (1, 2, frames, 16, 12)
    assert deep.shape == (1, 8, frames, 4, 3)
