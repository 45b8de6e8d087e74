"""Trained weights from files: the layouts of CLIP and VideoMAE that are in use, translated to an expert's own names.

A layout is a table of names. Names that it does not have are a fault, and so are those that the file lacks, so that no
weight is silently left as it was drawn.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isqrt
from pathlib import Path

import torch
from torch import Tensor

from d3d.errors import DataError
from d3d.models.cast.config import Tokens
from d3d.models.cast.experts import Expert, FrameExpert, resized
from d3d.models.layers.weights_file import open_weights, some

QKV = ("query", "key", "value")


@dataclass(frozen=True)
class Layout:
    """How a file names the weights of an expert. A name on the left is the file's, those on the right are ours.

    Where there are several on the right, the file has these weights stacked in one.
    """

    name: str
    tokens: Tokens
    prefixes: tuple[str, ...]  # before all names of the encoder, tried in this order; what has none is of other parts
    embedding: Mapping[str, str]
    block: str  # before the number of a block
    modules: Mapping[str, str]  # in a block; each has a weight and a bias
    stacked: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # in a block; whole names
    unused: tuple[str, ...] = ()  # the beginnings of the names that an expert has no use for

    def names(self, depth: int) -> dict[str, tuple[str, ...]]:
        """The file's name without prefix → our names, of an expert of `depth` blocks."""
        kinds = ("weight", "bias")
        inner = {f"{theirs}.{kind}": (f"{ours}.{kind}",) for theirs, ours in self.modules.items() for kind in kinds}
        return {theirs: (ours,) for theirs, ours in self.embedding.items()} | {
            f"{self.block}{index}.{theirs}": tuple(f"blocks.{index}.{each}" for each in ours)
            for index in range(depth)
            for theirs, ours in {**inner, **self.stacked}.items()
        }


def _fused(weight: str, *biases: str) -> dict[str, tuple[str, ...]]:
    """Query, key and value in one matrix; their biases in one vector, or without the key's in two."""
    parts = (QKV,) if len(biases) == 1 else (("query",), ("value",))
    return {weight: tuple(f"attention.{each}.weight" for each in QKV)} | {
        bias: tuple(f"attention.{each}.bias" for each in part) for bias, part in zip(biases, parts, strict=True)
    }


def _norm(theirs: str) -> dict[str, str]:
    return {f"{theirs}.{kind}": f"norm_before.{kind}" for kind in ("weight", "bias")}


def _hugging_face_videomae(query: str, value: str) -> Layout:
    inner = "attention.attention"
    return Layout(
        name=f"VideoMAE of transformers, with {query}",
        tokens="tubelets",
        prefixes=("videomae.", ""),
        embedding={
            f"embeddings.patch_embeddings.projection.{kind}": f"embedding.{kind}" for kind in ("weight", "bias")
        },
        block="encoder.layer.",
        modules={
            "layernorm_before": "norm1",
            "attention.output.dense": "attention.output",
            "layernorm_after": "norm2",
            "intermediate.dense": "expand",
            "output.dense": "shrink",
        },
        stacked={
            **{f"{inner}.{each}.weight": (f"attention.{each}.weight",) for each in QKV},
            f"{inner}.{query}": ("attention.query.bias",),
            f"{inner}.{value}": ("attention.value.bias",),
        },
        unused=("layernorm.", "fc_norm.", "classifier.", "embeddings.position_embeddings"),
    )


LAYOUTS = (
    Layout(
        name="CLIP of OpenAI",
        tokens="frames",
        prefixes=("visual.", ""),
        embedding={
            "conv1.weight": "embedding.weight",
            "class_embedding": "class_token",
            "positional_embedding": "positions",
            **_norm("ln_pre"),
        },
        block="transformer.resblocks.",
        modules={
            "ln_1": "norm1",
            "attn.out_proj": "attention.output",
            "ln_2": "norm2",
            "mlp.c_fc": "expand",
            "mlp.c_proj": "shrink",
        },
        stacked=_fused("attn.in_proj_weight", "attn.in_proj_bias"),
        unused=("ln_post.", "proj"),
    ),
    Layout(
        name="CLIP of transformers",
        tokens="frames",
        prefixes=("vision_model.", ""),
        embedding={
            "embeddings.patch_embedding.weight": "embedding.weight",
            "embeddings.class_embedding": "class_token",
            "embeddings.position_embedding.weight": "positions",
            **_norm("pre_layrnorm"),
        },
        block="encoder.layers.",
        modules={
            "layer_norm1": "norm1",
            **{f"self_attn.{theirs[0]}_proj": f"attention.{theirs}" for theirs in QKV},
            "self_attn.out_proj": "attention.output",
            "layer_norm2": "norm2",
            "mlp.fc1": "expand",
            "mlp.fc2": "shrink",
        },
        unused=("post_layernorm.", "embeddings.position_ids"),
    ),
    Layout(
        name="CLIP of timm",
        tokens="frames",
        prefixes=("",),
        embedding={
            "patch_embed.proj.weight": "embedding.weight",
            "cls_token": "class_token",
            "pos_embed": "positions",
            **_norm("norm_pre"),
        },
        block="blocks.",
        modules={
            "norm1": "norm1",
            "attn.proj": "attention.output",
            "norm2": "norm2",
            "mlp.fc1": "expand",
            "mlp.fc2": "shrink",
        },
        stacked=_fused("attn.qkv.weight", "attn.qkv.bias"),
        unused=("norm.", "fc_norm.", "head."),
    ),
    Layout(
        name="VideoMAE of its authors",
        tokens="tubelets",
        prefixes=("encoder.", ""),
        embedding={f"patch_embed.proj.{kind}": f"embedding.{kind}" for kind in ("weight", "bias")},
        block="blocks.",
        modules={
            "norm1": "norm1",
            "attn.proj": "attention.output",
            "norm2": "norm2",
            "mlp.fc1": "expand",
            "mlp.fc2": "shrink",
        },
        stacked=_fused("attn.qkv.weight", "attn.q_bias", "attn.v_bias"),
        unused=("norm.", "fc_norm.", "head."),
    ),
    _hugging_face_videomae("query.bias", "value.bias"),
    _hugging_face_videomae("q_bias", "v_bias"),
)


def load_weights(expert: Expert, file: Path, digest: str = "") -> None:
    """Gives an expert the weights of a safetensors file, in whichever of LAYOUTS it is.

    Positions that were learned for another number of patches are interpolated, bicubically. Fixed positions are not
    stored, and computed for the clips that there are.

    Args:
        expert: whose weights are replaced.
        file: named *.safetensors.
        digest: of the file when the launch was planned; empty: the file may be any.

    Raises DataError where the file cannot be read or is another one by now, and where its weights are not those of such
    an expert: it names each one that is unknown, missing or of another shape.
    """
    tokens: Tokens = "frames" if isinstance(expert, FrameExpert) else "tubelets"
    with open_weights(file, digest) as stored:
        layout, prefix = _layout_of(file, stored.keys(), tokens)
        named = layout.names(len(expert.blocks))
        own = [key for key in stored.keys() if key.startswith(prefix)]  # noqa: SIM118, not a mapping
        used = [key for key in own if not key.removeprefix(prefix).startswith(layout.unused)]
        _require_none(file, layout, "unknown", [key for key in used if key.removeprefix(prefix) not in named])
        _require_none(file, layout, "missing", [prefix + name for name in named if prefix + name not in used])
        found = {
            name: part.float()
            for key in used
            for name, part in _split(file, key, stored.get_tensor(key), named[key.removeprefix(prefix)]).items()
        }
    wanted = {name: weight.shape for name, weight in expert.state_dict().items()}
    if isinstance(expert, FrameExpert):
        found["class_token"] = found["class_token"].flatten()
        found["positions"] = _positions(found["positions"], len(expert.positions))
    wrong = [
        f"{name} is {_shape(found[name].shape)} and should be {_shape(wanted[name])}"
        for name in wanted
        if found[name].shape != wanted[name]
    ]
    _require_none(file, layout, "of another size than model.width, model.patch or this kind of expert asks for", wrong)
    expert.load_state_dict(found)


def _layout_of(file: Path, keys: list[str], tokens: Tokens) -> tuple[Layout, str]:
    """The layout of a file with these keys, and its prefix: the one that has the most of its names in it."""
    fitting = [layout for layout in LAYOUTS if layout.tokens == tokens]
    present = set(keys)
    scores = {
        (index, prefix): sum(prefix + name in present for name in layout.names(1))
        for index, layout in enumerate(fitting)
        for prefix in layout.prefixes
    }
    index, prefix = max(scores, key=scores.__getitem__)
    embedded = any(prefix + name in present for name in fitting[index].embedding)
    if not embedded:
        known = "; ".join(layout.name for layout in fitting)
        raise DataError(
            f"{file}: has no weights of an expert of {tokens}, its names are {some(sorted(keys))}; known are: {known}"
        )
    return fitting[index], prefix


def _split(file: Path, key: str, tensor: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
    """The weights that a tensor stacks."""
    if tensor.dim() == 0 or len(tensor) % len(names):
        raise DataError(f"{file}: {key} is {_shape(tensor.shape)}, and should be {len(names)} weights in one")
    return dict(zip(names, tensor.chunk(len(names)), strict=True))


def _positions(table: Tensor, count: int) -> Tensor:
    """A table of positions …×(1+M)×D as one of `count` positions; both are of squares with a class token before.

    A table that is of no square is returned as it is.
    """
    table = table.reshape(-1, table.shape[-1])
    side, patches = isqrt(count - 1), len(table) - 1
    square = patches > 0 and isqrt(patches) ** 2 == patches
    return resized(table, side, side) if square else table


def _require_none(file: Path, layout: Layout, fault: str, names: list[str]) -> None:
    if names:
        raise DataError(f"{file}: in the layout of {layout.name}, these weights are {fault}: {', '.join(names)}")


def _shape(shape: torch.Size) -> str:
    return "×".join(map(str, shape))
