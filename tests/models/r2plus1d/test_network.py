import pytest
import torch

from d3d.data.batch import Batch
from d3d.models.layers.backbone import Backbone
from d3d.models.r2plus1d.config import R2Plus1DConfig
from d3d.models.r2plus1d.network import R2Plus1D


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_at_the_published_size_it_has_the_published_parameters() -> None:
    with torch.device("meta"):
        assert parameters(R2Plus1D(R2Plus1DConfig(classes=400))) == 31_505_325


def test_the_stages_of_the_other_system_are_its_backbone() -> None:
    with torch.device("meta"):
        own, backbone = R2Plus1D(R2Plus1DConfig(classes=7, width=8, stages="d3d")), Backbone(8)
    assert parameters(own) == parameters(backbone) + 7 * (4 * 8 + 1)


@pytest.mark.parametrize(("stages", "frames", "side"), [("published", 2, 2), ("d3d", 12, 4)])
def test_the_published_stages_halve_frames_and_picture(stages: str, frames: int, side: int) -> None:
    model = R2Plus1D(R2Plus1DConfig(width=2, stages=stages))  # type: ignore[arg-type]
    features = model.features(torch.randn(1, 3, 12, 32, 32))
    assert features.shape[2:] == (frames, side, side)


@pytest.mark.parametrize("frames", [1, 2, 7, 12])
def test_any_number_of_frames_and_each_clip_for_itself(frames: int) -> None:
    torch.manual_seed(0)
    model = R2Plus1D(R2Plus1DConfig(classes=5, width=2)).eval()
    pictures = torch.randn(3, 3, frames, 24, 32)
    together = model(Batch((24, 32), frames=pictures))
    alone = [model(Batch((24, 32), frames=pictures[i : i + 1])) for i in range(3)]
    torch.testing.assert_close(together, torch.cat(alone))
    assert together.shape == (3, 5)
