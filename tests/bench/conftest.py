from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
import torch
from mlflow.entities import Run
from torch import nn

from d3d.bench.declare.compose import compose
from d3d.bench.declare.launch import Launch
from d3d.bench.plan.planning import Plan, make_plan
from d3d.bench.record.tracking import Record, prepare
from d3d.config import Config
from d3d.data.clip import Clip, Dataset
from d3d.data.skeleton import PENN_ACTION
from d3d.training.checkpoint import save_checkpoint

ODD = ("a b", "tri?al", "h#sh", "my%20drive", "{Übung}", "a:b")  # names of folders that mean something in a URI
CLASSES = tuple(f"action {label}" for label in range(15))


def _unread(*_: object) -> np.ndarray:
    raise AssertionError("a plan reads no frames")


@pytest.fixture
def dataset() -> Dataset:
    """A clip of 18 frames in each split, without pixels."""
    clips = [
        Clip(f"{train}", 0, train, 90, 120, np.zeros((18, 13, 2), np.float32), np.ones((18, 13), np.bool_), f"{train}")
        for train in (True, False)
    ]
    return Dataset("synthetic", CLASSES, PENN_ACTION, (clips[0],), (clips[1],), "da7a", _unread)


@pytest.fixture
def plan(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Plan]:
    """Plans the launch of a command line on `dataset`."""
    monkeypatch.setattr("d3d.bench.plan.planning.open_dataset", lambda config, cache: dataset)

    def of(*arguments: str) -> Plan:
        return make_plan(launch_of(tmp_path, *arguments))

    return of


def launch_of(storage: Path, *arguments: str) -> Launch:
    return compose(["preset=smoke", *arguments, f"storage='{storage}'"])


def finished_in(record: Record) -> dict[str, Run]:
    """Every cell of the record that is finished."""
    runs = record.client.search_runs(record.experiments, "tags.kind = 'cell'")
    return record.finished({run.data.tags["cell"] for run in runs})


def save_weights(folder: Path, config: Config, epochs: int) -> None:
    """A checkpoint of a training of this configuration, though of a small model."""
    model = nn.Linear(1, 1)
    save_checkpoint(folder, config, model, torch.optim.SGD(model.parameters()), epochs)


@pytest.fixture(scope="session")
def empty_record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow takes a second to make its tables, so that it makes them once."""
    folder = tmp_path_factory.mktemp("record")
    prepare(f"sqlite:///{folder / 'mlflow.db'}", folder)
    return folder


@pytest.fixture
def record(empty_record: Path, tmp_path: Path) -> Record:
    """A record of the test's own, without a run in it."""
    copytree(empty_record, tmp_path, dirs_exist_ok=True)
    return Record(f"sqlite:///{tmp_path / 'mlflow.db'}")
