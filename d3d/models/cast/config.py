"""The hyper-parameters of CAST and of its experts. Nothing here imports torch."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import PurePath
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self

from d3d.defaults import with_defaults
from d3d.errors import ConfigError, require
from d3d.modality import FRAMES
from d3d.models.config import FROM_DATA, Start, SystemConfig

Tokens = Literal["frames", "tubelets"]
"""How an expert cuts a clip into tokens.

`frames`: CLIP's image encoder, every second frame alone, with a class token each. `tubelets`: VideoMAE's video encoder,
the whole clip at once, two frames a token.
"""

Role = Literal["spatial", "temporal"]
"""The place of an expert in CAST."""

Window = Literal["time", "space", "both"]
"""The tokens of the other expert that a token may ask: those at its place, those at its time, or all."""

ATTENDING = ("full", "before_adapter", "bottleneck")
"""The exchanges by cross attention."""

PICKLES = (".bin", ".pt", ".pth")
CONVERT = (
    "import argparse, torch; from safetensors.torch import save_file; "
    "torch.serialization.add_safe_globals([argparse.Namespace]); "
    "found = {load}; "
    "found = found.get('model', found.get('module', found)); "
    "save_file({{name: each.detach().clone() for name, each in found.items()}}, {target!r})"
)
"""The line of Python that writes a safetensors file. Checkpoints of VideoMAE hold the weights among other things."""


@dataclass(frozen=True, kw_only=True)
class ViTConfig(SystemConfig):
    """The size of a vision transformer; the defaults are the base size with patches of 16 pixels, as in the paper."""

    width: int = 768  # channels of a token, D
    depth: int = 12  # blocks
    heads: int = 12
    patch: int = 16  # pixels a side
    frames: int = 16  # of a clip, 2T: training.frames
    crop: int = 224  # pixels, height and width of a frame: data.crop
    spatial_frame: Literal["last", "first"] = "last"  # of two frames, the one that tokens of `frames` are cut from
    sine_positions: Literal["index", "axes"] = "index"
    """What tells a token of `tubelets` where it is.

    Sines of its index among all tokens, as in VideoMAE, or of its place on each axis, which small widths need.
    """

    reads = FRAMES
    from_data: ClassVar[tuple[str, ...]] = (*FROM_DATA, "frames", "crop")

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("width", "depth", "heads", "patch"):
            require(getattr(self, key) >= 1, f"model.{key}", getattr(self, key), "must be at least 1")
        require(self.width % self.heads == 0, "model.width", self.width, f"must be divisible by heads = {self.heads}")
        require(self.width % 2 == 0, "model.width", self.width, "must be even, for sines and cosines of positions")

    @property
    def times(self) -> int:
        """T, the times that a clip has tokens at."""
        return self.frames // 2

    @property
    def places(self) -> int:
        """N, the patches of a frame."""
        return (self.crop // self.patch) ** 2

    def check_clips(self) -> None:
        """Raises ConfigError unless clips of `frames` frames of `crop` pixels a side consist of whole tokens."""
        rule = f"must be even: a token of model.system={self.system} has two frames"
        require(self.frames % 2 == 0, "training.frames", self.frames, rule)
        require(self.crop % self.patch == 0, "model.patch", self.patch, f"must divide data.crop = {self.crop}")

    def canonical(self, frames: int) -> Self:
        """The same, checked. Raises ConfigError as `check_clips` does, and where a test has other frames."""
        self.check_clips()
        rule = f"must be training.frames = {self.frames}: model.system={self.system} has no tokens for other clips"
        require(frames == self.frames, "evaluation.frames", frames, rule)
        return self


@dataclass(frozen=True, kw_only=True)
class MaskedViTConfig(ViTConfig):
    """VideoMAE: an expert of `tubelets` that learns, without labels, to reconstruct what is masked."""

    system: str = "masked_vit"
    mask_ratio: float = 0.9  # the part of the places that is masked, the same places at all times
    decoder_depth: int = 4  # blocks of the decoder, which has half the width

    labelled = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.decoder_depth >= 1, "model.decoder_depth", self.decoder_depth, "must be at least 1")
        rule = f"must be divisible by 2·heads = {2 * self.heads} and by 4, for a decoder of half the width"
        require(self.width % (2 * self.heads) == 0 and self.width % 4 == 0, "model.width", self.width, rule)

    @property
    def masked(self) -> int:
        """The number of places that are masked."""
        return round(self.mask_ratio * self.places)

    def check_clips(self) -> None:
        """As for every vision transformer; one place must be masked, and one must be visible."""
        super().check_clips()
        rule = f"must leave one of the {self.places} patches of a frame masked and one visible"
        require(1 <= self.masked < self.places, "model.mask_ratio", self.mask_ratio, rule)

    def canonical(self, frames: int) -> Self:
        """Tubelets have no `spatial_frame`, and what is reconstructed has no class."""
        return with_defaults(super().canonical(frames), "spatial_frame", "classes")


@dataclass(frozen=True, kw_only=True)
class OnMaskedConfig(ViTConfig):
    """What systems have in common whose expert of `tubelets` can start from masked pre-training."""

    masked_epochs: int = 800  # of the masked pre-training
    masked_learning_rate: float = 1.5e-4  # its peak
    mask_ratio: float = MaskedViTConfig.mask_ratio
    decoder_depth: int = MaskedViTConfig.decoder_depth

    builds_on: ClassVar[tuple[str, ...]] = ("masked_vit",)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 < self.mask_ratio < 1, "model.mask_ratio", self.mask_ratio, "must be in (0, 1)")
        for key in ("masked_epochs", "decoder_depth"):
            require(getattr(self, key) >= 1, f"model.{key}", getattr(self, key), "must be at least 1")
        _check_rate("masked_learning_rate", self.masked_learning_rate)

    @property
    def masked_start(self) -> Start:
        """The masked pre-training."""
        model = MaskedViTConfig(**_size(self), mask_ratio=self.mask_ratio, decoder_depth=self.decoder_depth)
        return Start(
            name="masked pre-training",
            model=model,
            epochs=self.masked_epochs,
            learning_rate=self.masked_learning_rate,
        )


OF_MASKED = ("masked_epochs", "masked_learning_rate", "mask_ratio", "decoder_depth")


@dataclass(frozen=True, kw_only=True)
class ExpertConfig(OnMaskedConfig):
    """One expert alone, with a linear head: how an expert learns from labels before CAST freezes it."""

    system: str = "vit"
    tokens: Tokens = "tubelets"
    start: Literal["masked", "random"] = "masked"  # of `tubelets`: masked pre-training, or none

    def canonical(self, frames: int) -> Self:
        """Keys that the tokens do not have are set to their defaults."""
        same = super().canonical(frames)
        if self.tokens == "frames":
            return with_defaults(same, "start", "sine_positions", *OF_MASKED)
        return with_defaults(same, "spatial_frame", *(OF_MASKED if self.start == "random" else ()))

    @property
    def starts(self) -> Mapping[str, Start]:
        """The masked pre-training of tubelets."""
        return {"expert": self.masked_start} if self.tokens == "tubelets" and self.start == "masked" else {}


@dataclass(frozen=True, kw_only=True)
class CASTConfig(OnMaskedConfig):
    """Two experts that exchange what they know, and a head that reads both.

    `exchange` is where and how: `none`; after the last block `add` or `concat`; or in blocks, by `lateral` linear maps,
    by cross attention of the tokens' `full` width or the same `before_adapter`s, or by cross attention in a
    `bottleneck`, which is the paper's.
    """

    system: str = "cast"
    roles: Literal["both", "spatial", "temporal"] = "both"  # the experts that there are; one alone exchanges nothing
    spatial: Tokens = "frames"  # the expert in the spatial role, whose tokens ask for other times
    temporal: Tokens = "tubelets"  # the expert in the temporal role, whose tokens ask for other places
    spatial_expert: Literal["labels", "random"] = "labels"
    """What the expert of `frames` was trained with: the labels of single frames; or its weights are random."""
    temporal_expert: Literal["finetuned", "masked", "labels", "random"] = "finetuned"
    """What the expert of `tubelets` was trained with: masked clips and then labels, one of these, or nothing."""
    spatial_weights: str | None = None  # safetensors file of the expert in the spatial role, which is then not trained
    temporal_weights: str | None = None  # the same of the expert in the temporal role
    spatial_digest: str = ""  # of these files; empty where there are none
    temporal_digest: str = ""
    expert_epochs: int = 50  # of a training of an expert with labels
    expert_learning_rate: float = 5e-4  # its peak
    frozen: Literal["all", "none"] = "all"  # weights of the experts that are not trained
    adapters: bool = True
    adapter_ratio: int = 4  # D over an adapter's hidden channels
    adapter_scale: float = 0.5  # of the adapters beside the feed-forward networks
    exchange: Literal["none", "add", "concat", "lateral", "full", "before_adapter", "bottleneck"] = "bottleneck"
    bottleneck_ratio: int = 2  # D over the channels of the bottleneck, E
    exchange_blocks: float = 1.0  # the part of the blocks, up to the last, in which the experts exchange
    directions: Literal["both", "to_spatial", "to_temporal"] = "both"
    spatial_window: Window = "time"  # what a token of the expert in the spatial role asks of the other's
    temporal_window: Window = "space"  # what a token of the expert in the temporal role asks of the other's
    positions: bool = True  # tables of learned positions in cross attention
    class_token: Literal["adapter", "out"] = "adapter"  # whether class tokens pass through the bottleneck
    pairs: tuple[tuple[int, int], ...] = ()  # class → its verb and its noun; empty: a class is one thing
    drop_path: float = 0.0  # of adapters and exchange: the rate of the last block; that of the first is 0

    from_data = (*ViTConfig.from_data, "pairs", "spatial_digest", "temporal_digest")
    files = MappingProxyType({"spatial_weights": "spatial_digest", "temporal_weights": "temporal_digest"})
    builds_on: ClassVar[tuple[str, ...]] = ("vit", "masked_vit")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.expert_epochs >= 1, "model.expert_epochs", self.expert_epochs, "must be at least 1")
        _check_rate("expert_learning_rate", self.expert_learning_rate)
        require(0 <= self.drop_path < 1, "model.drop_path", self.drop_path, "must be in [0, 1)")
        for key in self.files:
            _check_weights(key, getattr(self, key))
        for key, used in (("adapter_ratio", self.adapting), ("bottleneck_ratio", self.narrowing)):
            value, rule = getattr(self, key), f"must divide width = {self.width}"
            require(value >= 1 and (not used or self.width % value == 0), f"model.{key}", value, rule)
        inner = self.width // self.bottleneck_ratio
        rule = f"must leave channels that heads = {self.heads} divides; width / bottleneck_ratio is {inner}"
        require(not self.narrowing or inner % self.heads == 0, "model.bottleneck_ratio", self.bottleneck_ratio, rule)
        known = len(self.pairs) in (0, self.classes)
        require(known, "model.pairs", len(self.pairs), f"must be one for each of the {self.classes} classes, or none")
        require(0 < self.exchange_blocks <= 1, "model.exchange_blocks", self.exchange_blocks, "must be in (0, 1]")

    @property
    def experts(self) -> dict[Role, Tokens]:
        """The tokens of the expert in each role that there is."""
        both: dict[Role, Tokens] = {"spatial": self.spatial, "temporal": self.temporal}
        return {role: tokens for role, tokens in both.items() if self.roles in ("both", role)}

    @property
    def inside(self) -> bool:
        """Whether the experts exchange anything in their blocks."""
        return self.roles == "both" and self.exchange in ("lateral", *ATTENDING)

    @property
    def attending(self) -> bool:
        """Whether they exchange by cross attention."""
        return self.inside and self.exchange in ATTENDING

    @property
    def narrowing(self) -> bool:
        """Whether that is in a bottleneck."""
        return self.attending and self.exchange == "bottleneck"

    @property
    def adapting(self) -> bool:
        """Whether there are adapters anywhere."""
        return self.adapters or (self.attending and self.exchange == "before_adapter")

    @property
    def exchanging(self) -> int:
        """The number of blocks, up to the last, in which the experts exchange: one at least, if they do at all."""
        return max(1, round(self.exchange_blocks * self.depth)) if self.inside else 0

    @property
    def late(self) -> Literal["add", "concat"] | None:
        """How the experts' vectors are put together after the last block where that is the only exchange."""
        return self.exchange if self.roles == "both" and self.exchange in ("add", "concat") else None

    @property
    def weights(self) -> dict[Role, str]:
        """The file of the expert in each role that is given one; an expert that is to be random takes none."""
        both: dict[Role, str | None] = {"spatial": self.spatial_weights, "temporal": self.temporal_weights}
        known = {role: both[role] for role, tokens in self.experts.items() if self._trained_with(tokens) != "random"}
        return {role: file for role, file in known.items() if file is not None}

    @property
    def trained(self) -> dict[Role, Tokens]:
        """The tokens of the experts that no file is given for."""
        return {role: tokens for role, tokens in self.experts.items() if role not in self.weights}

    @property
    def starts(self) -> Mapping[str, Start]:
        """The training of the expert in each role, unless its weights are random or a file's."""
        start = {tokens: self._start_of(tokens) for tokens in self.trained.values()}
        return {f"experts.{role}": found for role, tokens in self.trained.items() if (found := start[tokens])}

    def _trained_with(self, tokens: Tokens) -> str:
        """What an expert with these tokens is trained with, unless it is given weights."""
        return self.spatial_expert if tokens == "frames" else self.temporal_expert

    def _start_of(self, tokens: Tokens) -> Start | None:
        trained = self._trained_with(tokens)
        if trained == "random":
            return None
        if trained == "masked":
            return self.masked_start
        own = {key: getattr(self, key) for key in OF_MASKED}
        start: Literal["masked", "random"] = "masked" if trained == "finetuned" else "random"
        model = ExpertConfig(**_size(self), **own, tokens=tokens, start=start)
        role = "spatial" if tokens == "frames" else "temporal"
        return Start(
            name=f"{role} expert", model=model, epochs=self.expert_epochs, learning_rate=self.expert_learning_rate
        )

    def canonical(self, frames: int) -> Self:
        """Keys of parts that the configuration does not have are set to their defaults."""
        absent: list[str] = []
        if self.roles != "both":
            absent += ["exchange", "temporal" if self.roles == "spatial" else "spatial"]
        if not self.adapting:
            absent += ["adapter_ratio"]
        if not self.adapters:
            absent += ["adapter_scale"]
        if not self.attending:
            absent += ["spatial_window", "temporal_window", "positions"]
        if not self.narrowing:
            absent += ["bottleneck_ratio", "class_token"]
        if not self.inside:
            absent += ["exchange_blocks", "directions"]
        if self.attending and self.directions == "to_spatial":
            absent += ["temporal_window"]
        if self.attending and self.directions == "to_temporal":
            absent += ["spatial_window"]
        if not self.adapters and not self.inside:
            absent += ["drop_path"]
        if "frames" not in self.experts.values():
            absent += ["spatial_frame", "class_token"]
        if "tubelets" not in self.experts.values():
            absent += ["sine_positions"]
        for role in ("spatial", "temporal"):
            if role not in self.weights:
                absent += [f"{role}_weights", f"{role}_digest"]
        trained = self.trained.values()
        if "frames" not in trained:
            absent += ["spatial_expert"]
        if "tubelets" not in trained:
            absent += ["temporal_expert"]
        if "tubelets" not in trained or self.temporal_expert in ("labels", "random"):
            absent += OF_MASKED
        if not any(start.model.labelled for start in self.starts.values()):
            absent += ["expert_epochs", "expert_learning_rate"]
        present = with_defaults(super().canonical(frames), *dict.fromkeys(absent))
        return replace(present, exchange_blocks=self.exchanging / self.depth) if self.inside else present


def _size(config: ViTConfig) -> dict[str, Any]:
    """The keys that every vision transformer of this size has."""
    return {field.name: getattr(config, field.name) for field in fields(ViTConfig) if field.name != "system"}


def _check_weights(key: str, file: str | None) -> None:
    """Raises ConfigError for a file that is not of safetensors by its name: loading a pickle can run what is in it."""
    if file is None or PurePath(file).suffix == ".safetensors":
        return
    if PurePath(file).suffix not in PICKLES:
        raise ConfigError(f"model.{key}={file}: is no safetensors file; name one that ends in .safetensors")
    line = CONVERT.format(
        load=f"torch.load({file!r}, map_location='cpu', weights_only=True)",
        target=str(PurePath(file).with_suffix(".safetensors")),
    )
    raise ConfigError(
        f"model.{key}={file}: is a pickle, which is not loaded; write a safetensors file with this line of Python and "
        f"name that: {line}; for OpenAI's own files, which are TorchScript, replace torch.load(…) by "
        "torch.jit.load(…, map_location='cpu').state_dict()"
    )


def _check_rate(key: str, value: float) -> None:
    require(0 < value <= 1_000, f"model.{key}", value, "must be above 0 and at most 1000")
