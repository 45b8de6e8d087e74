"""Mixup of clips (Zhang et al., ICLR 2018): a training clip is blended with another, and so are their labels."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Beta
from torch.nn.functional import cross_entropy

from d3d.data.batch import Batch


@dataclass(frozen=True)
class Mixture:
    """Clip i of a batch, blended with clip other[i]: λ times the one and 1 − λ times the other."""

    weight: float  # λ, of clip i itself
    other: Tensor  # B int64, a permutation

    def mix(self, batch: Batch) -> Batch:
        """The blended clips. A joint that is visible in only one of the two keeps its place in that one."""
        blended = {}
        if batch.has_frames:
            blended["frames"] = torch.lerp(batch.frames[self.other], batch.frames, self.weight)
        if batch.has_joints:
            joints, seen = batch.joints[self.other], batch.visible[self.other]
            both = (batch.visible & seen)[..., None]
            between = torch.lerp(joints, batch.joints, self.weight)
            blended["joints"] = torch.where(both, between, joints + batch.joints)  # an invisible joint is zero
            blended["visible"] = batch.visible | seen
        return Batch(batch.size, **blended)

    def cross_entropy(self, logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
        """λ · CE(logits, own label) + (1 − λ) · CE(logits, the other clip's label), a mean over the batch.

        Logits are B×K, labels B; `smoothing` is that of labels.
        """
        own = cross_entropy(logits, labels, label_smoothing=smoothing)
        others = cross_entropy(logits, labels[self.other.to(labels.device)], label_smoothing=smoothing)
        return self.weight * own + (1 - self.weight) * others


def draw_mixture(concentration: float, clips: int) -> Mixture:
    """Draws λ from Beta(α, α), α = `concentration`, and a permutation of the clips, both from torch's generator."""
    return Mixture(Beta(concentration, concentration).sample().item(), torch.randperm(clips))
