"""Mixup of clips (Zhang et al., ICLR 2018): a training clip is blended with another, and so are their labels."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Beta
from torch.nn.functional import cross_entropy

from d3d.data.batch import Batch


@dataclass(frozen=True)
class Mixture:
    """Clip i of a batch in its share, and clip other[i] in the rest."""

    weight: float
    other: Tensor  # B int64, a permutation

    def mix(self, batch: Batch) -> Batch:
        """The blended clips. A joint visible in one of the two alone stays where it is there."""
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
        """Of logits B×K against either label, in their shares."""
        own = cross_entropy(logits, labels, label_smoothing=smoothing)
        others = cross_entropy(logits, labels[self.other.to(labels.device)], label_smoothing=smoothing)
        return self.weight * own + (1 - self.weight) * others


def draw_mixture(concentration: float, clips: int) -> Mixture:
    """From torch's generator: a share of Beta(α, α), and who is blended with whom."""
    return Mixture(Beta(concentration, concentration).sample().item(), torch.randperm(clips))
