"""Trainings that a test carries out, kills and compares."""

from pathlib import Path

import torch

from d3d.config import Config
from d3d.data.clip import Dataset
from d3d.prediction import Prediction
from d3d.training.checkpoint import FILE
from d3d.training.loop import EpochResult, train

CPU = torch.device("cpu")
TIMINGS = {"clips_per_second", "eval_clips_per_second", "peak_memory_mib"}


class Killed(Exception):
    """Stands for the end of the process, at the worst moment: after the report, before the checkpoint."""


class Report:
    """Stores what is reported; raises Killed in the epoch `dies`."""

    def __init__(self, dies: int | None = None) -> None:
        self.epochs: list[tuple[int, dict[str, float]]] = []
        self.dies = dies

    def __call__(self, result: EpochResult) -> None:
        comparable = {name: value for name, value in result.metrics.items() if name not in TIMINGS}
        self.epochs.append((result.epoch, comparable))
        if result.epoch == self.dies:
            raise Killed


def run(config: Config, dataset: Dataset, folder: Path) -> tuple[Report, tuple[Prediction, ...], bytes]:
    report = Report()
    predictions = train(config, dataset, CPU, folder, report)
    return report, predictions, (folder / FILE).read_bytes()
