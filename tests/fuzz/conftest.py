import pytest
from hypothesis.configuration import set_hypothesis_home_dir


@pytest.fixture(scope="session", autouse=True)
def nothing_left_behind(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Without this, Hypothesis writes files to the current folder."""
    set_hypothesis_home_dir(tmp_path_factory.mktemp("hypothesis"))
