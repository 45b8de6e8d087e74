"""What this machine has and must have, checked before anything is started or written."""

import fcntl
import os
import re
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from d3d.bench.declare.launch import Launch, Resources
from d3d.cpus import cpu_count
from d3d.errors import ScheduleError

ROOM = 2**17  # bytes, without which a launch could not even begin its record
UNUSABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")  # control characters, and bytes that are not UTF-8


def check_storage(storage: Path) -> None:
    """Raises ScheduleError unless the folder can be created, written to and locked; leaves nothing behind.

    How much room the launch itself needs is not known; a disk that fills up later stops it.
    """
    if UNUSABLE.search(str(storage)):
        raise ScheduleError(f"storage={storage}: has a character that is no text; name another folder with storage=DIR")
    try:
        there = next(path for path in (storage, *storage.parents) if path.exists())
        with tempfile.NamedTemporaryFile(dir=there) as file:
            _check_locks(storage, file)
            file.write(bytes(ROOM))
            file.flush()
            os.fsync(file.fileno())  # some file systems only then say that they are full
    except OSError as error:
        fault = f"storage={storage}: cannot be written ({error.strerror}); name another folder with storage=DIR"
        raise ScheduleError(fault) from error


def _check_locks(storage: Path, file: IO[bytes]) -> None:
    """Raises ScheduleError unless a file of the folder can be locked: launches, cells and SQLite depend on it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(file, fcntl.LOCK_UN)
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # SQLite's kind of lock
    except OSError as error:
        fault = f"storage={storage}: its file system has no locks ({error.strerror})"
        raise ScheduleError(f"{fault}; name a folder on another one with storage=DIR") from error


def check_resources(launch: Launch) -> None:
    """Raises ScheduleError where this machine has less than the launch asks for, or the cluster does not answer.

    What the nodes of a cluster have is known only once the launch is attached to it.
    """
    if launch.cluster.address is None:
        _check_this_machine(launch.resources)
    elif launch.resources.cpus is not None:
        raise ScheduleError(f"resources.cpus={launch.resources.cpus}: a cluster has its own; leave it out")
    else:
        _check_answers(launch.cluster.address)


def _check_this_machine(asked: Resources) -> None:
    cpus = cpu_count()
    granted = asked.cpus or cpus
    if granted > cpus:
        fault = f"resources.cpus={granted}: this machine has {cpus} that this launch may use"
        raise ScheduleError(f"{fault}; ask for at most that")
    if asked.cpus_per_cell > granted:
        fault = f"resources.cpus_per_cell={asked.cpus_per_cell}: this launch has {granted} CPUs"
        raise ScheduleError(f"{fault}; ask for at most that")
    if asked.gpus_per_cell and not gpu_count():
        fault = f"resources.gpus_per_cell={asked.gpus_per_cell:g}: this machine has no GPU that PyTorch can use"
        raise ScheduleError(f"{fault}; leave it out to train on CPUs")


def _check_answers(address: str) -> None:
    """Raises ScheduleError where nothing listens at the address: Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        try:
            socket.create_connection((host.removeprefix("ray://"), int(port)), timeout=10).close()
        except OSError as error:
            fault = f"cluster.address={address}: does not answer ({error.strerror or error})"
            raise ScheduleError(f"{fault}; leave it out to use this machine alone") from error


def slots(launch: Launch) -> int:
    """The number of trainings that a launch on this machine runs at once."""
    cpus = (launch.resources.cpus or cpu_count()) // launch.resources.cpus_per_cell
    gpus = gpus_per_cell(launch.resources.gpus_per_cell)
    return max(1, min(cpus, int(gpu_count() / gpus)) if gpus else cpus)


def gpus_per_cell(asked: float | None) -> float:
    """GPUs of one training on this machine: as many as asked for; None: one where there is any, else none."""
    return float(gpu_count() > 0) if asked is None else asked


def gpu_count() -> int:
    """GPUs PyTorch can use."""
    import torch  # a slow import, which a refused launch does not need

    return torch.cuda.device_count()


@contextmanager
def locked(storage: Path) -> Iterator[None]:
    """Locks the storage folder: two launches that train the same cell at once would spoil its checkpoint.

    Raises ScheduleError where another launch has locked it.
    """
    with ExitStack() as stack:
        try:
            storage.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context((storage / ".lock").open("w"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            fault = f"storage={storage}: another launch is using it"
            raise ScheduleError(f"{fault}; wait for it, or name another folder with storage=DIR") from error
        except OSError as error:
            fault = f"storage={storage}: cannot be locked ({error.strerror})"
            raise ScheduleError(f"{fault}; name another folder with storage=DIR") from error
        yield
