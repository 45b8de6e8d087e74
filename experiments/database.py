"""SQLite files of libraries that fill them with tables of their own."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import event
from sqlalchemy.engine import Engine


def make_database(path: Path, fill: Callable[[str], object]) -> None:
    """All of it or nothing: a library cannot go on where the making of its tables was interrupted.

    `fill` gets the URI of the file in which it makes them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=f"{path.name}.partial-") as folder:
        partial = Path(folder) / path.name
        event.listen(Engine, "connect", _without_waiting_for_the_disk)
        try:
            fill(f"sqlite:///{partial}")
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
