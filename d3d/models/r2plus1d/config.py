"""The hyper-parameters of R(2+1)D. Nothing here imports torch."""

from dataclasses import dataclass
from typing import Literal

from d3d.errors import require
from d3d.modality import FRAMES
from d3d.models.config import SystemConfig


@dataclass(frozen=True, kw_only=True)
class R2Plus1DConfig(SystemConfig):
    """R(2+1)D-18, which reads frames only."""

    system: str = "r2plus1d"
    width: int = 64  # channels after the stem; every stage after the first has twice those of the stage before it
    stages: Literal["published", "d3d"] = "published"
    """`published`: four stages; all but the first halve the number of frames together with height and width.

    `d3d`: three stages that keep every frame, as in the backbone of the 3D deformable transformer, so that the two
    systems differ only in what follows the backbone.
    """

    reads = FRAMES

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.width >= 1, "model.width", self.width, "must be at least 1")
