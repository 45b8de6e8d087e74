"""The network: ten blocks of graph convolution and temporal convolution, averaging, and a linear layer."""

import torch
from einops import rearrange
from torch import Tensor, nn

from d3d.data.batch import Batch
from d3d.data.skeleton import Skeleton
from d3d.errors import ConfigError
from d3d.models.gcn.config import GCNConfig
from d3d.models.gcn.graph import subsets
from d3d.models.gcn.spatial import shortcut, spatial_unit
from d3d.models.gcn.streams import streamed
from d3d.models.gcn.temporal import temporal_unit
from d3d.models.system import System

CHANNELS = 3  # x and y of the stream, in which the input reaches from −1 to 1, and whether they are known
BLOCKS = ((1, 1), (1, 1), (1, 1), (1, 1), (2, 2), (2, 1), (2, 1), (4, 2), (4, 1), (4, 1))  # (times the width, stride)


class GCN(System):
    """Each person is a graph of its own, with shared weights; features are averaged over the persons present.

    Where nobody is present the first person counts as present, as in the 3D deformable transformer. At width 64 with
    K = 3 subsets, 25 joints and 60 classes ST-GCN has 3.10 million parameters.
    """

    config_type = GCNConfig

    def __init__(self, config: GCNConfig, skeleton: Skeleton | None = None) -> None:
        super().__init__(config, skeleton)
        if skeleton is None or config.joints != config.persons * len(skeleton.joint_names):
            joints = "none" if skeleton is None else f"one of {len(skeleton.joint_names)} joints"
            fault = f"{config.joints} joints of {config.persons} persons need their skeleton, and {joints} is given"
            raise ConfigError(f"model.system={config.system}: {fault}; name it with data.skeleton")
        self.config, self.skeleton = config, skeleton
        graph = subsets(skeleton, config.partition)
        self.norm = nn.BatchNorm1d(CHANNELS * len(skeleton.joint_names))
        channels, blocks = CHANNELS, []
        for times, stride in BLOCKS:
            blocks.append(Block(config, graph, channels, times * config.width, stride))
            channels = times * config.width
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(channels, config.classes)

    def forward(self, batch: Batch) -> Tensor:
        """B clips of any number of frames → logits B×K."""
        persons, (height, width) = self.config.persons, batch.size
        visible = rearrange(batch.visible, "b t (m v) -> b m t v", m=persons)
        joints = rearrange(batch.joints, "b t (m v) c -> b m t v c", m=persons)
        extent = joints.new_tensor([width, height])
        places = torch.where(visible[..., None], 2 * (joints + 0.5) / extent - 1, torch.zeros_like(joints))
        vectors, known = streamed(self.config.stream, places, visible, self.skeleton)
        series = torch.cat([vectors, known[..., None].to(places.dtype)], dim=-1)
        normed = self.norm(rearrange(series, "b m t v c -> (b m) (v c) t"))
        features = self.blocks(rearrange(normed, "n (v c) t -> n c t v", c=CHANNELS)).mean(dim=(2, 3))
        present = visible.any(dim=(2, 3)).to(features.dtype)
        present[:, 0] = torch.where(present.any(dim=1), present[:, 0], torch.ones_like(present[:, 0]))
        weights = present / present.sum(dim=1, keepdim=True)
        return self.head(torch.einsum("bmc,bm->bc", features.unflatten(0, (-1, persons)), weights))  # type: ignore[no-any-return]


class Block(nn.Module):
    """ReLU(TCN(ReLU(BN(GCN(x)))) + x); the first block of the network has no residual (ST-GCN).

    `inputs` and `outputs` are channels, `graph` K×V×V has the subsets, `stride` is over time; `config` chooses units.
    """

    def __init__(self, config: GCNConfig, graph: Tensor, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.spatial = spatial_unit(config, graph, inputs, outputs)
        # The newer graph units end with a norm and ReLU of their own.
        self.between = (
            nn.Sequential(nn.BatchNorm2d(outputs), nn.ReLU())
            if config.graph in ("fixed", "importance")
            else nn.Identity()
        )
        self.temporal = temporal_unit(config, outputs, stride)
        self.shortcut = None if inputs == CHANNELS else shortcut(inputs, outputs, stride)

    def forward(self, joints: Tensor) -> Tensor:
        """B×inputs×T×V → B×outputs×⌈T/stride⌉×V."""
        moved = self.temporal(self.between(self.spatial(joints)))
        return torch.relu(moved if self.shortcut is None else moved + self.shortcut(joints))
