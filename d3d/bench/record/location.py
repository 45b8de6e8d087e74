"""Where a record is: the URI that `tracking.uri=` names, checked, or the database in the storage folder.

And where the storage folder has the checkpoints of cells, which are no part of the record.
"""

import re
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from d3d.bench.database import sqlite_file, sqlite_uri
from d3d.bench.record.schema import DATABASE
from d3d.errors import ConfigError
from d3d.redaction import is_redacted, redacted
from d3d.typed_path import typed_path

CREDENTIALS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")  # environment variables that MLflow reads
SERVERS, DATABASES = ("http", "https"), ("sqlite", "postgresql", "mysql", "mssql")  # the schemes that MLflow knows
WAY_OUT = "name a server, http://HOST:PORT, or a database, sqlite:///FILE; leave it out for the one in storage="


def checkpoints(storage: Path) -> Path:
    """The folder with a folder of checkpoints for each cell, named as the cell's id."""
    return storage / "cells"


def record_uri(named: str | None, storage: Path) -> str:
    """The URI of a record, with an absolute path if it is a file.

    MLflow would take most other texts for the path of a folder, and create it.

    Args:
        named: What `tracking.uri=` says; None is the database in the storage folder.
        storage: The storage folder.

    Raises ConfigError if the URI names neither a server nor a database.
    """
    if named is None:
        return sqlite_uri(storage.absolute() / DATABASE)
    if fault := _fault(named):
        raise ConfigError(fault)
    file = sqlite_file(named)
    if file is None:
        return named
    path = typed_path("tracking.uri", str(file)).absolute()
    if path.is_dir():
        raise ConfigError(f"tracking.uri={named}: names no file; {WAY_OUT}")
    return sqlite_uri(path)


def shown(uri: str) -> str:
    """What to call a record: the path of its database, or its URI without secrets."""
    return str(sqlite_file(uri) or redacted(uri))


def _fault(uri: str) -> str | None:
    """What is wrong with a URI, in words that have no part of a password; None if nothing is."""
    scheme = uri.partition("://")[0].partition("+")[0]
    if "://" not in uri or scheme not in (*SERVERS, *DATABASES):
        return f"tracking.uri={uri}: is no URI of a record; {WAY_OUT}"
    if scheme == "sqlite":
        return _fault_of_file(uri)
    if re.search(r"\s", uri):  # it would hide a password from the redaction as well
        return "tracking.uri: there is a blank in it; write it as %20"
    if is_redacted(uri):
        fault = "the *** stands for a user and a password that were not printed"
        return f"tracking.uri={uri}: {fault}; write them, or leave `***@` out and set {' and '.join(CREDENTIALS)}"
    if not _has_valid_host(uri, scheme):
        way_out = "write characters such as / and # of a password as %2F and %23"
        return f"tracking.uri={uri}: its host or its port is not valid; {way_out}"
    return None


def _has_valid_host(uri: str, scheme: str) -> bool:
    try:
        if scheme in SERVERS:
            return bool(urlsplit(uri).hostname) and urlsplit(uri).port != 0
        make_url(uri)
    except (ValueError, ArgumentError):
        return False
    return True


def _fault_of_file(uri: str) -> str | None:
    if "?" in uri:
        return f"tracking.uri={uri}: options are not supported; write %3F for a ? in a file name"
    file = sqlite_file(uri)
    if file is None or file.name in ("", ":memory:"):
        return f"tracking.uri={uri}: names no file; {WAY_OUT}"
    return None
