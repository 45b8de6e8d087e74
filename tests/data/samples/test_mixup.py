import pytest
import torch
from torch.nn.functional import cross_entropy

from d3d.data.batch import Batch
from d3d.data.samples.mixup import Mixture, draw_mixture


def batch(clips: int = 4) -> Batch:
    generator = torch.Generator().manual_seed(0)
    visible = torch.rand(clips, 5, 13, generator=generator) > 0.4
    joints = torch.rand(clips, 5, 13, 2, generator=generator) * visible[..., None]
    return Batch((8, 8), frames=torch.rand(clips, 3, 5, 8, 8, generator=generator), joints=joints, visible=visible)


def test_a_clip_mixed_with_itself_stays_what_it_is() -> None:
    mixed = Mixture(0.3, torch.arange(4)).mix(batch())
    assert torch.allclose(mixed.frames, batch().frames) and torch.allclose(mixed.joints, batch().joints)
    assert torch.equal(mixed.visible, batch().visible)


def test_what_is_not_read_is_not_mixed() -> None:
    whole = batch()
    mixture = Mixture(0.3, torch.tensor([1, 2, 3, 0]))
    joints = mixture.mix(Batch((8, 8), joints=whole.joints, visible=whole.visible))
    frames = mixture.mix(Batch((8, 8), frames=whole.frames))
    assert (joints.has_frames, frames.has_joints) == (False, False)
    assert torch.equal(joints.joints, mixture.mix(whole).joints)
    assert torch.equal(frames.frames, mixture.mix(whole).frames)


def test_a_joint_seen_in_one_clip_alone_stays_there() -> None:
    order = torch.tensor([1, 2, 3, 0])
    plain, mixed = batch(), Mixture(0.7, order).mix(batch())
    alone = plain.visible & ~plain.visible[order]
    both = plain.visible & plain.visible[order]
    assert alone.any() and both.any()
    assert torch.equal(mixed.joints[alone], plain.joints[alone])
    assert torch.allclose(mixed.joints[both], 0.7 * plain.joints[both] + 0.3 * plain.joints[order][both])
    assert torch.equal(mixed.visible, plain.visible | plain.visible[order])
    assert (mixed.joints[~mixed.visible] == 0).all()


def test_the_loss_is_that_of_soft_labels() -> None:
    logits, labels, order = torch.randn(4, 6), torch.tensor([0, 5, 2, 2]), torch.tensor([3, 2, 1, 0])
    one_hot = torch.nn.functional.one_hot(labels, 6).float()
    expected = cross_entropy(logits, 0.6 * one_hot + 0.4 * one_hot[order], label_smoothing=0.1)
    assert Mixture(0.6, order).cross_entropy(logits, labels, 0.1).item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_mixture_is_drawn_from_torchs_generator() -> None:
    torch.manual_seed(5)
    first = draw_mixture(0.4, 9)
    torch.manual_seed(5)
    second = draw_mixture(0.4, 9)
    assert first.weight == second.weight and torch.equal(first.other, second.other)
    assert 0 <= first.weight <= 1 and sorted(first.other.tolist()) == list(range(9))
