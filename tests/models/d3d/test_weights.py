from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from d3d.config import Config, TrainingConfig
from d3d.errors import ConfigError, DataError
from d3d.file_digest import file_digest
from d3d.models.d3d.config import D3DConfig
from d3d.models.d3d.transformer import D3DTransformer
from d3d.models.d3d.weights import load_weights
from d3d.training.checkpoint import FILE, save_checkpoint
from d3d.training.moving_average import build_average
from d3d.training.optimizer import build_optimizer

SMALL: dict[str, Any] = {"width": 4, "depth": 1, "heads": 2, "kernel": 2, "joints": 6}


def model(seed: int = 0, **changes: Any) -> D3DTransformer:
    torch.manual_seed(seed)
    return D3DTransformer(D3DConfig(**(SMALL | changes)))


def written(folder: Path, trained: D3DTransformer, average: float = 0.0) -> Path:
    """A checkpoint of this model, whose average, if there is one, is all of twos."""
    config = Config(model=trained.config, training=TrainingConfig(average=average))
    averaged = build_average(trained, config.training)
    if averaged is not None:
        for weight in averaged.parameters():
            torch.nn.init.constant_(weight, 2.0)
    save_checkpoint(folder, config, trained, build_optimizer(trained, config.training), 1, averaged)
    return folder / FILE


def without_head(of: D3DTransformer) -> dict[str, torch.Tensor]:
    return {name: weight for name, weight in of.state_dict().items() if not name.startswith("head.")}


def test_a_model_starts_with_all_weights_but_those_of_the_head(tmp_path: Path) -> None:
    known, started = model(), model(seed=1, classes=7)
    head = {name: weight.clone() for name, weight in started.head.state_dict().items()}
    file = written(tmp_path, known)
    load_weights(started, file, file_digest(file))
    torch.testing.assert_close(without_head(started), without_head(known), rtol=0, atol=0)
    torch.testing.assert_close(dict(started.head.state_dict()), head, rtol=0, atol=0)


def test_the_average_counts_where_there_is_one(tmp_path: Path) -> None:
    started = model(seed=1)
    load_weights(started, written(tmp_path, model(), average=0.9))
    assert all((weight == 2).all() for name, weight in started.named_parameters() if not name.startswith("head."))


def test_a_model_that_lacks_a_module_starts_from_one_that_has_it(tmp_path: Path) -> None:
    known, started = model(), model(seed=1, joint_attention=False)
    load_weights(started, written(tmp_path, known))
    assert torch.equal(started.embedding.joint_index, known.embedding.joint_index)


@pytest.mark.parametrize(
    ("changes", "name"),
    [({"joints": 8}, "embedding.joint_index"), ({"tokens": "single"}, "embedding.modal"), ({"depth": 2}, "blocks.1.")],
)
def test_weights_that_do_not_fit_are_named(tmp_path: Path, changes: dict[str, Any], name: str) -> None:
    with pytest.raises(DataError, match=name.replace(".", r"\.")):
        load_weights(model(seed=1, **changes), written(tmp_path, model()))


def test_a_file_that_is_another_one_by_now_or_none_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path, model())
    digest = file_digest(file)
    save_file({"a": torch.zeros(1)}, file)
    with pytest.raises(DataError, match="has changed since the launch began"):
        load_weights(model(), file, digest)
    with pytest.raises(DataError, match="cannot be read"):
        load_weights(model(), tmp_path / "absent.safetensors")
    with pytest.raises(ConfigError, match=r"model\.weights=model\.pt: must be a file \*\.safetensors"):
        D3DConfig(weights="model.pt")
