import pytest
from hypothesis.configuration import set_hypothesis_home_dir


@pytest.fixture(scope="session", autouse=True)
def nothing_left_behind(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Hypothesis keeps tables of its own in the current folder otherwise."""
    set_hypothesis_home_dir(tmp_path_factory.mktemp("hypothesis"))
