"""Writes an expert of two blocks and width 16 to a file in each layout that is in use."""

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from d3d.models.cast.config import Tokens

Weights = dict[str, Tensor]


def renamed(own: Weights, names: dict[str, str]) -> Weights:
    """The weights whose names begin so, in the order of `names`, under the other names."""
    return {
        theirs + key.removeprefix(ours): tensor
        for ours, theirs in names.items()
        for key, tensor in own.items()
        if key.startswith(ours)
    }


def stacked(own: Weights, block: str, kind: str) -> Tensor:
    return torch.cat([own[f"{block}.attention.{part}.{kind}"] for part in ("query", "key", "value")])


def openai(own: Weights, prefix: str = "visual.") -> Weights:
    found = renamed(own, {"embedding": "conv1", "norm_before": "ln_pre"})
    found |= {"class_embedding": own["class_token"], "positional_embedding": own["positions"]}
    for i in range(2):
        ours, theirs = f"blocks.{i}", f"transformer.resblocks.{i}"
        parts = {"norm1": "ln_1", "norm2": "ln_2", "attention.output": "attn.out_proj"}
        parts |= {"expand": "mlp.c_fc", "shrink": "mlp.c_proj"}
        found |= renamed(own, {f"{ours}.{a}": f"{theirs}.{b}" for a, b in parts.items()})
        found |= {f"{theirs}.attn.in_proj_{kind}": stacked(own, ours, kind) for kind in ("weight", "bias")}
    found |= {"ln_post.weight": torch.ones(16), "ln_post.bias": torch.ones(16), "proj": torch.ones(16, 8)}
    text = {"transformer.resblocks.0.ln_1.weight": torch.ones(4), "logit_scale": torch.ones(())} if prefix else {}
    return {prefix + name: each for name, each in found.items()} | text


def transformers_clip(own: Weights, prefix: str = "vision_model.") -> Weights:
    found = renamed(own, {"embedding": "embeddings.patch_embedding", "norm_before": "pre_layrnorm"})
    found |= {"embeddings.class_embedding": own["class_token"]}
    found |= {"embeddings.position_embedding.weight": own["positions"]}
    for i in range(2):
        parts = {"norm1": "layer_norm1", "norm2": "layer_norm2", "expand": "mlp.fc1", "shrink": "mlp.fc2"}
        parts |= {"attention.query": "self_attn.q_proj", "attention.key": "self_attn.k_proj"}
        parts |= {"attention.value": "self_attn.v_proj", "attention.output": "self_attn.out_proj"}
        found |= renamed(own, {f"blocks.{i}.{a}": f"encoder.layers.{i}.{b}" for a, b in parts.items()})
    found |= {"post_layernorm.weight": torch.ones(16), "embeddings.position_ids": torch.arange(5)}
    text = {"text_model.embeddings.token_embedding.weight": torch.ones(3, 4)} if prefix else {}
    return {prefix + name: each for name, each in found.items()} | text


TIMM = {"norm1": "norm1", "norm2": "norm2", "attention.output": "attn.proj", "expand": "mlp.fc1", "shrink": "mlp.fc2"}


def timm(own: Weights) -> Weights:
    found = renamed(own, {"embedding": "patch_embed.proj", "norm_before": "norm_pre"})
    found |= {"cls_token": own["class_token"][None, None], "pos_embed": own["positions"][None]}
    for i in range(2):
        found |= renamed(own, {f"blocks.{i}.{a}": f"blocks.{i}.{b}" for a, b in TIMM.items()})
        found |= {f"blocks.{i}.attn.qkv.{kind}": stacked(own, f"blocks.{i}", kind) for kind in ("weight", "bias")}
    return found | {"norm.weight": torch.ones(16), "head.weight": torch.ones(5, 16)}


def videomae(own: Weights, prefix: str = "") -> Weights:
    found = renamed(own, {"embedding": "patch_embed.proj"})
    for i in range(2):
        found |= renamed(own, {f"blocks.{i}.{a}": f"blocks.{i}.{b}" for a, b in TIMM.items()})
        found[f"blocks.{i}.attn.qkv.weight"] = stacked(own, f"blocks.{i}", "weight")
        found[f"blocks.{i}.attn.q_bias"] = own[f"blocks.{i}.attention.query.bias"]
        found[f"blocks.{i}.attn.v_bias"] = own[f"blocks.{i}.attention.value.bias"]
    found |= {"fc_norm.weight": torch.ones(16)} if not prefix else {"norm.weight": torch.ones(16)}
    others = {"decoder.blocks.0.norm1.weight": torch.ones(8), "mask_token": torch.ones(8)} if prefix else {}
    return {prefix + name: each for name, each in found.items()} | others


def transformers_videomae(own: Weights, prefix: str = "videomae.", *, old: bool = True) -> Weights:
    found = renamed(own, {"embedding": "embeddings.patch_embeddings.projection"})
    for i in range(2):
        ours, theirs = f"blocks.{i}", f"encoder.layer.{i}"
        parts = {"norm1": "layernorm_before", "norm2": "layernorm_after", "attention.output": "attention.output.dense"}
        parts |= {"expand": "intermediate.dense", "shrink": "output.dense"}
        found |= renamed(own, {f"{ours}.{a}": f"{theirs}.{b}" for a, b in parts.items()})
        for part in ("query", "key", "value"):
            weight = own[f"{ours}.attention.{part}.weight"]
            found[f"{theirs}.attention.attention.{part}.weight"] = weight
        for part in ("query", "value"):
            bias = f"{part[0]}_bias" if old else f"{part}.bias"
            found[f"{theirs}.attention.attention.{bias}"] = own[f"{ours}.attention.{part}.bias"]
    others = {"classifier.weight": torch.ones(5, 16), "fc_norm.weight": torch.ones(16)}
    return {prefix + name: each for name, each in found.items()} | (others if prefix else {})


LAYOUTS: dict[str, tuple[Tokens, Callable[[Weights], Weights]]] = {
    "OpenAI": ("frames", openai),
    "OpenAI, images alone": ("frames", lambda own: openai(own, "")),
    "transformers": ("frames", transformers_clip),
    "transformers 5": ("frames", lambda own: transformers_clip(own, "")),
    "timm": ("frames", timm),
    "VideoMAE fine-tuned": ("tubelets", videomae),
    "VideoMAE pre-trained": ("tubelets", lambda own: videomae(own, "encoder.")),
    "VideoMAE of transformers": ("tubelets", transformers_videomae),
    "VideoMAE of transformers 5": ("tubelets", lambda own: transformers_videomae(own, old=False)),
    "VideoMAE of transformers 5, no head": ("tubelets", lambda own: transformers_videomae(own, "", old=False)),
}


def written(path: Path, weights: Weights) -> Path:
    save_file({name: each.contiguous().clone() for name, each in weights.items()}, path)
    return path
