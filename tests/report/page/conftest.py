import pytest

from d3d.report.page.page import write_page
from tests.report.conftest import Everything


@pytest.fixture(scope="session")
def whole(everything: Everything) -> bytes:
    """The page of a record of every artefact."""
    return write_page(everything.built, everything.record.storage).read_bytes()
