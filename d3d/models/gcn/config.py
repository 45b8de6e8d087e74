"""The hyper-parameters of the graph convolutional networks. Nothing here imports torch."""

from dataclasses import dataclass, replace
from typing import Literal, Self

from d3d.errors import require
from d3d.modality import JOINTS
from d3d.models.config import SystemConfig


@dataclass(frozen=True, kw_only=True)
class GCNConfig(SystemConfig):
    """A graph convolutional network, which reads joints only."""

    system: str = "gcn"
    width: int = 64  # channels of the first four blocks; the next three have twice as many, the last three four times
    graph: Literal["fixed", "importance", "free", "channelwise"] = "importance"
    """The weights between neighbouring joints.

    `fixed`: the normalised graph. `importance`: the same times a learned weight for each edge in each block (ST-GCN).
    `free`: learned, starting from the graph (ST-GCN++). `channelwise`: a learned graph, to which a comparison of the
    joints' features adds a different one in each channel (CTR-GCN).
    """
    partition: Literal["uniform", "distance", "spatial", "directed"] = "spatial"  # subsets of neighbours, see graph.py
    time: Literal["plain", "branches", "four_branches"] = "plain"
    """`plain`: one convolution over time. `branches`: six side by side (ST-GCN++). `four_branches`: four (CTR-GCN)."""
    stream: Literal["joint", "bone", "motion", "bone_motion"] = "joint"
    """What the network sees of a skeleton: places of joints, bones (a joint minus its parent), or how either moves."""
    temporal_kernel: int = 9  # frames that the plain convolution over time spans, odd
    dropout: float = 0.0  # after the convolution over time

    reads = JOINTS

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.width >= 1, "model.width", self.width, "must be at least 1")
        rule = "must be odd and at least 1"
        require(self.temporal_kernel >= 1, "model.temporal_kernel", self.temporal_kernel, rule)
        require(self.temporal_kernel % 2 == 1, "model.temporal_kernel", self.temporal_kernel, rule)
        require(0 <= self.dropout < 1, "model.dropout", self.dropout, "must be in [0, 1)")
        if self.time == "four_branches":
            require(self.width >= 4, "model.width", self.width, "must be at least 4, a channel for each branch")

    def canonical(self, frames: int) -> Self:
        """With branches over time the kernel of the plain convolution has no effect, and is set to its default."""
        return self if self.time == "plain" else replace(self, temporal_kernel=GCNConfig.temporal_kernel)
