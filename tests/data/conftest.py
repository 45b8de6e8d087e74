from pathlib import Path

import pytest

from d3d.config import DataConfig
from d3d.data.clip import Dataset
from d3d.data.readers.registry import open_dataset


@pytest.fixture(scope="session")
def synthetic_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def synthetic(synthetic_cache: Path) -> Dataset:
    """A small synthetic dataset: four clips of each action."""
    return open_dataset(DataConfig(clips=60), synthetic_cache)
