import math

import pytest
import torch
from torch import Tensor

from d3d.models.d3d.tokens import pose_tokens, relative_coordinates


def brute_force(features: Tensor, joints: Tensor, visible: Tensor, sigma: float) -> Tensor:
    """Eq. 1–2, pixel by pixel, each joint's weights normalised to sum to one."""
    batch, channels, frames, height, width = features.shape
    tokens = torch.zeros(batch, frames, joints.shape[2], channels, dtype=features.dtype)
    for b in range(batch):
        for t in range(frames):
            for r in range(joints.shape[2]):
                x, y = joints[b, t, r].tolist()
                if not visible[b, t, r] or not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
                    continue
                weights = {
                    (i, j): math.exp(-((j - x) ** 2 + (i - y) ** 2) / (2 * sigma**2))
                    for i in range(height)
                    for j in range(width)
                }
                total = sum(weights.values())
                for (i, j), weight in weights.items():
                    tokens[b, t, r] += features[b, :, t, i, j] * (weight / total)
    return tokens


def test_matches_the_gaussian_maps_of_the_paper() -> None:
    torch.manual_seed(0)
    features = torch.randn(2, 3, 2, 6, 8, dtype=torch.float64)
    joints = torch.rand(2, 2, 5, 2, dtype=torch.float64) * torch.tensor([12.0, 10.0]) - 2
    visible = torch.rand(2, 2, 5) > 0.3
    found = pose_tokens(features, joints, visible, 1.2)
    torch.testing.assert_close(found, brute_force(features, joints, visible, 1.2))
    assert (found == 0).all(dim=-1).any() and (found != 0).any(dim=-1).any()


def test_weights_sum_to_one_however_narrow_the_gaussian() -> None:
    joints = torch.tensor([[[[2.3, 1.7], [0.0, 0.0], [7.4, 5.5]]]])
    for sigma in (0.01, 0.2, 1.2, 50.0):
        found = pose_tokens(torch.ones(1, 4, 1, 6, 8), joints, torch.ones(1, 1, 3, dtype=torch.bool), sigma)
        torch.testing.assert_close(found, torch.ones(1, 1, 3, 4))


def test_a_narrow_gaussian_reads_the_pixel_under_the_joint() -> None:
    features = torch.arange(48.0).reshape(1, 1, 1, 6, 8)
    found = pose_tokens(features, torch.tensor([[[[3.0, 2.0]]]]), torch.ones(1, 1, 1, dtype=torch.bool), 0.05)
    assert found.item() == pytest.approx(2 * 8 + 3)


@pytest.mark.parametrize("place", [(-40.0, 2.0), (9.0, 2.0), (3.0, 77.0), (math.nan, math.nan), (math.inf, 0.0)])
def test_a_joint_outside_the_map_leaks_nothing(place: tuple[float, float]) -> None:
    features = torch.randn(1, 3, 1, 6, 8, requires_grad=True)
    found = pose_tokens(features, torch.tensor([[[place]]]), torch.ones(1, 1, 1, dtype=torch.bool), 1.2)
    assert (found == 0).all()
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert features.grad is not None and (features.grad == 0).all()


def test_an_invisible_joint_leaks_nothing() -> None:
    found = pose_tokens(
        torch.randn(1, 3, 1, 6, 8), torch.full((1, 1, 1, 2), 3.0), torch.zeros(1, 1, 1, dtype=torch.bool), 1.2
    )
    assert (found == 0).all()


def test_gradients_are_exact() -> None:
    torch.manual_seed(0)
    features = torch.randn(1, 2, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    joints = (torch.rand(1, 2, 3, 2, dtype=torch.float64) * 3 + 0.2).requires_grad_()
    visible = torch.tensor([[[True, False, True], [True, True, True]]])
    assert torch.autograd.gradcheck(lambda f, j: pose_tokens(f, j, visible, 1.2), (features, joints))


def person() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    joints = 30 * torch.rand(2, 5, 13, 2, generator=generator)
    return joints, torch.rand(2, 5, 13, generator=generator) > 0.3


def test_relative_coordinates_do_not_know_where_and_how_large_a_person_is() -> None:
    joints, visible = person()
    moved = 3.5 * joints + torch.tensor([40.0, -7.0])
    assert torch.allclose(relative_coordinates(joints, visible), relative_coordinates(moved, visible), atol=1e-5)


def test_relative_coordinates_have_mean_zero_and_a_third_as_deviation() -> None:
    joints, visible = person()
    for clip, seen in zip(relative_coordinates(joints, visible), visible, strict=True):
        assert clip[seen].mean(dim=0).abs().max() < 1e-5
        assert clip[seen].square().sum(dim=-1).mean().sqrt().item() == pytest.approx(1 / 3, rel=1e-4)


def test_invisible_joints_have_no_part_in_relative_coordinates() -> None:
    joints, visible = person()
    other = torch.where(visible[..., None], joints, torch.full_like(joints, 1e4))
    assert torch.equal(relative_coordinates(joints, visible), relative_coordinates(other, visible))
    assert (relative_coordinates(joints, visible)[~visible] == 0).all()


@pytest.mark.parametrize("seen", [0, 1])
def test_relative_coordinates_of_a_joint_alone_or_none_are_zero(seen: int) -> None:
    joints, visible = person()
    visible = torch.zeros_like(visible)
    visible[:, 0, :seen] = True
    assert (relative_coordinates(joints, visible) == 0).all()
