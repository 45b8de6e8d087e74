"""Serves the web pages of a storage folder to this machine: MLflow's for its record, Optuna's for its searches.

    python -m d3d.bench.record.pages ui results 5000
    python -m d3d.bench.record.pages optuna results 8080

`make ui` and `make optuna` run these commands. The process is replaced by the server, which Ctrl-C ends.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from sqlalchemy.exc import SQLAlchemyError

from d3d.bench.database import sqlite_uri
from d3d.bench.record.run_files import make_relocatable
from d3d.bench.record.schema import ARTIFACTS, DATABASE
from d3d.errors import D3DError, RecordError

HOST = "127.0.0.1"
NO_TELEMETRY = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


def ui(storage: Path, port: str) -> list[str]:
    """The command that serves MLflow's page; prints its address. Raises RecordError if there is no record."""
    database = storage / DATABASE
    if not database.exists():
        raise RecordError(
            f"{database}: there is no record yet; make one with `make run`, or name its folder with STORAGE="
        )
    try:
        make_relocatable(database)
    except SQLAlchemyError as error:
        raise RecordError(f"{database}: {str(error).splitlines()[0]}; name another folder with STORAGE=") from error
    print(f"the record in {storage}/ (Ctrl-C ends it):")
    print(f"http://{HOST}:{port}/#/experiments/1/runs?workflowType=machine_learning", flush=True)
    place = ["--backend-store-uri", sqlite_uri(database), "--artifacts-destination", (storage / ARTIFACTS).as_uri()]
    return ["mlflow", "server", "--host", HOST, "--port", port, "--workers", "1", *place]


def optuna(storage: Path, port: str) -> list[str]:
    """The command that serves Optuna's dashboard; prints its address. Raises RecordError if there is no search."""
    from d3d.bench.search.study_storage import FILE  # imports Optuna, which MLflow's page does not need

    database = storage / FILE
    if not database.exists():
        raise RecordError(
            f"{database}: there is no search yet; make one with search=optuna, or name its folder with STORAGE="
        )
    print(f"the searches in {storage}/ (Ctrl-C ends it):")
    print(f"http://{HOST}:{port}/dashboard", flush=True)
    return ["optuna-dashboard", "--host", HOST, "--port", port, "--quiet", sqlite_uri(database)]


PAGES = {"ui": ui, "optuna": optuna}


def main(arguments: Sequence[str]) -> int:
    """Replaces the process by the server of a page, or returns the exit status 2 if there is nothing to serve."""
    try:
        page, storage, port = arguments
        command = PAGES[page](Path(storage).absolute(), port)
    except (KeyError, ValueError):
        print(f"error: name a page ({', '.join(PAGES)}), a storage folder and a port", file=sys.stderr)
        return 2
    except D3DError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return _become(command)


def _become(command: Sequence[str]) -> NoReturn:
    program = Path(sys.executable).with_name(command[0])  # of the same virtual environment
    os.execve(program, [str(program), *command[1:]], os.environ | NO_TELEMETRY)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
