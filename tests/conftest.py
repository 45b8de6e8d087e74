from pathlib import Path

import pytest

from d3d.config import Config, DataConfig, TrainingConfig
from d3d.data.clip import Dataset
from d3d.data.readers.registry import open_dataset
from d3d.models.d3d.config import D3DConfig

TINY_DATA = DataConfig(clips=30, resize=18, crop=16)


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """30 synthetic clips, made once a session."""
    return open_dataset(TINY_DATA, tmp_path_factory.mktemp("synthetic"))


@pytest.fixture
def tiny_config(tiny_dataset: Dataset) -> Config:
    """A training that takes well under a second an epoch."""
    classes, joints = len(tiny_dataset.classes), len(tiny_dataset.joint_names)
    return Config(
        model=D3DConfig(
            classes=classes, joints=joints, width=2, depth=1, heads=1, kernel=2, dropout=0.1, drop_path=0.1
        ),
        data=TINY_DATA,
        training=TrainingConfig(frames=4, epochs=4, warmup_epochs=1.0, batch_size=8, learning_rate=1e-2),
        seed=3,
    )


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return tmp_path / "cell"


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow takes seconds to make its tables, so that it makes them once."""
    from mlflow import MlflowClient  # a slow import, which most tests do not need

    path = tmp_path_factory.mktemp("record") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path
