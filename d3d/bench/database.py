"""SQLite files of libraries that fill them with tables of their own, and the URIs by which these know them."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import event
from sqlalchemy.engine import URL, Engine, make_url

SQLITE = ("sqlite:///", "sqlite+pysqlite:///")


def sqlite_uri(path: Path) -> str:
    """The URI of a database in a file, whatever characters its absolute path has."""
    uri = URL.create("sqlite", database=str(path)).render_as_string()
    # Where the path is quoted, the driver is named: MLflow takes what follows sqlite:/// for a path as it stands, and
    # would make a folder of it.
    return uri if uri == f"{SQLITE[0]}{path}" else uri.replace(*SQLITE, 1)


def sqlite_file(uri: str) -> Path | None:
    """The file of an SQLite database; None where the URI is of something else."""
    database = make_url(uri).database if uri.startswith(SQLITE) else None
    return Path(database) if database else None


def make_database(path: Path, fill: Callable[[str], object]) -> None:
    """All of it or nothing: a library cannot go on where the making of its tables was interrupted.

    `fill` gets the URI of the file in which it makes them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=f"{path.name}.partial-") as folder:
        partial = Path(folder) / path.name
        event.listen(Engine, "connect", _without_waiting_for_the_disk)
        try:
            fill(sqlite_uri(partial))
        finally:
            event.remove(Engine, "connect", _without_waiting_for_the_disk)
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.rename(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")  # readers and the one writer do not wait for each other


def _without_waiting_for_the_disk(connection: sqlite3.Connection, _: object) -> None:
    """The making is a hundred transactions; a machine that stops in it leaves nothing worth keeping."""
    connection.execute("PRAGMA synchronous=OFF")
