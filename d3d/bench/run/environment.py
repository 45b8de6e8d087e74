"""The environment of a launch: libraries without chatter or telemetry, and a temporary folder that is removed."""

import fcntl
import os
import secrets
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from logging import ERROR, getLogger
from pathlib import Path

PLACE, PREFIX, LOCK = "/tmp", "d3d-", ".lock"  # of the temporary folder of a launch
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # telemetry
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",  # chatter
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "PYTHONWARNINGS": "ignore",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # Ray prints what its daemons log, even without log_to_driver
    "RAY_AIR_NEW_OUTPUT": "0",  # only the old output of Tune can be silenced
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # MLflow is the record
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends a launch as it ends any program
    "TUNE_MAX_PENDING_TRIALS_PG": "200",  # otherwise Tune starts workers of a custom searcher one by one
    "MALLOC_ARENA_MAX": "2",  # each cell has its own thread, for which glibc would reserve memory
}
"""Environment variables of a launch and its workers; those that the user has set stay as they are."""


ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Tells Ray, on any system, that no other machine will join: only then do its processes listen on 127.0.0.1 only."""


@contextmanager
def quiet(*, local: bool) -> Iterator[None]:
    """The context in which a launch imports its libraries and starts its processes.

    Temporary files of every library and process go to a folder that is removed at the end, or, after a SIGKILL, when
    the next launch starts. It is not in the storage folder because Ray puts Unix sockets in it, whose paths may have
    about 107 characters. A launch that is not `local` leaves Ray's own temporary folder to the cluster it attaches to.
    """
    before = dict(os.environ)
    for key, value in SETTINGS.items():
        os.environ.setdefault(key, value)
    if os.environ["PYTHONWARNINGS"] == "ignore":
        warnings.simplefilter("ignore")
    getLogger("alembic").setLevel(ERROR)
    _remove_abandoned()
    with _temporary_folder() as folder:
        os.environ.setdefault("MPLCONFIGDIR", folder)  # otherwise Matplotlib caches fonts in the home folder
        tempfile.tempdir = folder
        if local:
            # Ray would store a permanent token in ~/.ray; this one lives as long as this launch and its processes. Ray
            # reads all of these when it is imported.
            os.environ |= {"TMPDIR": folder, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)} | ALONE
        try:
            yield
        finally:
            tempfile.tempdir = None
            os.environ.clear()
            os.environ.update(before)


@contextmanager
def _temporary_folder() -> Iterator[str]:
    """A temporary folder that is locked as long as this process lives."""
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=PLACE, ignore_cleanup_errors=True) as folder:
        lock = Path(folder) / LOCK
        with lock.with_suffix(".new").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            lock.with_suffix(".new").rename(lock)  # no other launch finds the lock before it is held
            yield folder


def _remove_abandoned() -> None:
    """Removes the folders of killed launches; a folder without a lock, or of another user, is left alone."""
    for folder in Path(PLACE).glob(f"{PREFIX}*"):
        with suppress(OSError), (folder / LOCK).open() as file:
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises where its owner is alive
            shutil.rmtree(folder, ignore_errors=True)
