"""The hyper-parameters of the 3D deformable transformer. Nothing here imports torch."""

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import ClassVar, Literal, Self

from d3d.defaults import with_defaults
from d3d.errors import require
from d3d.modality import FRAMES, FRAMES_AND_JOINTS, Modality
from d3d.models.config import FROM_DATA, SystemConfig


@dataclass(frozen=True, kw_only=True)
class D3DConfig(SystemConfig):
    """The 3D deformable transformer. Section and equation numbers are the paper's (arXiv 2212.05638)."""

    system: str = "d3d"
    width: int = 64  # C, backbone channels; tokens have 4C
    depth: int = 3  # L, transformer blocks
    heads: int = 8  # attention heads of every module
    feedforward_ratio: int = 4  # hidden channels of a feed-forward network, in token widths
    norm: Literal["pre", "printed"] = "pre"  # LayerNorm before each attention, or none, as the equations are printed
    dropout: float = 0.0  # of attention and feed-forward outputs
    drop_path: float = 0.0  # probability that the last block skips a residual branch; linear from 0 in the first
    sigma: float = 1.2  # Gaussian of a joint in feature pixels of a map 112 wide, scaled with the map (Eq. 2)
    pose_features: bool = True  # a pose token reads the feature map around its joint; false: it knows the joint alone
    pose_position: Literal["coordinate", "relative", "motion", "trajectory", "index"] = (
        "coordinate"  # how a pose token is told its place
    )
    tokens: Literal["cross", "single", "none"] = "cross"  # modal tokens, Table 5
    deformable_attention: bool | Literal["full"] = True
    """Table 4: an eliminated module is the identity. `full`: no token search, every token is a key (Z̃ = Z)."""
    joint_attention: bool = True  # Table 4
    temporal_attention: bool = True  # Table 4
    kernel: int = 7  # k of the 3D token search, unpadded (section 3.2)
    offset_convolution: Literal["depthwise", "dense"] = "depthwise"  # the k×k×k convolution of the token search
    offset_range: float = 1.0  # how far a reference point may move, in tokens
    joint_window: int = 6  # joints a window of joint stride attention holds
    joint_stride: int | None = None  # joints from one window to the next; None: half the window
    temporal_window: int = 6  # frames a window of temporal stride attention holds
    temporal_stride: int | None = None  # frames from one window to the next; None: half the window
    weights: str | None = None  # safetensors file to start from: the checkpoint of a finished cell, on any dataset
    weights_digest: str = ""  # of this file; empty where there is none

    from_data = (*FROM_DATA, "weights_digest")
    files = MappingProxyType({"weights": "weights_digest"})
    measured: ClassVar = ("width", "heads", "feedforward_ratio", "norm", "dropout")

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("width", "depth", "heads", "feedforward_ratio", "kernel"):
            require(getattr(self, key) >= 1, f"model.{key}", getattr(self, key), "must be at least 1")
        for key in ("depth", "kernel"):
            require(getattr(self, key) <= 1_000, f"model.{key}", getattr(self, key), "must be at most 1000")
        rule = "must be a file *.safetensors, such as cells/<id>/checkpoint.safetensors of a storage folder"
        require(self.weights is None or self.weights.endswith(".safetensors"), "model.weights", self.weights, rule)
        dimension = 4 * self.width
        require(dimension % self.heads == 0, "model.heads", self.heads, f"must divide 4 × model.width = {dimension}")
        require(self.sigma > 0, "model.sigma", self.sigma, "must be above 0")
        require(self.offset_range >= 0, "model.offset_range", self.offset_range, "must not be negative")
        for key in ("dropout", "drop_path"):
            require(0 <= getattr(self, key) < 1, f"model.{key}", getattr(self, key), "must be in [0, 1)")
        for kind in ("joint", "temporal"):
            window, stride = getattr(self, f"{kind}_window"), getattr(self, f"{kind}_stride")
            require(window >= 1, f"model.{kind}_window", window, "must be at least 1")
            if stride is not None:
                rule = f"must be between 1 and model.{kind}_window = {window}"
                require(1 <= stride <= window, f"model.{kind}_stride", stride, rule)

    @property
    def reads(self) -> frozenset[Modality]:
        """Only frames where no path leads from the joints to the head.

        That is so without joint and temporal attention, as the head reads the modal tokens. With several persons the
        joints still say who is present, and so which clips are computed together.
        """
        blind = not (self.joint_attention or self.temporal_attention) and self.tokens != "none"
        return FRAMES if blind and self.persons == 1 else FRAMES_AND_JOINTS

    def canonical(self, frames: int) -> Self:
        """Strides filled in, windows cut to their axis, and the keys of an eliminated module set to their defaults.

        A stride is cut to the largest one with windows of its own: query windows start at 0, s, 2s, … clamped to
        N − window, and key windows one stride later, clamped likewise, so all strides of at least N − window are the
        same computation. `sigma` is set to its default where nothing leads from the map at the joints to the head;
        `pose_features` and `pose_position` are not, because they decide how many weights are drawn.
        """
        config = self
        unread = not (config.joint_attention or config.temporal_attention) and config.tokens != "none"
        if unread or not config.pose_features:
            config = with_defaults(config, "sigma")
        if config.deformable_attention is not True:
            config = with_defaults(config, "kernel", "offset_convolution", "offset_range")
        if not config.joint_attention:
            config = with_defaults(config, "joint_window", "joint_stride")
        if not config.temporal_attention:
            config = with_defaults(config, "temporal_window", "temporal_stride")
        joint = _window_and_stride(config.joint_window, config.joint_stride, config.joints)
        temporal = _window_and_stride(config.temporal_window, config.temporal_stride, frames)
        return replace(
            config,
            joint_window=joint[0],
            joint_stride=joint[1],
            temporal_window=temporal[0],
            temporal_stride=temporal[1],
        )

    def everybody_present(self) -> Self:
        """One person with all the joints costs the same as several who are all present."""
        return replace(self, persons=1)


def _window_and_stride(window: int, stride: int | None, length: int) -> tuple[int, int]:
    if window >= length:
        return length, length
    return window, min(max(1, window // 2) if stride is None else stride, length - window)
