"""SQLite files that libraries fill with their own tables, and the URIs of these files."""

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
    """The URI of a database file; its absolute path may have any characters."""
    uri = URL.create("sqlite", database=str(path)).render_as_string()
    # Where the path has quoted characters, the driver is named: MLflow takes what follows sqlite:/// literally as a
    # path, and would create a folder of that name.
    return uri if uri == f"{SQLITE[0]}{path}" else uri.replace(*SQLITE, 1)


def sqlite_file(uri: str) -> Path | None:
    """The file of an SQLite database; None for any other URI."""
    database = make_url(uri).database if uri.startswith(SQLITE) else None
    return Path(database) if database else None


def make_database(path: Path, fill: Callable[[str], object]) -> None:
    """Creates a database, all of it or nothing: a library cannot use one in which it has made half of its tables.

    `fill` is called with the URI of a file and creates the tables in it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=f"{path.name}.partial-") as folder:
        partial = Path(folder) / path.name
        event.listen(Engine, "connect", _without_sync)
        try:
            fill(sqlite_uri(partial))
        finally:
            event.remove(Engine, "connect", _without_sync)
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.rename(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")  # readers and the writer do not wait for each other


def _without_sync(connection: sqlite3.Connection, _: object) -> None:
    """Creating the tables takes a hundred transactions; if the machine stops meanwhile, nothing of value is lost."""
    connection.execute("PRAGMA synchronous=OFF")
