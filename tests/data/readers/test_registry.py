from pathlib import Path

import pytest

from d3d.config import OF_DATASET, DataConfig
from d3d.data.readers.registry import READERS, find_source
from d3d.errors import ConfigError, DataError


def test_an_unknown_dataset_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.name=pen_action: .* did you mean penn_action\?"):
        find_source(DataConfig(name="pen_action"), tmp_path)


@pytest.mark.parametrize("name", sorted(set(READERS) - {"synthetic", "synthetic_pairs"}))
def test_a_dataset_on_disk_says_which_key_must_name_it(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.(root|annotations) is not set"):
        find_source(DataConfig(name=name), tmp_path)


def test_keys_of_some_datasets_are_of_datasets_there_are() -> None:
    assert set().union(*OF_DATASET.values()) <= set(READERS)
