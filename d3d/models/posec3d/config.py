"""The hyper-parameters of PoseC3D. Nothing here imports torch."""

from dataclasses import dataclass
from typing import Literal

from d3d.errors import require
from d3d.modality import JOINTS
from d3d.models.config import SystemConfig


@dataclass(frozen=True, kw_only=True)
class PoseC3DConfig(SystemConfig):
    """A SlowOnly network on volumes of heatmaps, which reads joints only."""

    system: str = "posec3d"
    width: int = 32  # channels after the stem; the stages have 4, 8 and 16 times as many
    stages: Literal["published", "small"] = "published"
    """`published`: a stem of 1×7×7 and 4, 6 and 3 bottlenecks. `small`: one of 1×3×3, and 1, 2 and 1 bottlenecks."""
    heatmaps: Literal["joint", "limb"] = "joint"  # a channel for each joint, or for each limb
    resolution: int = 56  # most pixels of a heatmap's longer side; a smaller input has heatmaps of its own size
    sigma: float = 0.6  # of a Gaussian, in pixels of a map 56 wide, scaled with the map, and at least 0.5 of a pixel
    dropout: float = 0.5  # before the linear layer

    reads = JOINTS

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.width >= 1, "model.width", self.width, "must be at least 1")
        require(1 <= self.resolution <= 1_000, "model.resolution", self.resolution, "must be between 1 and 1000")
        require(self.sigma > 0, "model.sigma", self.sigma, "must be above 0")
        require(0 <= self.dropout < 1, "model.dropout", self.dropout, "must be in [0, 1)")
