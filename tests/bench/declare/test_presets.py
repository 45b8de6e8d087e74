import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from d3d.bench.declare.ablations import options
from d3d.bench.declare.compose import compose
from d3d.config import Config
from d3d.data.batch import Batch
from d3d.models.d3d.deformable import TokenSearch
from d3d.models.registry import build
from d3d.training.optimizer import build_optimizer
from tests.systems import d3d_model

CLIPS = 1


def narrow(preset: str) -> Config:
    """The preset with few channels, heads and blocks, none of which is ever skipped: places and grids are its own."""
    config = compose(["ablation=full", f"preset={preset}"]).config
    model = d3d_model(config)
    width = min(model.width, 4)
    return replace(config, model=replace(model, width=width, heads=2, depth=1, drop_path=0.0))


class Extracted(nn.Module):
    """A backbone that does its work, which takes most of the time, once for all steps."""

    def __init__(self, features: tuple[Tensor, Tensor]) -> None:
        super().__init__()
        self.features = features

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        return self.features


@pytest.mark.parametrize("preset", options("preset"))
def test_the_deformable_attention_of_a_preset_can_move_on_every_axis(preset: str) -> None:
    """Each row of the offsets' weights (t, y, x) gets a gradient at the first step and has moved after ten."""
    torch.manual_seed(0)
    config = narrow(preset)
    side, frames = config.data.crop, config.training.frames
    assert math.ceil(side / 8) >= 2 and frames >= 2, "an axis of one token leaves nothing to search"
    model = build(config.model)
    (search,) = (module for module in model.modules() if isinstance(module, TokenSearch))
    pictures = torch.randn(CLIPS, 3, frames, side, side)
    joints = side * torch.rand(CLIPS, frames, config.model.joints, 2)
    visible = torch.ones(CLIPS, frames, config.model.joints, dtype=torch.bool)
    clip = Batch((side, side), frames=pictures, joints=joints, visible=visible)
    with torch.no_grad():
        model.set_submodule("backbone", Extracted(model.get_submodule("backbone")(pictures)))
    optimizer = build_optimizer(model, config.training)
    for step in range(10):
        optimizer.zero_grad()
        cross_entropy(model(clip), torch.arange(CLIPS)).backward()  # type: ignore[no-untyped-call]
        if step == 0:
            assert search.offsets.weight.grad is not None
            assert search.offsets.weight.grad.abs().amax(dim=1).min() > 0
        optimizer.step()
    assert search.offsets.weight.detach().abs().amax(dim=1).min() > 0
