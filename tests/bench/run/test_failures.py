import errno
import os
import sqlite3

import pytest
import torch
from mlflow.exceptions import MlflowException
from ray import cloudpickle
from ray.exceptions import ActorDiedError, RayTaskError
from safetensors import SafetensorError

from d3d.bench.run.failures import RETRIES, Attempts, Failure, Kind, failure_of, full_disk_explained
from d3d.errors import (
    CheckpointError,
    ConfigError,
    DamageError,
    DataError,
    StorageError,
    TrainingError,
    UnusableRecordError,
)

FULL = os.strerror(errno.ENOSPC)
KINDS: tuple[Kind, ...] = ("memory", "unforeseen", "data")


def raised_by_a_worker(error: Exception) -> Exception:
    """The error as it reaches the driver: without its cause, and with a traceback around its message."""
    name = f"{type(error).__module__}.{type(error).__name__}"
    remote = RayTaskError("train", f"Traceback:\n  line 1\n{name}: {error}", error)  # type: ignore[no-untyped-call]
    arrived: Exception = cloudpickle.loads(cloudpickle.dumps(remote.as_instanceof_cause()))  # type: ignore[no-untyped-call]
    return arrived


@pytest.mark.parametrize("arrived", [lambda error: error, raised_by_a_worker])
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (DataError("clip 0001: damaged"), "data"),
        (TrainingError("the loss of epoch 1 is nan"), "loss"),
        (CheckpointError("of another configuration"), "checkpoint"),
        (DamageError("damaged"), "checkpoint"),
        (ConfigError("model.width=0: must be at least 1"), "settings"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), "memory"),
        (RuntimeError("CUDA error: out of memory"), "memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), "memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"), "memory"),
        (MemoryError(), "memory"),
        (OSError(errno.ENOSPC, FULL, "/results/predictions.csv"), "disk"),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), "disk"),
        (SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"), "disk"),
        (MlflowException("(sqlite3.OperationalError) database or disk is full\n[SQL: INSERT]\n(Background)"), "disk"),
        (UnusableRecordError("tracking.uri=http://h:1: does not answer; run it again"), "record"),
        (OSError(errno.EIO, "Input/output error"), "unforeseen"),
        (RuntimeError("shape mismatch"), "unforeseen"),
    ],
)
def test_an_error_is_of_the_same_kind_wherever_it_was_raised(error: Exception, kind: str, arrived: object) -> None:
    failure = failure_of(arrived(error))  # type: ignore[operator]
    assert failure.kind == kind
    assert "\n" not in failure.reason
    assert "\x1b" not in failure.text
    assert (str(error).splitlines() or ["MemoryError"])[0] in failure.reason


def test_a_reason_has_no_name_of_a_class_but_that_of_the_file() -> None:
    arrived = [raised_by_a_worker(error) for error in (DataError("a.jpg: cut off"), torch.OutOfMemoryError("no room"))]
    assert [failure_of(error).reason for error in arrived] == ["a.jpg: cut off", "no room"]


def test_what_is_recorded_of_an_error_has_no_password() -> None:
    failure = failure_of(OSError("API request to http://ann:s3cret@host/api failed\nretry http://ann:s3cret@host"))
    assert (failure.kind, failure.reason) == ("unforeseen", "retry http://***@host")
    assert "s3cret" not in failure.text


def test_a_dead_process_and_a_dead_node_are_told_apart() -> None:
    process, node = ActorDiedError(), ActorDiedError()
    node.error_msg = "The actor died because its node has died. Node Id: 01"
    reader = raised_by_a_worker(RuntimeError("DataLoader worker (pid(s) 4711) exited unexpectedly"))
    assert [failure_of(error).kind for error in (process, reader, node)] == ["worker", "worker", "node"]


def test_an_error_that_came_of_a_full_disk_is_one() -> None:
    try:
        try:
            raise OSError(errno.ENOSPC, FULL)
        except OSError as error:
            raise RuntimeError("could not be written") from error
    except RuntimeError as error:
        assert failure_of(error).kind == "disk"


def test_a_full_disk_is_one_clear_line_and_nothing_else_is() -> None:
    said = r"no room on the disk \(.*disk is full\); free some space and run the same command again"
    with pytest.raises(StorageError, match=said) as caught, full_disk_explained():
        raise MlflowException("(sqlite3.OperationalError) database or disk is full\n[SQL: INSERT]")
    assert "\n" not in str(caught.value)
    for other in (OSError(errno.EIO, "no"), sqlite3.OperationalError("locked"), DataError("a clip")):
        with pytest.raises(type(other)), full_disk_explained():
            raise other


def test_each_kind_has_its_own_number_of_attempts() -> None:
    attempts = Attempts()
    memory, unforeseen, data = (Failure(kind, "no") for kind in KINDS)
    assert not attempts.again("a", data)
    assert [attempts.again("a", memory) for _ in range(3)] == [True, True, False]
    assert [attempts.again("a", unforeseen) for _ in range(3)] == [True, True, False]
    assert [attempts.again("b", Failure("node", "no")) for _ in range(100)] == [True] * 100
    assert RETRIES.keys() == {"memory", "worker", "node", "unforeseen"}


def test_with_every_loss_of_memory_a_cell_gets_more() -> None:
    attempts = Attempts()
    steps = [attempts.step("a")]
    for _ in range(3):
        attempts.again("a", Failure("memory", "no"))
        steps.append(attempts.step("a"))
    attempts.again("a", Failure("worker", "no"))
    assert (steps, attempts.step("a"), attempts.step("b")) == ([0, 1, 2, 2], 2, 0)
