"""CAST: two experts side by side, an exchange in every block, and a head that reads both (section 3 of the paper)."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from d3d.data.batch import Batch
from d3d.data.skeleton import Skeleton
from d3d.models.cast.config import CASTConfig, Role
from d3d.models.cast.exchange import EXCHANGES, Adapter
from d3d.models.cast.experts import EPSILON, EXPERTS, Block, Expert
from d3d.models.cast.weights import load_weights
from d3d.models.layers.attention import DropPath
from d3d.models.system import System


class TradingBlock(nn.Module):
    """A block of the experts, with adapters and the exchange (Eq. 2 to 5); the experts hold their own weights.

    Y = X + M + ADAP(M), M = MHSA(LN(X));  B = Y + exchange;  X' = B + FFN(LN(B)) + scale·ADAP(LN(B)).
    """

    def __init__(self, config: CASTConfig, experts: dict[Role, Expert], index: int) -> None:
        """`index` counts from 0."""
        super().__init__()
        self.after: nn.ModuleDict | None = None
        self.beside: nn.ModuleDict | None = None
        if config.adapters:
            self.after, self.beside = (
                nn.ModuleDict({role: Adapter(config.width, config.adapter_ratio) for role in experts}) for _ in range(2)
            )
        trades = index >= config.depth - config.exchanging
        self.exchange = EXCHANGES[config.exchange](config, experts) if trades else None
        self.scale = config.adapter_scale
        self.drop = DropPath(config.drop_path * index / max(1, config.depth - 1))

    def forward(self, tokens: dict[Role, Tensor], blocks: Mapping[Role, Block]) -> dict[Role, Tensor]:
        """Tokens of each role, G×n×D, through the experts' blocks."""
        tokens = {role: tokens[role] + self._attended(role, tokens[role], blocks[role]) for role in tokens}
        if self.exchange is not None:
            added: dict[Role, Tensor] = self.exchange(tokens)
            tokens = tokens | {role: tokens[role] + self._dropped(added[role], tokens) for role in added}
        return {role: tokens[role] + self._fed(role, tokens, blocks[role]) for role in tokens}

    def _attended(self, role: Role, tokens: Tensor, block: Block) -> Tensor:
        attended = block.attend(tokens)
        return attended if self.after is None else attended + self.after[role](attended)

    def _fed(self, role: Role, tokens: dict[Role, Tensor], block: Block) -> Tensor:
        normed: Tensor = block.norm2(tokens[role])
        fed = block.feed_forward(normed)
        if self.beside is not None:
            fed = fed + self._dropped(self.scale * self.beside[role](normed), tokens)
        return fed

    def _dropped(self, branch: Tensor, tokens: dict[Role, Tensor]) -> Tensor:
        """Skips the branch of whole clips, also where a clip is several groups of tokens."""
        clips = min(len(each) for each in tokens.values())
        dropped: Tensor = self.drop(branch.reshape(clips, -1, *branch.shape[1:]))
        return dropped.flatten(0, 1)


class CAST(System):
    """CAST. `CASTConfig.starts` says which trained weights its experts are given."""

    config_type = CASTConfig

    def __init__(self, config: CASTConfig, skeleton: Skeleton | None = None) -> None:
        super().__init__(config, skeleton)
        experts: dict[Role, Expert] = {role: EXPERTS[tokens](config) for role, tokens in config.experts.items()}
        self.experts = nn.ModuleDict({role: experts[role] for role in experts})
        digests: dict[Role, str] = {"spatial": config.spatial_digest, "temporal": config.temporal_digest}
        self.files = {role: (Path(file), digests[role]) for role, file in config.weights.items()}
        if config.frozen == "all":
            self.experts.requires_grad_(False)
        self.blocks = nn.ModuleList(TradingBlock(config, experts, index) for index in range(config.depth))
        self.head = Head(config)

    def load_files(self) -> None:
        """Gives an expert the weights of its file, if it has one."""
        for role, (file, digest) in self.files.items():
            load_weights(self.experts[role], file, digest)  # type: ignore[arg-type]  # it is an expert

    def forward(self, batch: Batch) -> Tensor:
        """B clips of 2T frames → logits B×K."""
        experts: dict[Role, Expert] = dict(self.experts.items())  # type: ignore[arg-type]  # its keys are roles
        tokens = {role: expert.embed(batch.frames) for role, expert in experts.items()}
        for index, block in enumerate(self.blocks):
            tokens = block(tokens, {role: expert.blocks[index] for role, expert in experts.items()})
        clips = len(batch.frames)
        return self.head({role: experts[role].pool(tokens[role], clips) for role in tokens})  # type: ignore[no-any-return]


class Head(nn.Module):
    """The vectors of all experts, normalised and put together, and a linear layer (section 3.3).

    Where a class is a pair, its verb is read from the temporal expert and its noun from the spatial one, or each from
    what was put together late. Its logit is log p(verb) + log p(noun): with every pair a class, cross entropy is the
    sum of the verb's and the noun's.
    """

    def __init__(self, config: CASTConfig) -> None:
        super().__init__()
        width, late = config.width, config.late
        experts, adapted = config.experts, config.adapters and late is None and not config.pairs
        self.norm = nn.ModuleDict({role: nn.LayerNorm(width, eps=EPSILON[experts[role]]) for role in experts})
        self.adapters = nn.ModuleDict(
            {role: Adapter(width, config.adapter_ratio) if adapted else nn.Identity() for role in experts}
        )
        self.joined = nn.Linear(2 * width, width) if late == "concat" else None
        self.apart = bool(config.pairs) and late is None
        self.logits = PairLogits(config) if config.pairs else ClassLogits(config)

    def forward(self, pooled: dict[Role, Tensor]) -> Tensor:
        """A vector B×D of each role → logits B×K."""
        vectors = {role: self.adapters[role](self.norm[role](pooled[role])) for role in pooled}
        if not self.apart:
            every = [*vectors.values()]
            together = self.joined(torch.cat(every, dim=-1)) if self.joined is not None else sum(every)
            vectors = dict.fromkeys(vectors, together)
        first, last = vectors.values() if len(vectors) > 1 else 2 * [*vectors.values()]
        return self.logits(first, last)  # type: ignore[no-any-return]


class ClassLogits(nn.Module):
    """One linear layer."""

    def __init__(self, config: CASTConfig) -> None:
        super().__init__()
        self.linear = linear(config.width, config.classes)

    def forward(self, spatial: Tensor, temporal: Tensor) -> Tensor:
        """Twice the same vector B×D → logits B×K."""
        return self.linear(temporal)  # type: ignore[no-any-return]


class PairLogits(nn.Module):
    """A linear layer for the verbs and one for the nouns."""

    def __init__(self, config: CASTConfig) -> None:
        super().__init__()
        verbs, nouns = zip(*config.pairs, strict=True)
        self.register_buffer("verbs", torch.tensor(verbs), persistent=False)
        self.register_buffer("nouns", torch.tensor(nouns), persistent=False)
        self.verbs: Tensor  # K, of each class
        self.nouns: Tensor
        self.verb = linear(config.width, max(verbs) + 1)
        self.noun = linear(config.width, max(nouns) + 1)

    def forward(self, spatial: Tensor, temporal: Tensor) -> Tensor:
        """Vectors B×D of both roles → logits B×K, the logarithm of the probability of both parts."""
        verb, noun = self.verb(temporal).log_softmax(dim=-1), self.noun(spatial).log_softmax(dim=-1)
        return verb[:, self.verbs] + noun[:, self.nouns]  # type: ignore[no-any-return]


def linear(inputs: int, outputs: int) -> nn.Linear:
    """The last layer of a head, whose weights start small."""
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=0.02)
    nn.init.zeros_(layer.bias)
    return layer
