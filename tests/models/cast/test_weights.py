from pathlib import Path
from typing import Any

import pytest
import torch

from d3d.data.batch import Batch
from d3d.errors import ConfigError, DataError
from d3d.file_digest import file_digest
from d3d.models.cast.config import CASTConfig, Tokens
from d3d.models.cast.experts import EXPERTS, Expert
from d3d.models.cast.network import CAST
from d3d.models.cast.weights import load_weights
from tests.models.cast.layouts import LAYOUTS, openai, timm, videomae, written

SMALL: dict[str, Any] = {"width": 16, "depth": 2, "heads": 2, "patch": 4, "frames": 4, "classes": 5}


def expert(tokens: Tokens, crop: int = 8, seed: int = 0) -> Expert:
    """An expert all of whose weights are random."""
    torch.manual_seed(seed)
    made = EXPERTS[tokens](CASTConfig(crop=crop, **SMALL)).eval()
    for weight in made.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return made


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_expert_from_a_file_computes_what_the_written_one_does(layout: str, tmp_path: Path) -> None:
    tokens, written_as = LAYOUTS[layout]
    known, other = expert(tokens), expert(tokens, seed=1)
    file = written(tmp_path / "expert.safetensors", written_as(known.state_dict()))
    clips = torch.randn(2, 3, 4, 8, 8)
    assert not torch.allclose(other(clips), known(clips))
    load_weights(other, file, file_digest(file))
    assert torch.equal(other(clips), known(clips))


def test_half_precision_is_made_single(tmp_path: Path) -> None:
    known = expert("frames")
    half = {name: each.half() for name, each in openai(known.state_dict()).items()}
    loaded = expert("frames", seed=1)
    load_weights(loaded, written(tmp_path / "half.safetensors", half))
    assert {weight.dtype for weight in loaded.parameters()} == {torch.float32}
    clips = torch.randn(2, 3, 4, 8, 8)
    torch.testing.assert_close(loaded(clips), known(clips), atol=1e-2, rtol=1e-2)


def test_positions_are_interpolated_to_the_patches_that_there_are(tmp_path: Path) -> None:
    known, larger = expert("frames"), expert("frames", crop=12, seed=1)
    load_weights(larger, written(tmp_path / "small.safetensors", timm(known.state_dict())))
    clips = torch.randn(2, 3, 4, 12, 12)
    assert larger.get_parameter("positions").shape == (1 + 9, 16)
    torch.testing.assert_close(larger(clips), known(clips))  # which interpolates on the fly


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_weight_that_is_unknown_or_missing_is_named(layout: str, tmp_path: Path) -> None:
    tokens, written_as = LAYOUTS[layout]
    weights = written_as(expert(tokens).state_dict())
    last = next(name for name in weights if ".1." in name and "bias" in name)
    without = {name: each for name, each in weights.items() if name != last}
    with pytest.raises(DataError, match=f"are missing: {last}"):
        load_weights(expert(tokens), written(tmp_path / "less.safetensors", without))
    deeper = weights | {last.replace(".1.", ".2."): weights[last]}
    with pytest.raises(DataError, match=f"are unknown: {last.replace('.1.', '.2.')}"):
        load_weights(expert(tokens), written(tmp_path / "more.safetensors", deeper))


def test_weights_of_another_size_are_named_with_both(tmp_path: Path) -> None:
    weights = videomae(expert("tubelets").state_dict()) | {"patch_embed.proj.weight": torch.ones(16, 3, 2, 8, 8)}
    with pytest.raises(DataError, match=r"embedding\.weight is 16×3×2×8×8 and should be 16×3×2×4×4"):
        load_weights(expert("tubelets"), written(tmp_path / "patches.safetensors", weights))


def test_files_that_are_something_else_are_refused(tmp_path: Path) -> None:
    other = written(tmp_path / "other.safetensors", {"a": torch.ones(1)})
    with pytest.raises(DataError, match="has no weights of an expert of frames, its names are a; known are: CLIP of"):
        load_weights(expert("frames"), other)
    with pytest.raises(DataError, match="has changed since the launch began"):
        load_weights(expert("frames"), other, "0123")
    weights = openai(expert("frames").state_dict())
    weights["visual.transformer.resblocks.0.attn.in_proj_bias"] = torch.ones(4)
    with pytest.raises(DataError, match=r"resblocks\.0\.attn.in_proj_bias is 4, and should be 3 weights"):
        load_weights(expert("frames"), written(tmp_path / "stacked.safetensors", weights))
    weights = openai(expert("frames").state_dict()) | {"visual.positional_embedding": torch.ones(4, 16)}
    with pytest.raises(DataError, match="positions is 4×16 and should be 5×16"):
        load_weights(expert("frames"), written(tmp_path / "odd.safetensors", weights))
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match="is no safetensors file, or damaged"):
        load_weights(expert("frames"), broken)
    with pytest.raises(DataError, match=r"absent\.safetensors: cannot be read"):
        load_weights(expert("frames"), tmp_path / "absent.safetensors", "0123")


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin"])
def test_a_pickle_is_refused_with_the_line_that_converts_it(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    known = expert("tubelets")
    torch.save({"model": videomae(known.state_dict()), "epoch": 3}, f"expert{suffix}")
    with pytest.raises(ConfigError, match=f"temporal_weights=expert{suffix}: is a pickle") as raised:
        CASTConfig(temporal_weights=f"expert{suffix}")
    line = str(raised.value).partition("name that: ")[2].partition("; for OpenAI")[0]
    with torch.serialization.safe_globals([]):  # what the line allows to be unpickled is forgotten after it
        exec(line, {})
    loaded = expert("tubelets", seed=1)
    load_weights(loaded, Path("expert.safetensors"))
    clips = torch.randn(2, 3, 4, 8, 8)
    assert torch.equal(loaded(clips), known(clips))


def test_cast_starts_with_the_weights_of_its_files(tmp_path: Path) -> None:
    known = {"spatial": expert("frames"), "temporal": expert("tubelets")}
    clip = written(tmp_path / "clip.safetensors", openai(known["spatial"].state_dict()))
    mae = written(tmp_path / "mae.safetensors", videomae(known["temporal"].state_dict()))
    config = CASTConfig(crop=8, mask_ratio=0.5, spatial_weights=str(clip), temporal_weights=str(mae), **SMALL)
    model = CAST(config)
    model.load_files()
    frames = torch.randn(2, 3, 4, 8, 8)
    for role, each in known.items():
        assert torch.equal(model.experts[role](frames), each(frames))
    assert not any(weight.requires_grad for weight in model.experts.parameters())
    assert model(Batch((8, 8), frames=frames)).shape == (2, 5)
