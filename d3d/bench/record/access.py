"""Opens the record, and explains in one line why it cannot be used.

MLflow and the drivers of databases raise errors of many kinds while a record is locked, unreachable, read-only or
damaged, which can happen at any moment of a launch. `record_errors_explained` is the only place that knows these kinds:
a launch, its workers and the report each run within it.
"""

import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from textwrap import shorten
from urllib.parse import urlsplit
from urllib.request import getproxies

from alembic.util import CommandError
from mlflow import MlflowClient
from mlflow.entities import LifecycleStage
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from d3d.bench.database import PATIENCE, has_tables, sqlite_file
from d3d.bench.record.schema import EXPERIMENT
from d3d.errors import RecordError, UnusableRecordError

PORTS = {"http": 80, "https": 443}  # scheme of a server → its usual port
ANSWER = 10  # seconds that a server may take to accept a connection
ERRORS = (MlflowException, SQLAlchemyError, CommandError, sqlite3.Error)  # what a record raises that cannot be used


@contextmanager
def record_errors_explained(uri: str) -> Iterator[None]:
    """Turns the errors that libraries raise while they use the record `uri` into an UnusableRecordError."""
    try:
        yield
    except ERRORS as error:
        lines = str(error).splitlines() or [type(error).__name__]
        way_out = "run the same command again once the record can be used, or name another record"
        raise UnusableRecordError(f"tracking.uri={uri}: {shorten(lines[0], 200)}; {way_out}") from error


@contextmanager
def at_the_end(write: Callable[[], object]) -> Iterator[None]:
    """Calls `write` after the block, even if an error left it.

    An error of the record itself is the exception: writing would only wait for it again, for minutes.
    """
    with ExitStack() as stack:
        stack.callback(write)
        try:
            yield
        except (UnusableRecordError, *ERRORS):
            stack.pop_all()
            raise


def check_answers(uri: str) -> None:
    """Raises UnusableRecordError at once if nothing listens where a server should: MLflow would try for minutes.

    It is for the start of a command. Later, a server that is gone may come back.
    """
    server = urlsplit(uri)
    if server.scheme not in PORTS or not server.hostname or server.scheme in getproxies():  # a proxy would be asked
        return
    try:
        socket.create_connection((server.hostname, server.port or PORTS[server.scheme]), timeout=ANSWER).close()
    except OSError as error:
        fault = f"tracking.uri={uri}: nothing answers there ({error.strerror or error})"
        raise UnusableRecordError(f"{fault}; start the server, or name another record") from error


def exists(uri: str) -> bool:
    """Whether there may be a record: a database in a file was made, or the URI names something else."""
    database = sqlite_file(uri)
    return database is None or has_tables(database)


def connect(uri: str) -> MlflowClient:
    """A client of an existing record.

    Raises RecordError if the driver of its database is not installed, and the errors that `record_errors_explained`
    explains if it cannot be used.
    """
    if database := sqlite_file(uri):
        _check_readable(database)
    try:
        return MlflowClient(uri)
    except ModuleNotFoundError as error:
        fault = f"tracking.uri={uri}: its driver, the Python package {error.name}, is not installed"
        raise RecordError(f"{fault}; install it, or name another record") from error


def experiment_of(client: MlflowClient) -> str | None:
    """The id of the experiment that holds the runs; None if it was not created yet.

    Raises RecordError if somebody deleted it.
    """
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return None
    id = str(experiment.experiment_id)
    if experiment.lifecycle_stage != LifecycleStage.ACTIVE:
        uri = client.tracking_uri
        way_out = (
            f"`MLFLOW_TRACKING_URI='{uri}' mlflow experiments restore --experiment-id {id}` restores it and its runs"
        )
        raise RecordError(
            f"tracking.uri={uri}: its experiment {EXPERIMENT} was deleted; {way_out}, or name another record"
        )
    return id


def _check_readable(database: Path) -> None:
    """Raises an sqlite3.Error at once if a database cannot be read, where MLflow would try for minutes."""
    with closing(sqlite3.connect(database, timeout=PATIENCE)) as connection:
        connection.execute("select name from sqlite_master").fetchall()
