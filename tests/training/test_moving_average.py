import dataclasses
from pathlib import Path

from d3d.config import Config
from d3d.data.clip import Dataset
from d3d.training.evaluation import evaluate_trained
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
