"""The three ways in which joints exchange features within a frame."""

import torch
from einops import rearrange
from torch import Tensor, nn

from d3d.models.gcn.config import GCNConfig


def spatial_unit(config: GCNConfig, graph: Tensor, inputs: int, outputs: int) -> nn.Module:
    """A module B×inputs×T×V → B×outputs×T×V that `config.graph` chooses; `graph` K×V×V has its subsets."""
    if config.graph == "channelwise":
        return ChannelwiseGraph(graph, inputs, outputs)
    if config.graph == "free":
        return FreeGraph(graph, inputs, outputs)
    return FixedGraph(graph, inputs, outputs, importance=config.graph == "importance")


class FixedGraph(nn.Module):
    """y = Σ_k x_k (A_k ⊙ W_k), x_k a 1×1 convolution of x; W_k is learned, starting at 1, or left out (ST-GCN).

    `graph` is A, K×V×V; `inputs` and `outputs` are channels; `importance` says whether there is a W.
    """

    def __init__(self, graph: Tensor, inputs: int, outputs: int, importance: bool) -> None:
        super().__init__()
        self.register_buffer("graph", graph, persistent=False)
        self.graph: Tensor
        self.importance = nn.Parameter(torch.ones_like(graph)) if importance else None
        self.convolution = nn.Conv2d(inputs, outputs * len(graph), 1)

    def forward(self, joints: Tensor) -> Tensor:
        weights = self.graph if self.importance is None else self.graph * self.importance
        return _received(self.convolution(joints), weights)


class FreeGraph(nn.Module):
    """y = ReLU(BN(Σ_k x_k A_k) + x) with A_k learned, starting at the graph (ST-GCN++)."""

    def __init__(self, graph: Tensor, inputs: int, outputs: int) -> None:
        super().__init__()
        self.graph = nn.Parameter(graph.clone())
        self.convolution = nn.Conv2d(inputs, outputs * len(graph), 1)
        self.norm = nn.BatchNorm2d(outputs)
        self.shortcut = shortcut(inputs, outputs)

    def forward(self, joints: Tensor) -> Tensor:
        received = self.norm(_received(self.convolution(joints), self.graph))
        return torch.relu(received + self.shortcut(joints))


class ChannelwiseGraph(nn.Module):
    """y = ReLU(BN(Σ_k R_k(x) W₃x) + x): each channel has a graph of its own, which depends on the clip (CTR-GCN).

    R_k(x) = A_k + α · W₄ tanh(mean_T W₁x_u − mean_T W₂x_v), A_k learned, starting at the graph, and α learned,
    starting at 0 (Chen et al., ICCV 2021, Eq. 5 to 8).
    """

    def __init__(self, graph: Tensor, inputs: int, outputs: int) -> None:
        super().__init__()
        self.subsets = len(graph)
        compared = 8 if inputs == 3 else max(1, inputs // 8)
        self.graph = nn.Parameter(graph.clone())
        self.strength = nn.Parameter(torch.zeros(1))
        self.sender = nn.Conv2d(inputs, compared * self.subsets, 1)
        self.receiver = nn.Conv2d(inputs, compared * self.subsets, 1)
        self.relation = nn.Conv2d(compared * self.subsets, outputs * self.subsets, 1, groups=self.subsets)
        self.convolution = nn.Conv2d(inputs, outputs * self.subsets, 1)
        self.norm = nn.BatchNorm2d(outputs)
        nn.init.constant_(self.norm.weight, 1e-6)
        self.shortcut = shortcut(inputs, outputs)

    def forward(self, joints: Tensor) -> Tensor:
        sent, received = self.sender(joints).mean(dim=2), self.receiver(joints).mean(dim=2)
        relation = self.relation(torch.tanh(sent[..., :, None] - received[..., None, :]))  # B×KC×V×V
        relation = rearrange(relation, "b (k c) v w -> b k c v w", k=self.subsets) * self.strength + self.graph[:, None]
        features = rearrange(self.convolution(joints), "b (k c) t v -> b k c t v", k=self.subsets)
        gathered = torch.einsum("bkctv,bkcvw->bctw", features, relation)
        return torch.relu(self.norm(gathered) + self.shortcut(joints))


def shortcut(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    """The identity; where shapes change, a 1×1 convolution with a stride over time."""
    if inputs == outputs and stride == 1:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=(stride, 1)), nn.BatchNorm2d(outputs))


def _received(features: Tensor, graph: Tensor) -> Tensor:
    """Sums what each joint receives: features B×(K·C)×T×V of the senders, graph K×V×V → B×C×T×V."""
    return torch.einsum("bkctv,kvw->bctw", rearrange(features, "b (k c) t v -> b k c t v", k=len(graph)), graph)
