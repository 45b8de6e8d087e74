"""Where the files of a run are: those of a record in a storage folder lie below that folder, wherever it is now.

MLflow keeps with each run a URI of its files, which it calls artifacts. The runs of a storage folder have one that
names no place, `mlflow-artifacts:/RUN/artifacts`: a server of MLflow's, such as that of `make ui`, looks for it below
its --artifacts-destination, and this module below the folder of the database. So a storage folder can be moved, copied
and renamed. The runs of older versions have the path that the folder had then; they are read as if they had not, and
`make_relocatable` makes them like the others. The runs of a tracking server, or of a database that lies outside the
storage folder, have their files where they say.
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

ANYWHERE = "mlflow-artifacts:/"
PATHS = ("/", "file:")  # how the URIs of older records begin
RELOCATE = (
    "update runs set artifact_uri = :anywhere || run_uuid || '/artifacts' "
    "where (artifact_uri like '/%' or artifact_uri like 'file:%') "
    "and experiment_id in (select experiment_id from experiments where name = :name)",
    "update experiments set artifact_location = :anywhere "
    "where (artifact_location like '/%' or artifact_location like 'file:%') and name = :name",
)


def files_of(run: Run, uri: str) -> ArtifactRepository:
    """The files of a run in the record of this tracking URI, to be listed, read and added to."""
    database, location = sqlite_file(uri), str(run.info.artifact_uri)
    if database and location.startswith(ANYWHERE):
        location = (database.absolute().parent / ARTIFACTS / urlsplit(location).path.lstrip("/")).as_uri()
    elif database and location.startswith(PATHS) and _is_in_storage(database):
        location = (database.absolute().parent / ARTIFACTS / run.info.run_id / "artifacts").as_uri()
    return get_artifact_repository(location, tracking_uri=uri)


def read_file(run: Run, uri: str, name: str) -> str:
    """The text of one of its files. Raises OSError or MlflowException where there is none."""
    files = files_of(run, uri)
    with TemporaryDirectory() as folder:
        copy_to = None if isinstance(files, LocalArtifactRepository) else folder  # read where it is, if it can be
        path = Path(files.download_artifacts(name, copy_to))  # type: ignore[no-untyped-call]
        return path.read_text("utf-8")


def write_file(run: Run, uri: str, name: str, text: str) -> None:
    """Keeps a text as one of its files, in place of the one there is."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(text, "utf-8")
        files_of(run, uri).log_artifact(str(path))  # type: ignore[no-untyped-call]


def location_of_new_runs(database: Path, storage: Path) -> str:
    """Below what the runs of a new record in a database keep their files, for a launch with this storage folder."""
    return ANYWHERE if database.parent == storage else (storage / ARTIFACTS).as_uri()


def make_relocatable(database: Path) -> None:
    """Has the runs of a storage folder's record no longer say where the folder was when they were made."""
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
    """Whether it is the record of the folder it lies in, which has the files of its runs."""
    return database.name == DATABASE and (database.parent / ARTIFACTS).is_dir()
