"""How cells can fail, and what happens then: the cell is given up at once, or tried again, and how.

A fault of the data, the settings or the checkpoint would happen again, so the cell is given up. A cell that ran out of
memory is tried again with more of the device, and one whose worker was lost continues. A full disk and a record that
cannot be used are no faults of a cell: they stop the launch.
"""

import errno
import math
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch

from d3d.errors import CheckpointError, D3DError, DataError, StorageError, TrainingError, UnusableRecordError
from d3d.redaction import redacted
from d3d.text import printable

Kind = Literal["data", "loss", "checkpoint", "settings", "memory", "worker", "node", "disk", "record", "unforeseen"]

NAMES: dict[Kind, str] = {
    "data": "a clip or a file that cannot be used",
    "loss": "a loss that is not finite",
    "checkpoint": "a checkpoint that cannot be used",
    "settings": "settings that cannot be used",
    "memory": "out of memory, even alone on the device",
    "worker": "a worker that was lost repeatedly before it finished an epoch",
    "node": "a node that was lost",
    "disk": "no room on the disk",
    "record": "a record that cannot be used",
    "unforeseen": "an unforeseen error at every attempt",
}

RETRIES: dict[Kind, float] = {
    "memory": 2,
    "worker": 5,
    "node": math.inf,
    "unforeseen": 2,
}  # other kinds are not tried again

AGAIN: dict[Kind, str] = {
    "memory": "will be tried again with more of the device",
    "worker": "will be continued",
    "node": "will be continued",
    "unforeseen": "will be tried again",
}

STOPPING: tuple[Kind, ...] = ("disk", "record")  # the failures that stop the launch

OF_ERRORS: tuple[tuple[type[D3DError], Kind], ...] = (
    (UnusableRecordError, "record"),
    (DataError, "data"),
    (TrainingError, "loss"),
    (CheckpointError, "checkpoint"),
    (D3DError, "settings"),
)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FULL_MESSAGES = ("database or disk is full", *map(os.strerror, FULL))  # of libraries that lose the error number
READER_DIED = "DataLoader worker (pid"  # in a message of torch
NO_MEMORY_MESSAGES = ("out of memory", "can't allocate memory", "_STATUS_ALLOC_FAILED")  # of torch, on any device


@dataclass(frozen=True)
class Failure:
    """Why an attempt at a cell failed."""

    kind: Kind
    text: str  # a message, or a traceback

    @property
    def name(self) -> str:
        """A description of its kind for people."""
        return NAMES[self.kind]

    @property
    def reason(self) -> str:
        """The reason in one line: the last one of a traceback."""
        return printable(self.text.strip().splitlines()[-1])


class Attempts:
    """The failures of the cells of a launch so far, and whether to try them again."""

    def __init__(self) -> None:
        self.counts: defaultdict[str, Counter[Kind]] = defaultdict(Counter)

    def again(self, cell: str, failure: Failure) -> bool:
        """Counts a failure of a cell; returns whether to try the cell again."""
        counts = self.counts[cell]
        counts[failure.kind] += 1
        return counts[failure.kind] <= RETRIES.get(failure.kind, 0)

    def progressed(self, cell: str) -> None:
        """Forgets lost workers once the cell has finished an epoch: the cell itself is not what kills them."""
        self.counts[cell]["worker"] = 0

    def step(self, cell: str) -> int:
        """How much of the device the cell gets: 0 the usual part, 1 twice as much, 2 all of it."""
        return min(self.counts[cell]["memory"], 2)


def failure_of(error: BaseException) -> Failure:
    """The failure that an error means for its cell, whether raised here or in a worker of Ray."""
    if full := _full_disk_message(error):
        return Failure("disk", full)
    if any(_no_memory(each) for each in _chain(error)):
        return Failure("memory", _last_line(error))
    for each in _chain(error):
        for known, kind in OF_ERRORS:
            if isinstance(each, known):
                return Failure(kind, _last_line(each))
    return _lost(error) or Failure("unforeseen", _plain(error))


def stopping(failure: Failure) -> D3DError:
    """The error that stops the launch, for a failure of a kind in STOPPING."""
    if failure.kind == "record":
        return UnusableRecordError(failure.reason)
    return StorageError(f"no room on the disk ({failure.reason}); free some space and run the same command again")


@contextmanager
def full_disk_explained() -> Iterator[None]:
    """Turns the various errors that libraries raise when a disk is full into a StorageError."""
    from mlflow.exceptions import MlflowException  # a slow import, which only a launch needs
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (OSError, RuntimeError, D3DError, MlflowException, SQLAlchemyError) as error:
        if isinstance(error, StorageError) or not _full_disk_message(error):
            raise
        raise stopping(failure_of(error)) from error


def _full_disk_message(error: BaseException) -> str | None:
    """The line of an error or its causes that says that a disk is full; None where none does."""
    for each in _chain(error):
        if isinstance(each, OSError) and each.errno in FULL:
            return _last_line(each)
        for line in _plain(each).splitlines():
            if any(words in line for words in FULL_MESSAGES):
                return _bare(line)
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and its causes; Ray has them in an attribute `cause`."""
    while error is not None:
        yield error
        cause = getattr(error, "cause", None)
        error = cause if isinstance(cause, BaseException) else error.__cause__ or error.__context__


def _no_memory(error: BaseException) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in NO_MEMORY_MESSAGES)


def _lost(error: BaseException) -> Failure | None:
    """The failure of a cell whose process or machine was lost; None for any other error."""
    from ray.exceptions import (
        ActorDiedError,
        RayError,
        RayTaskError,
    )  # a slow import, which only a launch with cells to run needs

    if any(isinstance(each, RuntimeError) and READER_DIED in str(each) for each in _chain(error)):
        return Failure("worker", "a process that read clips for it died: killed, or more memory than the machine has")
    if not isinstance(error, RayError) or isinstance(error, RayTaskError):
        return None
    if isinstance(error, ActorDiedError) and error.actor_init_failed:
        return None
    if "node has died" in str(error):
        return Failure("node", "its node was lost")
    return Failure("worker", "its process died: killed, crashed, or more memory than the machine has")


def _last_line(error: BaseException) -> str:
    """The error in one line: the last, as an error of another process has its traceback in the message."""
    return _bare(_plain(error).splitlines()[-1])


def _bare(line: str) -> str:
    """A line without the class name that a traceback puts before the message."""
    return re.sub(r"^(\w+\.)+\w*(Error|Exception): ", "", line.strip())


def _plain(error: BaseException) -> str:
    """The message of an error without the colours that Ray adds, and without the secrets of URIs."""
    return redacted(re.sub(r"\x1b\[\d*m", "", str(error)).strip()) or type(error).__name__
