"""What can befall a cell, and what becomes of it then: given up at once, or tried again, and how.

A fault of the data, the settings or the checkpoint is the same the next time, so it is given up. Out of memory is tried
again with more of the device, a lost worker where it was. A full disk is nobody's cell: it stops the launch.
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

from d3d.errors import CheckpointError, D3DError, DataError, StorageError, TrainingError

Kind = Literal["data", "loss", "checkpoint", "settings", "memory", "worker", "node", "disk", "unforeseen"]

NAMES: dict[Kind, str] = {
    "data": "a clip or a file that cannot be used",
    "loss": "a loss that is no number",
    "checkpoint": "a checkpoint that cannot be used",
    "settings": "settings that cannot be used",
    "memory": "out of memory, even alone on the device",
    "worker": "a worker that was lost again and again before it finished an epoch",
    "node": "a node that was lost",
    "disk": "no room on the disk",
    "unforeseen": "an unforeseen error, whenever it was tried",
}

RETRIES: dict[Kind, float] = {"memory": 2, "worker": 5, "node": math.inf, "unforeseen": 2}  # none of any other kind

AGAIN: dict[Kind, str] = {
    "memory": "will be tried again with more of the device",
    "worker": "will be continued",
    "node": "will be continued",
    "unforeseen": "will be tried again",
}

OF_ERRORS: tuple[tuple[type[D3DError], Kind], ...] = (
    (DataError, "data"),
    (TrainingError, "loss"),
    (CheckpointError, "checkpoint"),
    (D3DError, "settings"),
)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
SAID_FULL = ("database or disk is full", *map(os.strerror, FULL))  # by libraries that keep the words alone
READER_DIED = "DataLoader worker (pid"  # by torch
SAID_NO_MEMORY = ("out of memory", "can't allocate memory", "_STATUS_ALLOC_FAILED")  # by torch, of whatever device


@dataclass(frozen=True)
class Failure:
    """What befell a cell."""

    kind: Kind
    text: str  # a message, or a traceback

    @property
    def name(self) -> str:
        """What it is called where a person reads it."""
        return NAMES[self.kind]

    @property
    def reason(self) -> str:
        """In one line: of a traceback the last says why."""
        return self.text.strip().splitlines()[-1]


class Attempts:
    """What befell the cells of a launch so far."""

    def __init__(self) -> None:
        self.counts: defaultdict[str, Counter[Kind]] = defaultdict(Counter)

    def again(self, cell: str, failure: Failure) -> bool:
        """Notes what befell a cell; whether it is to be tried again."""
        counts = self.counts[cell]
        counts[failure.kind] += 1
        return counts[failure.kind] <= RETRIES.get(failure.kind, 0)

    def progressed(self, cell: str) -> None:
        """The cell finished an epoch, so that losing its worker once more is no sign that the cell itself kills it."""
        self.counts[cell]["worker"] = 0

    def step(self, cell: str) -> int:
        """How much of the device it is to get: 0 its share, 1 twice that, 2 all."""
        return min(self.counts[cell]["memory"], 2)


def failure_of(error: BaseException) -> Failure:
    """What an error means for the cell that raised it, here or in a worker of Ray's."""
    if full := _said_full(error):
        return Failure("disk", full)
    if any(_no_memory(each) for each in _chain(error)):
        return Failure("memory", _last_line(error))
    for each in _chain(error):
        for known, kind in OF_ERRORS:
            if isinstance(each, known):
                return Failure(kind, _last_line(each))
    return _lost(error) or Failure("unforeseen", _plain(error))


def full_disk(failure: Failure) -> StorageError:
    """What stops the launch."""
    return StorageError(f"no room on the disk ({failure.reason}); make some and run the same command again")


@contextmanager
def full_disk_explained() -> Iterator[None]:
    """Within it, what libraries make of a full disk is a StorageError."""
    from mlflow.exceptions import MlflowException  # not where nothing is launched
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (OSError, RuntimeError, D3DError, MlflowException, SQLAlchemyError) as error:
        if isinstance(error, StorageError) or not _said_full(error):
            raise
        raise full_disk(failure_of(error)) from error


def _said_full(error: BaseException) -> str | None:
    """The line that says of a disk that it is full, if one does."""
    for each in _chain(error):
        if isinstance(each, OSError) and each.errno in FULL:
            return _last_line(each)
        for line in _plain(each).splitlines():
            if any(words in line for words in SAID_FULL):
                return _bare(line)
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it came of; Ray keeps that under a name of its own."""
    while error is not None:
        yield error
        cause = getattr(error, "cause", None)
        error = cause if isinstance(cause, BaseException) else error.__cause__ or error.__context__


def _no_memory(error: BaseException) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in SAID_NO_MEMORY)


def _lost(error: BaseException) -> Failure | None:
    """Whether the process, or the machine, was lost that the cell was on."""
    from ray.exceptions import ActorDiedError, RayError, RayTaskError  # not where nothing is run

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
    """The error in a line; of one that another process raised, with its traceback, the last line says what it was."""
    return _bare(_plain(error).splitlines()[-1])


def _bare(line: str) -> str:
    """Without the name of the class that a traceback puts before the words."""
    return re.sub(r"^(\w+\.)+\w*(Error|Exception): ", "", line.strip())


def _plain(error: BaseException) -> str:
    """Without the colours of Ray's."""
    return re.sub(r"\x1b\[\d*m", "", str(error)).strip() or type(error).__name__
