"""SQLite files that libraries fill with their own tables, and the URIs of these files."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, make_url

from d3d.bench.lease import leased

SQLITE = ("sqlite:///", "sqlite+pysqlite:///")
PATIENCE = 120  # seconds that a read or a write waits while another program, such as a backup, has locked the file


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


def has_tables(path: Path) -> bool:
    """Whether a database was made: SQLite leaves an empty file where it opened one that was deleted."""
    return path.exists() and path.stat().st_size > 0


def make_database(path: Path, fill: Callable[[str], object]) -> None:
    """Creates a database if there is none, all of it or nothing: a library cannot use one with half of its tables.

    Of several processes that want the same one, one creates it and the others wait for it. `fill` is called with the
    URI of a file and creates the tables in it.
    """
    folder = path.with_name(f"{path.name}.partial")
    with leased(folder):
        if has_tables(path):
            return
        filled, copied = folder / f"{path.name}.filled", folder / path.name
        for left in folder.glob(f"{path.name}*"):  # by a process that was killed
            left.unlink()
        event.listen(Engine, "connect", _without_sync)
        try:
            fill(sqlite_uri(filled))
            # Libraries leave connections open, and a database that is renamed under one gets damaged: a copy takes the
            # place, which nothing has open.
            with closing(sqlite3.connect(filled)) as source, closing(sqlite3.connect(copied)) as copy:
                source.backup(copy)
                copy.execute("PRAGMA journal_mode=WAL")  # readers and the writer do not wait for each other
            with copied.open("rb") as written:
                os.fsync(written.fileno())
            copied.rename(path)
        finally:
            event.remove(Engine, "connect", _without_sync)
            for left in folder.glob(f"{path.name}*"):
                left.unlink()


def _without_sync(connection: sqlite3.Connection, _: object) -> None:
    """Creating the tables takes a hundred transactions; if the machine stops meanwhile, nothing of value is lost."""
    connection.execute("PRAGMA synchronous=OFF")


@event.listens_for(Engine, "before_cursor_execute", retval=True)
def _patiently(_: Connection, __: object, statement: str, parameters: object, *___: object) -> tuple[str, object]:
    """Lets MLflow wait as long for a locked database as everything else here does."""
    own = statement.startswith("PRAGMA busy_timeout")
    return f"PRAGMA busy_timeout = {PATIENCE * 1000}" if own else statement, parameters


@event.listens_for(Engine, "connect")
def _waits(connection: object, _: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute(f"PRAGMA busy_timeout = {PATIENCE * 1000}")
