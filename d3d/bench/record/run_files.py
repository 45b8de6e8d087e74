"""Reads and writes the files of runs, so that a record can be moved, copied and renamed.

MLflow stores with each run the URI of its files, which it calls artifacts. In a database of this project that URI names
no place: it is `mlflow-artifacts:/RUN/artifacts`. An MLflow server looks for the files below its
--artifacts-destination; `make ui` and this module look beside the database. Older versions stored a path. In a storage
folder their runs are read in the same way, and `make_relocatable` replaces their paths. Their databases outside a
storage folder, and tracking servers, have the files where the URI says.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from mlflow.entities import Run
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from sqlalchemy import create_engine, text

from d3d.bench.database import sqlite_file, sqlite_uri
from d3d.bench.record.schema import ARTIFACTS, DATABASE, EXPERIMENT

ANYWHERE = "mlflow-artifacts:/"  # the URI below which the runs of a new database have their files
PATHS = ("/", "file:")  # the beginnings of URIs in older records
RELOCATE = (
    "update runs set artifact_uri = :anywhere || run_uuid || '/artifacts' "
    "where (artifact_uri like '/%' or artifact_uri like 'file:%') "
    "and experiment_id in (select experiment_id from experiments where name = :name)",
    "update experiments set artifact_location = :anywhere "
    "where (artifact_location like '/%' or artifact_location like 'file:%') and name = :name",
)


def files_of(run: Run, uri: str) -> ArtifactRepository:
    """The repository of a run's files, to list, read and add files. `uri` is the tracking URI of the run's record."""
    database, location = sqlite_file(uri), str(run.info.artifact_uri)
    if database and location.startswith(ANYWHERE):
        location = (database.absolute().parent / ARTIFACTS / urlsplit(location).path.lstrip("/")).as_uri()
    elif database and location.startswith(PATHS) and _is_in_storage(database):
        location = (database.absolute().parent / ARTIFACTS / run.info.run_id / "artifacts").as_uri()
    return get_artifact_repository(location, tracking_uri=uri)


def read_file(run: Run, uri: str, name: str) -> str:
    """The text of a run's file `name`. Raises as `read_bytes` does, and UnicodeDecodeError."""
    return read_bytes(run, uri, name).decode("utf-8")


def read_bytes(run: Run, uri: str, name: str) -> bytes:
    """The content of a run's file `name`. Raises OSError or MlflowException if there is no such file."""
    files = files_of(run, uri)
    with TemporaryDirectory() as folder:
        copy_to = None if isinstance(files, LocalArtifactRepository) else folder  # a local file is read in place
        path = Path(files.download_artifacts(name, copy_to))  # type: ignore[no-untyped-call]
        return path.read_bytes()


def write_file(run: Run, uri: str, name: str, content: str | bytes) -> None:
    """Writes a run's file, and replaces the file if there is one.

    Args:
        run: The run.
        uri: The tracking URI of the run's record.
        name: The name of the file.
        content: A text, or bytes.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        files_of(run, uri).log_artifact(str(path))  # type: ignore[no-untyped-call]


def make_relocatable(database: Path) -> None:
    """Removes from the runs of a storage folder's record the path that the folder had when they were made."""
    if not _is_in_storage(database):
        return
    engine = create_engine(sqlite_uri(database))
    try:
        with engine.begin() as connection:
            for statement in RELOCATE:
                connection.execute(text(statement), {"anywhere": ANYWHERE, "name": EXPERIMENT})
    finally:
        engine.dispose()


def _is_in_storage(database: Path) -> bool:
    """Whether a database is the record of the folder that it lies in, next to the files of its runs."""
    return database.name == DATABASE and (database.parent / ARTIFACTS).is_dir()
