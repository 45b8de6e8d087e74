"""One expert alone: how it learns, from labels or from masked clips, what CAST builds on (section 4.1 of the paper)."""

import torch
from einops import rearrange
from torch import Tensor, nn

from d3d.data.batch import Batch
from d3d.data.skeleton import Skeleton
from d3d.models.cast.config import ExpertConfig, MaskedViTConfig
from d3d.models.cast.experts import EPSILON, EXPERTS, Block, FrameExpert, TubeletExpert
from d3d.models.system import PretrainingSystem, System


class ViT(System):
    """An expert with a LayerNorm and a linear head, all of which is trained.

    An expert of `frames` learns from single frames: in training one of its T frames is drawn for each clip, in a test
    the features of all of them are averaged.
    """

    config_type = ExpertConfig

    def __init__(self, config: ExpertConfig, skeleton: Skeleton | None = None) -> None:
        super().__init__(config, skeleton)
        self.expert = EXPERTS[config.tokens](config)
        self.norm = nn.LayerNorm(config.width, eps=EPSILON[config.tokens])
        self.head = nn.Linear(config.width, config.classes)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def forward(self, batch: Batch) -> Tensor:
        """B clips of 2T frames → logits B×K."""
        frames = batch.frames
        if self.training and isinstance(self.expert, FrameExpert):
            pairs = rearrange(frames, "b c (t f) h w -> b t c f h w", f=2)
            frames = pairs[range(len(pairs)), torch.randint(self.expert.times, (len(pairs),))]
        return self.head(self.norm(self.expert(frames)))  # type: ignore[no-any-return]


class MaskedViT(PretrainingSystem):
    """VideoMAE (Tong et al., NeurIPS 2022): reconstructs the masked tubes of a clip from the visible ones.

    The masked places are drawn anew for each clip, and are the same at all times. The encoder is the expert, and sees
    visible tokens only; the decoder sees their projections and a learned token for each masked one. The target is the
    pixels of a token, normalised in each channel by their own mean and deviation; the loss is their mean squared error.
    """

    config_type = MaskedViTConfig

    def __init__(self, config: MaskedViTConfig, skeleton: Skeleton | None = None) -> None:
        super().__init__(config, skeleton)
        inner = config.width // 2
        self.masked, self.patch = config.masked, config.patch
        self.expert = TubeletExpert(config)
        self.norm = nn.LayerNorm(config.width, eps=EPSILON["tubelets"])
        self.narrow = nn.Linear(config.width, inner, bias=False)
        self.mask_token = nn.Parameter(torch.randn(inner) * 0.02)
        self.decoder = nn.ModuleList(Block(inner, config.heads, "tubelets") for _ in range(config.decoder_depth))
        self.decoder_norm = nn.LayerNorm(inner, eps=EPSILON["tubelets"])
        self.pixels = nn.Linear(inner, 3 * 2 * config.patch**2)

    def forward(self, batch: Batch) -> Tensor:
        """The loss of B clips, a scalar."""
        visible = self._visible(batch.frames)
        targets = normalised(self._tokens_of(batch.frames))[0]
        wrong = (self._reconstructed(batch.frames, visible) - targets).square().mean(dim=-1)
        masked = torch.ones_like(wrong).scatter(1, visible, 0.0)
        return (wrong * masked).sum() / masked.sum()

    @torch.no_grad()
    def pictures(self, batch: Batch) -> Tensor:
        """B×3×3×2T×H×W: each clip, what the expert sees of it (grey elsewhere), and its reconstruction.

        The reconstructed pixels are given the mean and the deviation that they should have, which are not predicted.
        """
        frames, visible = batch.frames, self._visible(batch.frames)
        tokens = self._tokens_of(frames)
        _, mean, deviation = normalised(tokens)
        found = self._reconstructed(frames, visible).float()
        pixels = rearrange(found, "b n (c p) -> b n c p", c=3) * deviation + mean
        index = visible[..., None].expand(-1, -1, tokens.shape[-1])
        kept = tokens.gather(1, index)
        seen = torch.zeros_like(tokens).scatter(1, index, kept)
        filled = rearrange(pixels, "b n c p -> b n (c p)").scatter(1, index, kept)
        return torch.stack([self._frames_of(each, frames) for each in (tokens, seen, filled)], dim=1)

    def _visible(self, frames: Tensor) -> Tensor:
        """Which tokens of each clip are visible, B×(T·v): v places drawn at random, the same at all times."""
        places = (frames.shape[-1] // self.patch) * (frames.shape[-2] // self.patch)
        drawn = torch.rand(len(frames), places).argsort(dim=1)[:, self.masked :]  # on the CPU: alike on every device
        times = places * torch.arange(self.expert.times)
        return rearrange(drawn[:, None] + times[:, None], "b t v -> b (t v)").to(frames.device)

    def _reconstructed(self, frames: Tensor, visible: Tensor) -> Tensor:
        """The normalised pixels that are predicted for each token, B×(T·N)×(3·2·patch²)."""
        tokens = self.expert.embed(frames)
        places = visible[..., None]
        seen = tokens.gather(1, places.expand(-1, -1, tokens.shape[-1]))
        for block in self.expert.blocks:
            seen = block(seen)
        seen = self.narrow(self.norm(seen))
        every = self.mask_token.to(seen.dtype).expand(*tokens.shape[:2], -1)
        every = every.scatter(1, places.expand_as(seen), seen)
        grid = (self.expert.times, frames.shape[-2] // self.patch, frames.shape[-1] // self.patch)
        every = every + self.expert.positions_of(grid, every.shape[2]).to(every)
        for block in self.decoder:
            every = block(every)
        return self.pixels(self.decoder_norm(every))  # type: ignore[no-any-return]

    def _tokens_of(self, frames: Tensor) -> Tensor:
        """B×3×2T×H×W → the pixels of each token, B×(T·N)×(3·2·patch²)."""
        return rearrange(frames, "b c (t f) (h p) (w q) -> b (t h w) (c f p q)", f=2, p=self.patch, q=self.patch)

    def _frames_of(self, tokens: Tensor, frames: Tensor) -> Tensor:
        """The inverse of `_tokens_of`; `frames` tells the size."""
        rows = frames.shape[-2] // self.patch
        sizes = {"f": 2, "p": self.patch, "q": self.patch, "t": self.expert.times, "h": rows}
        return rearrange(tokens, "b (t h w) (c f p q) -> b c (t f) (h p) (w q)", **sizes)


def normalised(tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Pixels …×(3·P) of tokens less their mean, over their deviation, in each channel; and both, …×3×1."""
    channels = rearrange(tokens, "b n (c p) -> b n c p", c=3)
    mean = channels.mean(dim=-1, keepdim=True)
    deviation = (channels.var(dim=-1, keepdim=True) + 1e-6).sqrt()
    return rearrange((channels - mean) / deviation, "b n c p -> b n (c p)"), mean, deviation
