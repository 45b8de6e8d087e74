"""The environment variables under which the libraries of a command are imported and the processes of a launch started.

Libraries read variables that the user has set for other programs. Each is treated in one of four ways: KEPT as it is,
a default (SETTINGS) that the user may change, FIXED, or removed. docs/environment.md explains the choices.
"""

import os
import pwd
import re
import secrets
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from logging import ERROR, getLogger

from d3d.bench.run.temporary_folder import temporary_folder
from d3d.errors import ScheduleError

SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # telemetry
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",  # chatter, and tracebacks of errors that it raises too
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MALLOC_ARENA_MAX": "2",  # each cell has its own thread, for which glibc would reserve memory
}
"""Variables of a launch and its workers; those that the user has set stay as they are."""

FIXED = {
    "MPLBACKEND": "Agg",  # figures are files; a notebook's shell names a backend that may not exist here
    "PYTHONWARNINGS": "ignore",  # of libraries; "error" would end a launch
    "PYTHONUTF8": "1",  # of workers, whatever the locale
    "PYTHONIOENCODING": "utf-8",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",  # an epoch is recorded before its checkpoint is written
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # Ray prints what its daemons log, even without log_to_driver
    "RAY_AIR_NEW_OUTPUT": "0",  # only the old output of Tune can be silenced
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # MLflow is the record
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends a launch as it ends any program
    "TUNE_MAX_PENDING_TRIALS_PG": "200",  # otherwise Tune starts workers of a custom searcher one by one
}
"""Variables of a launch and its workers, whatever the user has set."""

VERBOSE = {"PYTHONWARNINGS": "default", "MLFLOW_LOGGING_LEVEL": "WARNING"}
"""Variables of a launch that is asked to print what libraries say (-v)."""

KEPT = re.compile(
    "RAY_(memory_.*|DISABLE_MEMORY_MONITOR)"  # when Ray ends a worker for its memory
    "|MLFLOW_(TRACKING_(?!URI$|DIR$)|HTTP_|S3_|GCS_|BOTO_|KERBEROS_|MYSQL_|SQLALCHEMYSTORE_)"  # how to reach a server
    "|MLFLOW_(WORKSPACE$|MULTIPART_|ENABLE_.*MULTIPART|ARTIFACT_UPLOAD|ALLOW_HTTP_REDIRECTS)"
)
"""Variables of Ray, Tune and MLflow that are left as they are; all others would change where and how a launch works."""

OF_A_CLUSTER = re.compile("RAY_")
"""Variables that a launch on a cluster leaves as they are: they say how to join it."""

REMOVED = re.compile("(RAY|TUNE|_?MLFLOW)_")

ANSWERED = {
    "MLFLOW_TRACKING_URI": "tracking.uri=URI names a record",
    "RAY_ADDRESS": "cluster.address=ADDRESS joins a cluster",
}
"""Variables that say where to, and are not used → what says it here."""

ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Tells Ray, on any system, that no other machine will join: only then do its processes listen on 127.0.0.1 only."""


@contextmanager
def settled(*, local: bool = True) -> Iterator[None]:
    """The context in which a command imports its libraries: their variables are as this module says, and no warning of
    theirs is shown or raised.

    `local`: whether a Ray that is started belongs to this launch alone, and not to a cluster.
    """
    before = dict(os.environ)
    for name in before:
        kept = KEPT.match(name) or name in SETTINGS or (not local and OF_A_CLUSTER.match(name))
        if REMOVED.match(name) and not kept:
            del os.environ[name]
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    os.environ |= FIXED
    getLogger("alembic").setLevel(ERROR)
    warnings.simplefilter("ignore")  # until the process ends, when some are still raised
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def quiet(*, local: bool, verbose: bool = False) -> Iterator[None]:
    """The context in which a launch imports its libraries and starts its processes: as `settled`, with a temporary
    folder for the files of every library and process.

    A launch that is not `local` leaves Ray's own temporary folder to the cluster it attaches to. With `verbose`, the
    workers show the warnings of libraries. Raises ScheduleError where there is no place for the folder, and where
    Python runs without docstrings.
    """
    if sys.flags.optimize > 1:
        fault = "PYTHONOPTIMIZE=2, or python -OO, removes docstrings, which Ray reads"
        raise ScheduleError(f"{fault}; start the command without it")
    with settled(local=local), temporary_folder() as folder:
        os.environ.setdefault("MPLCONFIGDIR", folder)  # otherwise Matplotlib caches fonts in the home folder
        tempfile.tempdir = folder
        os.environ |= _missing_user(folder) | (VERBOSE if verbose else {})
        if local:
            # Ray would store a permanent token in ~/.ray; this one lives as long as this launch and its processes. Ray
            # reads all of these when it is imported.
            os.environ |= {"TMPDIR": folder, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)} | ALONE
        try:
            yield
        finally:
            tempfile.tempdir = None


def _missing_user(folder: str) -> dict[str, str]:
    """A home and a name for a user who has none, as in a container with a random user id: libraries ask for them when
    they are imported, although nothing is written to the home."""
    try:
        user = pwd.getpwuid(os.getuid())
        home, name = user.pw_dir, user.pw_name
    except KeyError:
        home, name = folder, str(os.getuid())
    return {key: value for key, value in {"HOME": home, "LOGNAME": name}.items() if not os.environ.get(key)}


def unused(environment: Mapping[str, str], *, local: bool) -> list[str]:
    """A line for each variable in the environment that says where to, and that a launch does not use."""
    names = [name for name in ANSWERED if environment.get(name) and (local or not OF_A_CLUSTER.match(name))]
    return [f"{name} is set and not used; {ANSWERED[name]}" for name in names]
