import dataclasses
from pathlib import Path

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from d3d.config import Config, TrainingConfig
from d3d.data.clip import Dataset
from d3d.training.evaluation import evaluate_trained
from d3d.training.moving_average import build_average
from tests.training.trainings import CPU, run


def test_what_is_tested_is_the_average_of_the_weights(
    tiny_config: Config, tiny_dataset: Dataset, tmp_path: Path
) -> None:
    averaged = dataclasses.replace(tiny_config, training=dataclasses.replace(tiny_config.training, average=0.9))
    plain, _, _ = run(tiny_config, tiny_dataset, tmp_path / "plain")
    report, predictions, _ = run(averaged, tiny_dataset, tmp_path / "averaged")
    for (_, without), (_, with_average) in zip(plain.epochs, report.epochs, strict=True):
        assert without["train_loss"] == with_average["train_loss"]  # the average does not change the training
        assert without["eval_loss"] != with_average["eval_loss"]
    tested = evaluate_trained(averaged, averaged, tiny_dataset, CPU, tmp_path / "averaged")
    assert tested.predictions == predictions


def test_frozen_weights_are_copied_once_and_all_others_are_averaged() -> None:
    torch.manual_seed(0)
    frozen, trained = nn.Linear(3, 4).requires_grad_(False), nn.Linear(4, 2)
    model = nn.Sequential(frozen, nn.BatchNorm1d(4), trained)
    averaged = build_average(model, TrainingConfig(average=0.9))
    of_all = get_ema_multi_avg_fn(0.9)  # type: ignore[no-untyped-call]
    plain = AveragedModel(model, multi_avg_fn=of_all, use_buffers=True)
    assert averaged is not None
    written = []
    for _ in range(4):
        model(torch.randn(8, 3))  # changes the statistics of batch norm
        nn.init.normal_(trained.weight)
        for average in (averaged, plain):
            average.update_parameters(model)
        written.append([weight._version for weight in averaged.parameters()])
    for mine, reference in zip(averaged.state_dict().values(), plain.state_dict().values(), strict=True):
        assert torch.equal(mine, reference)
    changed = [len(set(versions)) > 1 for versions in zip(*written, strict=True)]
    assert changed == [weight.requires_grad for weight in model.parameters()]
