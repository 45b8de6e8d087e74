import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from d3d.bench.database import PATIENCE, has_tables, make_database, sqlite_file, sqlite_uri
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


def create_table(uri: str) -> None:
    engine = create_engine(uri)
    with engine.begin() as connection:
        connection.exec_driver_sql("create table some (x)")
    engine.dispose()


def test_of_two_that_create_one_database_one_does_and_the_other_waits(tmp_path: Path) -> None:
    path, began, go_on, filled = tmp_path / "new" / "some.db", threading.Event(), threading.Event(), [0]

    def fill(uri: str) -> None:
        filled[0] += 1
        began.set()
        assert go_on.wait(60)
        create_table(uri)

    makers = [threading.Thread(target=make_database, args=(path, fill)) for _ in range(2)]
    makers[0].start()
    assert began.wait(60)
    makers[1].start()
    assert not has_tables(path)
    go_on.set()
    for maker in makers:
        maker.join()
    assert filled == [1]
    assert list(path.parent.iterdir()) == [path]


def test_what_a_killed_maker_left_is_no_database_and_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    left = tmp_path / "some.db.partial"
    left.mkdir()
    create_table(sqlite_uri(left / "some.db"))
    (left / "lease").touch()
    assert not has_tables(path)
    make_database(path, create_table)
    assert list(tmp_path.iterdir()) == [path]
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("pragma journal_mode").fetchone() == ("wal",)


def test_everybody_waits_equally_long_for_a_locked_database(tmp_path: Path) -> None:
    engine = create_engine(sqlite_uri(tmp_path / "some.db"))
    with engine.connect() as connection:
        assert connection.exec_driver_sql("pragma busy_timeout").scalar() == PATIENCE * 1000
        connection.exec_driver_sql("PRAGMA busy_timeout = 20000;")  # as MLflow says in every session
        assert connection.exec_driver_sql("pragma busy_timeout").scalar() == PATIENCE * 1000
    engine.dispose()
