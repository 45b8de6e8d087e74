from collections.abc import Callable
from itertools import count
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from d3d.data.clip import Dataset
from tests.bench.search.launches import Launches


@pytest.fixture
def launches(
    dataset: Dataset, empty_record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Launches]:
    """Makes launches, each in a folder of its own unless that of others is given."""
    monkeypatch.setattr("d3d.bench.plan.planning.open_dataset", lambda config, cache: dataset)
    numbers = count()

    def make(*arguments: str, folder: Path | None = None, **changes: Any) -> Launches:
        if folder is None:
            folder = copytree(empty_record, tmp_path / str(next(numbers)))
        return Launches(folder, *arguments, **changes)

    return make
