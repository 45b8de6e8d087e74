"""Serves the web pages of a storage folder to its user alone: MLflow's for its record, Optuna's for its searches.

    python -m d3d.bench.record.pages ui results 5000
    python -m d3d.bench.record.pages optuna results 8080

`make ui` and `make optuna` run these commands. Each is one process, which Ctrl-C ends. It listens on loopback, behind a
gate (d3d/bench/record/gate.py), and prints the address that opens the gate.
"""

import os
import stat
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from wsgiref.types import WSGIApplication

from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_registered_artifact_repositories
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from mlflow.tracing.utils.artifact_utils import TRACE_DATA_FILE_NAME
from mlflow.utils.uri import validate_path_within_directory
from sqlalchemy.exc import SQLAlchemyError
from waitress.server import create_server

from d3d.bench.database import sqlite_uri
from d3d.bench.record.access import connect, experiment_of, record_errors_explained
from d3d.bench.record.gate import Gate
from d3d.bench.record.run_files import ANYWHERE, make_relocatable
from d3d.bench.record.schema import ARTIFACTS, DATABASE
from d3d.bench.record.views import SHARED, newest_view
from d3d.errors import D3DError, RecordError

HOST = "127.0.0.1"


class Page(NamedTuple):
    """A web page: what a message calls its content, the path where it begins, and what makes its application.

    The path and the application are those of a storage folder.
    """

    content: str
    landing: Callable[[Path], str]
    application: Callable[[Path], WSGIApplication]


class ContainedArtifacts(LocalArtifactRepository):
    """The files of a run, which must lie in the folder of the record's files once all links are followed.

    A record may come from anywhere, and MLflow takes the place of a run's files from it. Each request opens them anew.
    """

    def __init__(
        self, folder: Path, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
    ):
        super().__init__(artifact_uri, tracking_uri, registry_uri)
        validate_path_within_directory(str(folder), self.artifact_dir)

    # MLflow looks at the links within the folder of a run in all but two of its methods.
    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        validate_path_within_directory(self.artifact_dir, str(Path(self.artifact_dir, artifact_path or "")))
        super().delete_artifacts(artifact_path)  # type: ignore[no-untyped-call]

    def download_trace_data(self) -> dict[str, Any]:
        validate_path_within_directory(self.artifact_dir, str(Path(self.artifact_dir, TRACE_DATA_FILE_NAME)))
        return super().download_trace_data()


def database_of_record(storage: Path) -> Path:
    """The database of a storage folder's record, in which no run names a path. Raises RecordError if there is none."""
    database = storage / DATABASE
    if not database.exists():
        raise RecordError(
            f"{database}: there is no record yet; make one with `make run`, or name its folder with STORAGE="
        )
    try:
        make_relocatable(database)
    except SQLAlchemyError as error:
        raise RecordError(f"{database}: {str(error).splitlines()[0]}; name another folder with STORAGE=") from error
    return database


def record_page(storage: Path) -> WSGIApplication:
    """MLflow's page, for a process that does nothing else: it sets variables and tables of MLflow.

    It is MLflow's Flask application alone. That has all that the page needs to show runs; the gateway, the assistant
    and the jobs, which fetch and run things, are parts of the server that `mlflow server` puts around it.
    """
    uri, files = sqlite_uri(database_of_record(storage)), storage / ARTIFACTS
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    from mlflow.server import app, constants, handlers

    os.environ |= {
        constants.BACKEND_STORE_URI_ENV_VAR: uri,
        constants.SERVE_ARTIFACTS_ENV_VAR: "true",
        constants.ARTIFACTS_DESTINATION_ENV_VAR: files.as_uri(),
    }
    repositories: dict[str, Any] = get_registered_artifact_repositories()
    repositories.clear()
    repositories |= dict.fromkeys(("", "file"), partial(ContainedArtifacts, files))
    try:
        handlers.initialize_backend_stores(uri, default_artifact_root=ANYWHERE)
    except MlflowException as error:
        raise RecordError(f"{storage / DATABASE}: {str(error).splitlines()[0]}") from error
    return app


def searches_page(storage: Path) -> WSGIApplication:
    """Optuna's dashboard. Raises RecordError if there is no search."""
    from optuna_dashboard import wsgi  # imports Optuna, which MLflow's page does not need

    from d3d.bench.search.study_storage import FILE, StudyStorage

    if not (storage / FILE).exists():
        raise RecordError(
            f"{storage / FILE}: there is no search yet; make one with search=optuna, or name its folder with STORAGE="
        )
    page: WSGIApplication = wsgi(StudyStorage(storage).storage)
    return page


def first_view(storage: Path) -> str:
    """The path of the runs in MLflow's page, in the view that the newest launch saved, if any."""
    client = connect(sqlite_uri(storage / DATABASE))
    id = experiment_of(client)
    key = newest_view(client.get_experiment(id).tags) if id else None
    return f"/#/experiments/{id or 1}/runs?workflowType=machine_learning" + (f"&{SHARED}={key}" if key else "")


PAGES = {
    "ui": Page("the record", first_view, record_page),
    "optuna": Page("the searches", lambda _: "/dashboard", searches_page),
}


def serve(page: Page, storage: Path, port: int) -> None:
    """Serves a page until Ctrl-C. Raises RecordError if there is nothing to serve or the port is taken."""
    application = page.application(storage)
    with record_errors_explained(str(storage)):
        gate = Gate(application, f"d3d-{port}", page.landing(storage))
    try:
        server = create_server(gate, host=HOST, port=port, ident=None)
    except OSError as error:
        raise RecordError(f"port {port}: {error.strerror}; name another with PORT=") from error
    _keep_to_the_user(sys.stdout.fileno())
    print(f"{page.content} in {storage}/ (Ctrl-C ends it). The address is for you alone:")
    print(f"http://{HOST}:{port}/?token={gate.token}", flush=True)
    server.run()


def _keep_to_the_user(output: int) -> None:
    """Makes a file that is going to have the token unreadable for others."""
    mode = os.fstat(output).st_mode
    if stat.S_ISREG(mode):
        os.fchmod(output, stat.S_IMODE(mode) & stat.S_IRWXU)


def main(arguments: Sequence[str]) -> int:
    """Serves the page that the arguments name, and returns the exit status."""
    try:
        name, storage, port = arguments
        page, number = PAGES[name], int(port)
    except (KeyError, ValueError):
        print(f"error: name a page ({', '.join(PAGES)}), a storage folder and a port", file=sys.stderr)
        return 2
    try:
        serve(page, Path(storage).absolute(), number)
    except D3DError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
