"""The state a training resumes from, bit for bit: weights, the optimizer's moments and the number of finished epochs.

It is one safetensors file, so reading it cannot run code. It holds no random state: every random choice of a training
is a function of (seed, epoch).
"""

import dataclasses
import hashlib
import json
import os
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from d3d.config import PLACES, Config, without_added, without_files
from d3d.errors import CheckpointError, DamageError

FILE = "checkpoint.safetensors"
PREVIOUS = "previous.safetensors"  # the checkpoint before it


def fingerprint(config: Config) -> str:
    """A hash of the configuration that a checkpoint belongs to, except where the data lies and how it is tested."""
    plain = without_added(without_files(dataclasses.asdict(config), config.model))
    del plain["evaluation"], plain["measurement"]
    for key in (*PLACES, "skeleton", "missing", "damaged", "classes", "fold"):
        plain["data"].pop(key, None)  # a key of ADDED may have been left out; model.classes has the number of classes
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def save_checkpoint(
    folder: Path,
    config: Config,
    model: nn.Module,
    optimizer: Optimizer,
    epochs: int,
    average: nn.Module | None = None,
    described: Mapping[str, Any] | None = None,
) -> None:
    """Writes a checkpoint with a digest of its content; the one before it stays as PREVIOUS.

    A kill at any moment, or a full disk, leaves one of the two files intact.

    Args:
        folder: of both files, made where it does not exist.
        config: of the training.
        model: whose weights are written.
        optimizer: whose moments are written.
        epochs: finished epochs.
        average: the moving average of the weights; None where there is none.
        described: what `read_description` returns; None: nothing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = {"model": model.state_dict(), "average": average.state_dict() if average is not None else {}}
    tensors = {
        f"{part}.{name}": tensor.detach().cpu().contiguous()
        for part, own in {**parts, "optimizer": _moments(optimizer)}.items()
        for name, tensor in own.items()
    }
    progress: dict[str, Any] = {"epochs": epochs, "fingerprint": fingerprint(config)}
    progress |= {"described": described} if described else {}
    progress["digest"] = _digest(progress, tensors)
    temporary = folder / f"{FILE}.{os.getpid()}"
    try:
        save_file(
            tensors, temporary, metadata={"progress": json.dumps(progress)}
        )  # one key: the order of several is not fixed
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        with suppress(FileNotFoundError):
            (folder / FILE).replace(folder / PREVIOUS)
        temporary.replace(folder / FILE)
    finally:
        temporary.unlink(missing_ok=True)


def load_checkpoint(
    folder: Path,
    config: Config,
    model: nn.Module,
    optimizer: Optimizer,
    average: nn.Module | None = None,
    notice: Callable[[str], None] = warnings.warn,
) -> int:
    """Loads the newest intact checkpoint; returns the number of finished epochs, 0 where there is none.

    A damaged file is removed and the one before it is loaded: as every random choice is a function of (seed, epoch),
    the epochs after it give the same bits again.

    Args:
        folder: of the checkpoints.
        config: of the training.
        model: is given the weights.
        optimizer: is given the moments.
        average: is given the moving average; None where the training has none.
        notice: told of each damaged file.

    Raises CheckpointError for a file of another configuration.
    """
    for unfinished in folder.glob(f"{FILE}.*"):  # of processes that were killed while writing
        unfinished.unlink()
    for path in (folder / FILE, folder / PREVIOUS):
        try:
            epochs, tensors = _read(path, config)
            _check_tensors(path, tensors, model, "model.")
            if average is not None:
                _check_tensors(path, tensors, average, "average.")
            _check_moments(path, _part(tensors, "optimizer."), optimizer)
        except FileNotFoundError:
            continue
        except DamageError as error:
            path.unlink()
            left = "the one before it is used" if (folder / PREVIOUS).exists() else "it is trained from the start"
            notice(f"{error}; removed, and {left}")
            continue
        model.load_state_dict(_part(tensors, "model."))
        if average is not None:
            average.load_state_dict(_part(tensors, "average."))
        _restore(optimizer, _part(tensors, "optimizer."))
        return epochs
    return 0


def load_trained(folder: Path, config: Config, model: nn.Module) -> None:
    """Loads the weights that the finished training of `config` was tested with.

    Raises CheckpointError where there is no checkpoint, where the training is not finished, and where it is damaged.
    """
    tensors = _trained(folder, config)
    try:
        _check_tensors(folder / FILE, tensors, model, "")
    except DamageError as error:
        raise CheckpointError(f"{error}; run the same command again, which trains it again") from error
    model.load_state_dict(tensors)


def _trained(folder: Path, config: Config) -> dict[str, Tensor]:
    """The weights that a finished training was tested with, by name. Raises CheckpointError."""
    path = folder / FILE
    try:
        epochs, tensors = _read(path, config)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: not there; train this cell again, its weights are gone") from error
    except DamageError as error:
        raise CheckpointError(f"{error}; run the same command again, which trains it again") from error
    if epochs < config.training.epochs:
        raise CheckpointError(f"{path}: {epochs} of {config.training.epochs} epochs; finish this training first")
    return _part(tensors, "average.module." if config.training.average else "model.")


@dataclasses.dataclass(frozen=True)
class TrainedPart:
    """A submodule of a system, and the finished training whose submodule `expert` it starts with."""

    name: str
    folder: Path  # of the training's checkpoint
    config: Config  # of the training


def load_part(part: TrainedPart, model: nn.Module) -> None:
    """Loads the weights of a submodule from a finished training, which was tested with them.

    Raises CheckpointError as `load_trained` does, and where the weights have other shapes.
    """
    tensors = _trained(part.folder, part.config)
    try:
        model.get_submodule(part.name).load_state_dict(_part(tensors, "expert."))
    except RuntimeError as error:
        raise CheckpointError(f"{part.folder / FILE}: has no weights that fit {part.name}") from error


def finished_epochs(folder: Path, config: Config) -> int:
    """The finished epochs in the newest intact checkpoint of this training; 0 where there is none."""
    for path in (folder / FILE, folder / PREVIOUS):
        with suppress(FileNotFoundError, CheckpointError):
            stat = path.stat()
            progress = _checked(path, stat.st_ino, stat.st_mtime_ns)
            epochs = progress.get("epochs")
            if progress.get("fingerprint") == fingerprint(config) and isinstance(epochs, int):
                return epochs
    return 0


def read_description(folder: Path) -> Mapping[str, Any]:
    """What the checkpoint of a training says of itself; see description.py.

    It may be anything that JSON can say: whoever uses it has to check it. Raises CheckpointError where there is no
    checkpoint, where it is damaged, and where it was written before checkpoints had a description.
    """
    path = folder / FILE
    try:
        described = _verified(path)[0].get("described")
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: not there; train this cell again, its weights are gone") from error
    if not isinstance(described, dict):
        raise CheckpointError(
            f"{path}: does not say of which model; it is of an older version, or learned without labels"
        )
    return described


def discard_checkpoints(folder: Path) -> None:
    """Removes the checkpoints, so that the training starts over."""
    for path in (folder / FILE, folder / PREVIOUS):
        path.unlink(missing_ok=True)


def _read(path: Path, config: Config) -> tuple[int, dict[str, Tensor]]:
    """The finished epochs and all tensors. Raises FileNotFoundError, DamageError, CheckpointError."""
    progress, tensors = _verified(path)
    if progress.get("fingerprint") != fingerprint(config):
        raise CheckpointError(f"{path}: of another configuration; remove it to train this cell from the start")
    epochs = progress.get("epochs")
    if not isinstance(epochs, int) or not 1 <= epochs <= config.training.epochs:
        raise DamageError(f"{path}: damaged (it does not say after how many epochs it was written)")
    return epochs, tensors


def _check_tensors(path: Path, tensors: dict[str, Tensor], module: nn.Module, prefix: str) -> None:
    """Raises DamageError unless these are the module's tensors; checked before any of them is loaded."""
    found, wanted = (
        {name: (tensor.shape, tensor.dtype) for name, tensor in each.items()}
        for each in (_part(tensors, prefix), module.state_dict())
    )
    if found != wanted:
        raise DamageError(f"{path}: damaged (its weights are not those of this model)")


def _check_moments(path: Path, moments: dict[str, Tensor], optimizer: Optimizer) -> None:
    """Raises DamageError unless these are the optimizer's moments; a weight without a gradient has none."""
    found: dict[str, dict[str, torch.Size]] = {}
    for key, tensor in moments.items():
        index, _, name = key.partition(".")
        found.setdefault(index, {})[name] = tensor.shape
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    for index, shapes in found.items():
        own = weights[int(index)].shape if index.isdecimal() and int(index) < len(weights) else None
        if own is None or shapes != {"step": torch.Size(()), "exp_avg": own, "exp_avg_sq": own}:
            raise DamageError(f"{path}: damaged (its moments are not those of this optimizer)")


@lru_cache(maxsize=4096)
def _checked(path: Path, inode: int, modified: int) -> dict[str, Any]:
    """The progress that a file holds, read once as long as the file stays the same."""
    return _verified(path)[0]


def _verified(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The progress and all tensors of a file whose digest is right. Raises FileNotFoundError, DamageError."""
    try:
        with safe_open(path, framework="pt") as stored:
            progress = json.loads((stored.metadata() or {}).get("progress", ""))
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118, not a mapping
        digest = progress.pop("digest", None)
        intact = digest is None or digest == _digest(progress, tensors)  # None: written before digests existed
    except (SafetensorError, ValueError, TypeError, AttributeError) as error:
        raise DamageError(f"{path}: damaged ({' '.join(str(error).split())})") from error
    if not intact:
        raise DamageError(f"{path}: damaged (its content is not what was written)")
    return progress, tensors


def _digest(progress: dict[str, Any], tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256(json.dumps(progress, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names have a prefix, by their names without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _moments(optimizer: Optimizer) -> dict[str, Tensor]:
    state: dict[int, dict[str, Tensor]] = optimizer.state_dict()["state"]
    return {f"{index}.{name}": tensor for index, moments in state.items() for name, tensor in moments.items()}


def _restore(optimizer: Optimizer, moments: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in moments.items():
        index, name = key.split(".")
        state.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
