import socket
import sqlite3
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import OperationalError

from d3d import command
from d3d.bench.record.access import at_the_end, check_answers, connect, exists, record_errors_explained
from d3d.bench.record.schema import EXPERIMENT
from d3d.bench.record.tracking import Record, prepare
from d3d.errors import RecordError, UnusableRecordError

LOCKED = OperationalError("insert", {}, sqlite3.OperationalError("database is locked"))


@pytest.mark.parametrize("error", [LOCKED, MlflowException("API request failed\nagain"), sqlite3.DatabaseError("")])
def test_what_a_library_raises_is_one_line_with_the_record_and_the_way_out(error: Exception) -> None:
    wanted = pytest.raises(UnusableRecordError, match=r"tracking\.uri=sqlite:///x\.db: .*same command")
    with wanted as explained, record_errors_explained("sqlite:///x.db"):
        raise error
    assert "\n" not in str(explained.value)


def test_a_launch_says_in_a_line_that_its_record_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(launch: object) -> int:
        raise MlflowException("API request to http://127.0.0.1:1 failed")

    monkeypatch.setattr(command, "run_launch", away)
    with pytest.raises(UnusableRecordError, match="API request"):
        command.run(["ablation=full", f"storage='{tmp_path}'"], {})


def test_a_server_that_is_not_there_is_said_at_once_and_nothing_else_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(UnusableRecordError, match=f"{address}: nothing answers there"):
            check_answers(address)  # bound, but not listening
        listening.listen()
        check_answers(address)
    for elsewhere in ("sqlite:////nowhere/mlflow.db", "postgresql://127.0.0.1:9/record"):
        check_answers(elsewhere)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    check_answers(address)  # the proxy would be asked


@pytest.mark.parametrize("error", [UnusableRecordError("away"), MlflowException("away"), LOCKED])
def test_a_record_that_cannot_be_used_is_not_written_to_once_more(error: Exception) -> None:
    written: list[int] = []
    with pytest.raises(type(error)), at_the_end(lambda: written.append(1)):
        raise error
    with pytest.raises(KeyboardInterrupt), at_the_end(lambda: written.append(2)):
        raise KeyboardInterrupt
    with at_the_end(lambda: written.append(3)):
        pass
    assert written == [2, 3]


def test_a_deleted_experiment_is_said_with_the_command_that_restores_it(record: Record, tmp_path: Path) -> None:
    [id] = record.experiments
    record.client.delete_experiment(id)
    with pytest.raises(RecordError, match=f"{EXPERIMENT} was deleted.*experiments restore --experiment-id {id}"):
        Record(record.uri)
    with pytest.raises(RecordError, match="was deleted"):
        prepare(record.uri, tmp_path)
    record.client.restore_experiment(id)
    assert prepare(record.uri, tmp_path).experiments == [id]


def test_an_experiment_that_another_launch_created_a_moment_ago_is_used(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the same launch, whose first request was answered in vain."""
    [id] = record.experiments
    record.client.rename_experiment(id, "another")
    create = MlflowClient.create_experiment

    def twice(self: MlflowClient, *arguments: object, **named: object) -> str:
        create(self, *arguments, **named)  # type: ignore[arg-type]
        return create(self, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(MlflowClient, "create_experiment", twice)
    [created] = prepare(record.uri, tmp_path).experiments
    assert created != id


def test_a_driver_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(uri: str) -> MlflowClient:
        raise ModuleNotFoundError("No module named 'psycopg'", name="psycopg")

    monkeypatch.setattr("d3d.bench.record.access.MlflowClient", missing)
    with pytest.raises(RecordError, match=r"postgresql://\*\*\*@h/x: its driver, the Python package psycopg, is not"):
        connect("postgresql://u@h/x")


def test_an_empty_file_is_no_record_and_a_damaged_one_is_said_at_once(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    assert not exists(f"sqlite:///{path}")
    path.touch()
    assert not exists(f"sqlite:///{path}")
    assert exists("http://127.0.0.1:5000")
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    with pytest.raises(sqlite3.DatabaseError):
        connect(f"sqlite:///{path}")
