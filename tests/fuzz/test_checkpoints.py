"""Randomly damaged checkpoints, and files that only look like checkpoints."""

import json
from pathlib import Path
from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save

from d3d.config import Config, TrainingConfig
from d3d.models.d3d.config import D3DConfig
from d3d.models.registry import build
from d3d.training.checkpoint import FILE, load_checkpoint, load_trained, save_checkpoint
from d3d.training.optimizer import build_optimizer
from tests.fuzz.damage import damaged
from tests.fuzz.outcomes import Outcomes, inputs

CONFIG = Config(
    model=D3DConfig(width=1, depth=1, heads=1, kernel=2, feedforward_ratio=1),
    training=TrainingConfig(frames=4, epochs=2),
)


def written(folder: Path) -> bytes:
    """The checkpoint of a finished training, with moments."""
    torch.manual_seed(0)
    model = build(CONFIG.model)
    optimizer = build_optimizer(model, CONFIG.training)
    torch.stack([parameter.square().sum() for parameter in model.parameters()]).sum().backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    save_checkpoint(folder, CONFIG, model, optimizer, CONFIG.training.epochs)
    return (folder / FILE).read_bytes()


def state_of(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> list[bytes]:
    """All weights and moments, as bytes."""
    moments = [tensor for each in optimizer.state_dict()["state"].values() for tensor in each.values()]
    return [tensor.numpy().tobytes() for tensor in (*model.state_dict().values(), *moments)]


def test_bytes(tmp_path: Path) -> None:
    """Either the file is reported as damaged, or it gives exactly what was written."""
    whole, folder, outcomes = written(tmp_path), tmp_path, Outcomes()
    model = build(CONFIG.model)
    optimizer = build_optimizer(model, CONFIG.training)
    assert load_checkpoint(folder, CONFIG, model, optimizer) == 2
    right = state_of(model, optimizer)

    @inputs(150)
    @given(damaged(whole, header=2000))
    def feed(content: bytes) -> None:
        (folder / FILE).write_bytes(content)
        outcomes.of(lambda: load_trained(folder, CONFIG, model), FILE)
        said: list[str] = []

        def load() -> None:
            if load_checkpoint(folder, CONFIG, model, optimizer, notice=said.append):
                assert state_of(model, optimizer) == right
            else:
                assert said and all(FILE in line and line.isprintable() for line in said)

        outcomes.of(load, FILE)

    feed()
    assert outcomes.refused > 100


def test_contents(tmp_path: Path) -> None:
    """Files from elsewhere: tensors of any name and shape, and anything in place of the progress."""
    written(tmp_path)
    with safe_open(tmp_path / FILE, framework="pt") as stored:
        progress = json.loads(stored.metadata()["progress"])
    del progress["digest"]
    right = load_file(tmp_path / FILE)
    model, outcomes = build(CONFIG.model), Outcomes()
    optimizer = build_optimizer(model, CONFIG.training)
    names = st.one_of(
        st.sampled_from((*right, "optimizer.x", "optimizer.0.step", "optimizer.999.exp_avg")), st.text(max_size=8)
    )
    tensors = st.sampled_from((torch.zeros(()), torch.zeros(0), torch.zeros(3, dtype=torch.int64), torch.ones(2, 2)))
    values = st.one_of(st.none(), st.integers(), st.text(max_size=5), st.lists(st.integers(), max_size=2))
    told = st.one_of(
        st.dictionaries(st.sampled_from(("epochs", "fingerprint", "digest")), values, max_size=2).map(
            lambda changed: json.dumps(progress | changed)
        ),
        values.map(json.dumps),
        st.text(max_size=10),
    )
    lost = st.sets(st.sampled_from(sorted(right)), max_size=2)

    @inputs(150)
    @given(lost, st.dictionaries(names, tensors, max_size=2), st.one_of(st.just(json.dumps(progress)), told))
    def feed(without: set[str], more: dict[str, Any], metadata: str) -> None:
        held = {name: tensor for name, tensor in right.items() if name not in without} | more
        content = save({name: tensor.clone() for name, tensor in held.items()}, {"progress": metadata})
        for load in (
            lambda: load_trained(tmp_path, CONFIG, model),
            lambda: load_checkpoint(tmp_path, CONFIG, model, optimizer, notice=lambda line: None),
        ):
            (tmp_path / FILE).write_bytes(content)
            outcomes.of(load, FILE)

    feed()
    assert outcomes.refused > 50
