"""What a system is given: B clips as tensors."""

from typing import NamedTuple

import torch
from torch import Tensor

from d3d.errors import ConfigError


class Batch:
    """B clips of T frames and R joints, of which only that is there which the system reads.

    `size` is (H, W) of the input in pixels, known also where frames were not loaded.
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
        """B×3×T×H×W float32, of about zero mean and unit variance. Raises ConfigError where they were not loaded."""
        return self._loaded("frames")

    @property
    def joints(self) -> Tensor:
        """B×T×R×2 float32, (x, y) in pixels of the input, zero where not visible. Raises ConfigError like `frames`."""
        return self._loaded("joints")

    @property
    def visible(self) -> Tensor:
        """B×T×R bool, false where invisible or outside the input. Raises ConfigError like `frames`."""
        return self._loaded("visible")

    @property
    def has_frames(self) -> bool:
        """Whether frames were loaded."""
        return "frames" in self._tensors

    @property
    def has_joints(self) -> bool:
        """Whether joints were loaded, and which of them are visible."""
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
