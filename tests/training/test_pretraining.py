from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from d3d.config import Config, TrainingConfig
from d3d.data.clip import Dataset
from d3d.errors import CheckpointError
from d3d.models.cast.config import CASTConfig, ExpertConfig, MaskedViTConfig
from d3d.models.registry import build
from d3d.training.checkpoint import FILE, TrainedPart, load_part, load_trained
from d3d.training.loop import train
from d3d.training.pretraining import PICTURED, pretrain
from tests.conftest import TINY_DATA
from tests.models.cast.layouts import videomae, written
from tests.training.trainings import CPU, Killed, Report

SIZE: dict[str, Any] = {"width": 8, "depth": 1, "heads": 2, "patch": 8, "frames": 4, "crop": 16, "classes": 15}


def config_of(model: MaskedViTConfig | ExpertConfig | CASTConfig, average: float = 0.0) -> Config:
    training = TrainingConfig(
        frames=4, epochs=2, warmup_epochs=0, batch_size=8, learning_rate=1e-2, average=average, gradient_clip=10.0
    )
    return Config(model=model, data=TINY_DATA, training=training)


@pytest.fixture(scope="module")
def masked(tiny_dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, Path]:
    """A finished pretraining."""
    config, folder = config_of(MaskedViTConfig(**SIZE, mask_ratio=0.75)), tmp_path_factory.mktemp("masked")
    blind = replace(tiny_dataset, test=())  # it never looks at a test clip
    loss, pictures = pretrain(config, blind, CPU, folder, lambda result: None)
    assert 0 < loss < 2
    assert pictures.shape == (PICTURED, 3, 3, 4, 16, 16)
    return config, folder


def test_a_pretraining_that_was_killed_ends_with_the_same_bits(
    masked: tuple[Config, Path], tiny_dataset: Dataset, tmp_path: Path
) -> None:
    config, undisturbed = masked
    with pytest.raises(Killed):
        pretrain(config, tiny_dataset, CPU, tmp_path, Report(dies=2))
    report = Report()
    loss, pictures = pretrain(config, tiny_dataset, CPU, tmp_path, report)
    assert [epoch for epoch, _ in report.epochs] == [2]
    assert (tmp_path / FILE).read_bytes() == (undisturbed / FILE).read_bytes()
    again, same = pretrain(config, tiny_dataset, CPU, tmp_path, report)
    assert again == loss and torch.equal(same, pictures) and len(report.epochs) == 1


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_training_starts_from_others_and_what_is_frozen_stays_as_it_was(
    masked: tuple[Config, Path], tiny_dataset: Dataset, tmp_path: Path, average: float
) -> None:
    starts = [TrainedPart(f"experts.{role}", masked[1], masked[0]) for role in ("spatial", "temporal")]
    model = CASTConfig(**SIZE, spatial="tubelets", bottleneck_ratio=2, adapter_ratio=2)
    config = config_of(model, average)
    train(config, tiny_dataset, CPU, tmp_path, lambda result: None, starts=starts)
    trained, start = build(config.model), build(masked[0].model)
    load_trained(tmp_path, config, trained)
    load_trained(masked[1], masked[0], start)
    for role in ("spatial", "temporal"):
        theirs, ours = start.get_submodule("expert"), trained.get_submodule(f"experts.{role}")
        assert all(torch.equal(ours.state_dict()[name], weight) for name, weight in theirs.state_dict().items())
    assert trained.get_parameter("blocks.0.exchange.up.spatial.weight").any(), "the exchange has learned"


def test_a_training_starts_from_the_file_that_it_names(tiny_dataset: Dataset, tmp_path: Path) -> None:
    size = SIZE | {"width": 16, "depth": 2}
    known = build(CASTConfig(**size, roles="temporal")).get_submodule("experts.temporal")
    file = written(tmp_path / "videomae.safetensors", videomae(known.state_dict()))
    config = config_of(CASTConfig(**size, roles="temporal", temporal_weights=str(file)))
    train(config, tiny_dataset, CPU, tmp_path, lambda result: None)
    trained = build(config.model)
    load_trained(tmp_path, config, trained)
    found = trained.get_submodule("experts.temporal").state_dict()
    assert all(torch.equal(found[name], weight) for name, weight in known.state_dict().items())


def test_an_expert_that_is_not_frozen_moves_away_from_where_it_started(
    masked: tuple[Config, Path], tiny_dataset: Dataset, tmp_path: Path
) -> None:
    config = config_of(ExpertConfig(**SIZE))
    train(
        config, tiny_dataset, CPU, tmp_path, lambda result: None, starts=[TrainedPart("expert", masked[1], masked[0])]
    )
    trained, start = build(config.model), build(masked[0].model)
    load_trained(tmp_path, config, trained)
    load_trained(masked[1], masked[0], start)
    name = "expert.blocks.0.expand.weight"
    moved = (trained.get_parameter(name) - start.get_parameter(name)).norm()
    assert 0 < moved < 0.5 * (build(config.model).get_parameter(name) - start.get_parameter(name)).norm()


def test_weights_that_are_not_there_or_do_not_fit_are_refused(masked: tuple[Config, Path], tmp_path: Path) -> None:
    config, folder = masked
    wider = build(ExpertConfig(**(SIZE | {"width": 16})))
    with pytest.raises(CheckpointError, match=rf"{FILE}: has no weights that fit expert"):
        load_part(TrainedPart("expert", folder, config), wider)
    with pytest.raises(CheckpointError, match="its weights are gone"):
        load_part(TrainedPart("expert", tmp_path, config), wider)
