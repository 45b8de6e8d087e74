import math

import pytest
import torch
from torch import Tensor

from d3d.data.skeleton import PENN_ACTION
from d3d.models.layers.heatmaps import joint_heatmaps, limb_heatmaps, pose_tokens


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


def places() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    joints = 12 * torch.rand(2, 13, 2, generator=generator, dtype=torch.float64) - 2
    return joints, torch.rand(2, 13, generator=generator) > 0.3


def bump(distance: float, sigma: float) -> float:
    return math.exp(-(distance**2) / (2 * sigma**2)) if distance <= 3 * sigma else 0.0


def to_segment(point: tuple[float, float], start: list[float], end: list[float]) -> float:
    """The distance of a point to a segment: that to an end, or the height of the triangle."""
    base = math.dist(start, end)
    toward = sum((p - s) * (e - s) for p, s, e in zip(point, start, end, strict=True))
    if not 0 < toward < base**2:
        return min(math.dist(point, start), math.dist(point, end))
    across = (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (point[0] - start[0])
    return abs(across) / base


@pytest.mark.parametrize("sigma", [0.5, 1.1])
def test_heatmaps_of_joints_pixel_by_pixel(sigma: float) -> None:
    joints, visible = places()
    found = joint_heatmaps(joints, visible, (6, 8), sigma)
    wanted = torch.zeros(2, 13, 6, 8, dtype=torch.float64)
    for t, joint in visible.nonzero().tolist():
        for y in range(6):
            for x in range(8):
                wanted[t, joint, y, x] = bump(math.dist((x, y), joints[t, joint].tolist()), sigma)
    torch.testing.assert_close(found, wanted)
    assert found.any() and not found[~visible].any()


@pytest.mark.parametrize("sigma", [0.5, 1.1])
def test_heatmaps_of_limbs_pixel_by_pixel(sigma: float) -> None:
    joints, visible = places()
    joints[0, 1] = joints[0, 0]  # a limb without length
    found = limb_heatmaps(joints, visible, PENN_ACTION.limbs, (6, 8), sigma)
    wanted = torch.zeros(2, 12, 6, 8, dtype=torch.float64)
    for t in range(2):
        for limb, (child, parent) in enumerate(PENN_ACTION.limbs):
            if visible[t, child] and visible[t, parent]:
                ends = joints[t, child].tolist(), joints[t, parent].tolist()
                for y in range(6):
                    for x in range(8):
                        wanted[t, limb, y, x] = bump(to_segment((x, y), *ends), sigma)
    torch.testing.assert_close(found, wanted)
    assert found.any()


def test_an_invisible_joint_has_no_heatmap_whatever_its_coordinates_are() -> None:
    joints, visible = torch.full((2, 2), math.nan), torch.zeros(2, dtype=torch.bool)
    assert (joint_heatmaps(joints, visible, (3, 4), 0.6) == 0).all()
    assert (limb_heatmaps(joints, visible, [(0, 1)], (3, 4), 0.6) == 0).all()
