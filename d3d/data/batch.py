"""The input of a system: B clips as tensors."""

from typing import NamedTuple

import torch
from torch import Tensor

from d3d.errors import ConfigError


class Batch:
    """B clips of T frames and R joints. Only what the system reads is loaded.

    Args:
        size: (H, W) of the input in pixels, known even where no frames are loaded.
        frames: B×3×T×H×W float32; None: not loaded.
        joints: B×T×R×2 float32, (x, y) in pixels of the input; None: not loaded.
        visible: B×T×R bool, loaded together with the joints.
    """

    def __init__(
        self,
        size: tuple[int, int],
        *,
        frames: Tensor | None = None,
        joints: Tensor | None = None,
        visible: Tensor | None = None,
    ) -> None:
        self.size = size
        self._tensors = {
            name: tensor
            for name, tensor in (("frames", frames), ("joints", joints), ("visible", visible))
            if tensor is not None
        }

    @property
    def frames(self) -> Tensor:
        """B×3×T×H×W float32, with mean near 0 and variance near 1. Raises ConfigError where they are not loaded."""
        return self._loaded("frames")

    @property
    def joints(self) -> Tensor:
        """B×T×R×2 float32, (x, y) in pixels of the input, zero where not visible. ConfigError: as for `frames`."""
        return self._loaded("joints")

    @property
    def visible(self) -> Tensor:
        """B×T×R bool, false where invisible or outside the input. ConfigError: as for `frames`."""
        return self._loaded("visible")

    @property
    def has_frames(self) -> bool:
        """Whether frames are loaded."""
        return "frames" in self._tensors

    @property
    def has_joints(self) -> bool:
        """Whether joints and their visibility are loaded."""
        return "joints" in self._tensors

    def to(self, device: torch.device) -> "Batch":
        """The same clips on a device."""
        return Batch(self.size, **{name: tensor.to(device) for name, tensor in self._tensors.items()})

    def _loaded(self, name: str) -> Tensor:
        if name not in self._tensors:
            raise ConfigError(
                f"the system asked for {name}, which its configuration's `reads` leaves out; add them there"
            )
        return self._tensors[name]


class Labelled(NamedTuple):
    """B clips and the class of each."""

    batch: Batch
    labels: Tensor  # B int64
