"""How the two experts trade what they know inside a block (section 3.2 of the paper).

An exchange maps the tokens of both experts to what is added to each; both directions read the tokens of before.
"""

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn.functional import gelu

from d3d.models.cast.config import CASTConfig, Role, Window
from d3d.models.cast.experts import Expert
from d3d.models.layers.attention import MultiHeadProjections

OTHER: dict[Role, Role] = {"spatial": "temporal", "temporal": "spatial"}


class Adapter(nn.Module):
    """W_U·GELU(W_D·x), D → D/ratio → D; W_U starts at zero, so that it adds nothing at first."""

    def __init__(self, width: int, ratio: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, width // ratio)
        self.up = zeros(width // ratio, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """…×D → …×D."""
        return self.up(gelu(self.down(tokens)))  # type: ignore[no-any-return]


def zeros(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer whose weights and biases start at zero."""
    layer = nn.Linear(inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class CrossAttention(MultiHeadProjections):
    """Multi-head cross attention within windows (Eq. 7), with learned positions of both sides (Table 8)."""

    def __init__(self, width: int, config: CASTConfig, window: Window) -> None:
        super().__init__(width, config.heads)
        self.window = window
        length = {"time": config.times, "space": config.places, "both": config.times * config.places}[window]
        deviation = (width / config.heads) ** -0.5
        tables = [torch.randn(length, width) * deviation for _ in range(2)] if config.positions else []
        self.positions = nn.ParameterList(tables)  # of the tokens that ask, and of those that are asked

    def forward(self, asking: Tensor, asked: Tensor) -> Tensor:
        """Both B×T×N×C, on the same grid → B×T×N×C."""
        into, out = _WINDOWS[self.window]
        sizes = dict(zip("btn", asking.shape[:3], strict=True))
        queries, keys = rearrange(asking, f"b t n c -> {into}"), rearrange(asked, f"b t n c -> {into}")
        if len(self.positions):
            queries, keys = queries + self.positions[0], keys + self.positions[1]
        found: Tensor = self.output(self.attend(self.query(queries), self.key(keys), self.value(keys)))
        return rearrange(found, f"{into} -> {out}", **sizes)


_WINDOWS: dict[Window, tuple[str, str]] = {
    "time": ("(b n) t c", "b t n c"),
    "space": ("(b t) n c", "b t n c"),
    "both": ("b (t n) c", "b t n c"),
}


class Exchange(nn.Module):
    """The base class: what is added to the tokens of each expert; 0 in a direction that the configuration lacks."""

    def __init__(self, config: CASTConfig, experts: dict[Role, Expert]) -> None:
        super().__init__()
        self._experts = experts  # a plain dictionary: their weights are the experts', not the exchange's
        receiving: dict[str, tuple[Role, ...]] = {
            "both": ("spatial", "temporal"),
            "to_spatial": ("spatial",),
            "to_temporal": ("temporal",),
        }
        self.receiving = receiving[config.directions]

    def windows(self, config: CASTConfig) -> dict[Role, Window]:
        """The window of each expert that receives something."""
        both: dict[Role, Window] = {"spatial": config.spatial_window, "temporal": config.temporal_window}
        return {role: both[role] for role in self.receiving}

    def forward(self, tokens: dict[Role, Tensor]) -> dict[Role, Tensor]:
        """Tokens of both roles, G×n×D each → what is added to those that receive something, in the same shape."""
        raise NotImplementedError

    def on_patches(self, role: Role, tokens: Tensor, patches: Tensor) -> Tensor:
        """B×T×N×C added to the patches of an expert and nothing to its class tokens, as G×n×C."""
        return self._experts[role].with_patches(torch.zeros_like(tokens), patches)


class BottleneckExchange(Exchange):
    """B-CAST: both experts' tokens in E channels, cross attention between them, and back to D channels (Eq. 8).

    Class tokens take no part in the attention. With `class_token: adapter` they pass through the rest, as through an
    adapter.
    """

    def __init__(self, config: CASTConfig, experts: dict[Role, Expert]) -> None:
        super().__init__(config, experts)
        inner = config.width // config.bottleneck_ratio
        self.class_token = config.class_token
        self.down = nn.ModuleDict({role: nn.Linear(config.width, inner) for role in OTHER})
        self.norm = nn.ModuleDict({role: nn.LayerNorm(inner) for role in OTHER})
        windows = self.windows(config)
        self.attention = nn.ModuleDict({role: CrossAttention(inner, config, windows[role]) for role in windows})
        self.up = nn.ModuleDict({role: zeros(inner, config.width) for role in windows})

    def forward(self, tokens: dict[Role, Tensor]) -> dict[Role, Tensor]:
        """See Exchange."""
        small = {role: self.norm[role](self.down[role](tokens[role])) for role in OTHER}
        patches = {role: self._experts[role].patches(small[role]) for role in OTHER}
        added = {}
        for role in self.receiving:
            attended = self.attention[role](patches[role], patches[OTHER[role]])
            kept = small[role] if self.class_token == "adapter" else torch.zeros_like(small[role])
            raised = self.up[role](gelu(self._experts[role].with_patches(kept, attended)))
            if self.class_token == "out":
                raised = self.on_patches(role, raised, self._experts[role].patches(raised))
            added[role] = raised
        return added


class FullExchange(Exchange):
    """Cross attention of the tokens' own width between normalised tokens (Table 1c), its last projection zero at first.

    With `exchange: before_adapter` an adapter follows, which is zero at first instead.
    """

    def __init__(self, config: CASTConfig, experts: dict[Role, Expert]) -> None:
        super().__init__(config, experts)
        adapted = config.exchange == "before_adapter"
        windows = self.windows(config)
        self.norm = nn.ModuleDict({role: nn.LayerNorm(config.width) for role in OTHER})
        attentions: dict[str, CrossAttention] = {
            role: CrossAttention(config.width, config, windows[role]) for role in windows
        }
        self.attention = nn.ModuleDict(attentions)
        self.adapter = nn.ModuleDict(
            {role: Adapter(config.width, config.adapter_ratio) if adapted else nn.Identity() for role in windows}
        )
        if not adapted:
            for attention in attentions.values():
                nn.init.zeros_(attention.output.weight)
                nn.init.zeros_(attention.output.bias)

    def forward(self, tokens: dict[Role, Tensor]) -> dict[Role, Tensor]:
        """See Exchange."""
        patches = {role: self._experts[role].patches(self.norm[role](tokens[role])) for role in OTHER}
        return {
            role: self.on_patches(
                role, tokens[role], self.adapter[role](self.attention[role](patches[role], patches[OTHER[role]]))
            )
            for role in self.receiving
        }


class LateralExchange(Exchange):
    """A linear map of the other expert's patch at the same place and time, zero at first (Table 1b)."""

    def __init__(self, config: CASTConfig, experts: dict[Role, Expert]) -> None:
        super().__init__(config, experts)
        self.maps = nn.ModuleDict({role: zeros(config.width, config.width) for role in self.receiving})

    def forward(self, tokens: dict[Role, Tensor]) -> dict[Role, Tensor]:
        """See Exchange."""
        return {
            role: self.on_patches(
                role, tokens[role], self.maps[role](self._experts[OTHER[role]].patches(tokens[OTHER[role]]))
            )
            for role in self.receiving
        }


EXCHANGES: dict[str, type[Exchange]] = {
    "lateral": LateralExchange,
    "full": FullExchange,
    "before_adapter": FullExchange,
    "bottleneck": BottleneckExchange,
}
