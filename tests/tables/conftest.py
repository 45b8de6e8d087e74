from pathlib import Path
from shutil import copyfile

import pytest
from mlflow import MlflowClient

from tests.tables.fake_record import EXPERIMENT, FakeRecord


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow takes seconds to make its tables, so that it makes them once."""
    path = tmp_path_factory.mktemp("record") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def record(empty_database: Path, tmp_path: Path) -> FakeRecord:
    storage = tmp_path / "results"
    storage.mkdir()
    copyfile(empty_database, storage / "mlflow.db")
    client = MlflowClient(f"sqlite:///{storage / 'mlflow.db'}")
    return FakeRecord(storage, client, client.create_experiment(EXPERIMENT, str(storage / "artifacts")))
