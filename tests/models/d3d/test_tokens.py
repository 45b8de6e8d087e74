import pytest
import torch
from torch import Tensor

from d3d.models.d3d.tokens import TrajectoryEmbedding, displacement, relative_coordinates


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


def test_the_mean_trajectory_token_knows_which_joint_is_where() -> None:
    joints, visible = person()
    visible = torch.ones_like(visible)
    exchanged = joints.flip(2)
    own, shared = TrajectoryEmbedding(13, 8), TrajectoryEmbedding(13, 8)
    for embedding in (shared.place, shared.motion):
        for weights in embedding.parameters():
            weights.data[:] = weights.data[:1]
    for embed, differs in ((own, True), (shared, False)):
        before, after = (embed(each, visible, None).mean(dim=2) for each in (joints, exchanged))
        assert torch.allclose(before, after, atol=1e-5) != differs


def test_some_joints_have_the_trajectory_weights_of_their_own() -> None:
    joints, visible = person()
    embed, own = TrajectoryEmbedding(13, 8), torch.tensor([2, 7, 9])
    weights = {name: tensor[own] for name, tensor in embed.state_dict().items()}
    alone = TrajectoryEmbedding(3, 8)
    alone.load_state_dict(weights)
    joints, visible = joints[:, :, own], visible[:, :, own]
    assert torch.equal(embed(joints, visible, own), alone(joints, visible, None))
