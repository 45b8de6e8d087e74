from pathlib import Path

import pytest
from sqlalchemy import create_engine

from d3d.bench.database import sqlite_file, sqlite_uri
from tests.bench.conftest import ODD


@pytest.mark.parametrize("name", ["plain", *ODD])
def test_a_uri_leads_to_the_file_it_was_made_of_and_to_no_other(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "some.db"
    path.parent.mkdir()
    uri = sqlite_uri(path)
    assert sqlite_file(uri) == path
    engine = create_engine(uri)
    with engine.begin() as connection:
        connection.exec_driver_sql("create table some (x)")
    engine.dispose()
    assert path.stat().st_size
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == [path]


def test_a_plain_path_stands_in_its_uri_as_it_is() -> None:
    assert sqlite_uri(Path("/my results/mlflow.db")) == "sqlite:////my results/mlflow.db"


@pytest.mark.parametrize("uri", ["http://127.0.0.1:5000", "postgresql://host/name", "somewhere", "sqlite://", ""])
def test_what_is_no_file_has_none(uri: str) -> None:
    assert sqlite_file(uri) is None
