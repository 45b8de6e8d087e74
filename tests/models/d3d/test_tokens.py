import pytest
import torch
from torch import Tensor

from d3d.models.d3d.tokens import displacement, relative_coordinates


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


def test_displacement_is_zero_unless_a_joint_is_visible_in_both_frames() -> None:
    joints, visible = person()
    moved = displacement(joints, visible)
    assert (moved[:, 0] == 0).all()
    both = visible[:, 1:] & visible[:, :-1]
    assert torch.equal(moved[:, 1:][both], (joints[:, 1:] - joints[:, :-1])[both])
    assert (moved[:, 1:][~both] == 0).all()
