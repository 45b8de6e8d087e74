"""What surrounds a launch: libraries that keep quiet and report nothing home, and a temporary folder that goes away."""

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
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # Ray prints what its daemons say, whatever log_to_driver is
    "RAY_AIR_NEW_OUTPUT": "0",  # the old output of Tune is the one that can be silenced
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # MLflow is the record
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends a launch as it ends any program
    "TUNE_MAX_PENDING_TRIALS_PG": "200",  # of a searcher of our own Tune would start one worker after another
    "MALLOC_ARENA_MAX": "2",  # each cell has a thread of its own; glibc would keep the memory of all of them apart
}
"""Environment variables of a launch and its workers, where the user has not set them."""


ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Tells Ray, on any system, that no other machine will join: only then do its processes listen on 127.0.0.1 alone."""


@contextmanager
def quiet(*, local: bool) -> Iterator[None]:
    """Within it a launch may import and start what it likes.

    Temporary files of every library and process go to a folder that is removed at the end, or, after a SIGKILL, as the
    next launch begins. It is not in the storage folder because Ray keeps Unix sockets in it, whose paths may have about
    107 characters. Only a launch that is not `local` must find the temporary folder of the cluster it attaches to.
    """
    before = dict(os.environ)
    for key, value in SETTINGS.items():
        os.environ.setdefault(key, value)
    if os.environ["PYTHONWARNINGS"] == "ignore":
        warnings.simplefilter("ignore")
    getLogger("alembic").setLevel(ERROR)
    _remove_abandoned()
    with _temporary_folder() as folder:
        os.environ.setdefault("MPLCONFIGDIR", folder)  # Matplotlib keeps its fonts in the home folder otherwise
        tempfile.tempdir = folder
        if local:
            # Ray would keep a token for good in ~/.ray; this one lives as long as this launch and its processes. Ray
            # reads all of these as it is imported.
            os.environ |= {"TMPDIR": folder, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)} | ALONE
        try:
            yield
        finally:
            tempfile.tempdir = None
            os.environ.clear()
            os.environ.update(before)


@contextmanager
def _temporary_folder() -> Iterator[str]:
    """A folder that this process holds as long as it lives."""
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=PLACE, ignore_cleanup_errors=True) as folder:
        lock = Path(folder) / LOCK
        with lock.with_suffix(".new").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            lock.with_suffix(".new").rename(lock)  # nobody finds it before it is held
            yield folder


def _remove_abandoned() -> None:
    """What launches have left that were killed; a folder that has no lock, or another user's, is left alone."""
    for folder in Path(PLACE).glob(f"{PREFIX}*"):
        with suppress(OSError), (folder / LOCK).open() as file:
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises where its owner lives
            shutil.rmtree(folder, ignore_errors=True)
