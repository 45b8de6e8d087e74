"""The hyper-parameters of the STAR-transformer. Nothing here imports torch."""

from dataclasses import dataclass, replace
from typing import Literal, Self

from d3d.errors import require
from d3d.models.config import SystemConfig

Attention = Literal["full", "zigzag", "binary"]


@dataclass(frozen=True, kw_only=True)
class STARConfig(SystemConfig):
    """The STAR-transformer, which reads frames and joints."""

    system: str = "star"
    backbone: Literal["mc3", "d3d"] = "mc3"
    """`mc3`: MC3-18, as published. `d3d`: that of the 3D deformable transformer, to compare the attentions alone."""
    width: int = 64  # channels of the backbone after its stem
    dimension: int = 512  # of a token
    depth: int = 3  # layers of the encoder, and as many of the decoder
    heads: int = 8  # of every attention
    feedforward_ratio: int = 4  # hidden channels of a feed-forward network, in token dimensions
    encoder_attention: Attention = "zigzag"
    """What follows the attention over all tokens in a layer.

    `full`: nothing. `zigzag`: odd frames ask even ones, and even frames odd ones. `binary`: the first half of the
    frames asks the second, and the second the first.
    """
    decoder_attention: Attention = "binary"  # the same
    sigma: float = 1.2  # Gaussian of a joint in feature pixels of a map 112 wide, scaled with the map
    dropout: float = 0.0  # of attention and feed-forward outputs

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("width", "dimension", "depth", "heads", "feedforward_ratio"):
            require(getattr(self, key) >= 1, f"model.{key}", getattr(self, key), "must be at least 1")
        require(self.depth <= 1_000, "model.depth", self.depth, "must be at most 1000")
        rule = f"must divide model.dimension = {self.dimension}"
        require(self.dimension % self.heads == 0, "model.heads", self.heads, rule)
        require(self.sigma > 0, "model.sigma", self.sigma, "must be above 0")
        require(0 <= self.dropout < 1, "model.dropout", self.dropout, "must be in [0, 1)")

    def everybody_present(self) -> Self:
        """One person with all the joints costs the same as several who are all present."""
        return replace(self, persons=1)
