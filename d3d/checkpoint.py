"""The state a training resumes from, bit for bit: weights, optimiser moments and the number of finished epochs.

One safetensors file, so that reading it can run no code. No random state is kept: every random choice of a training
is a function of (seed, epoch).
"""

import dataclasses
import hashlib
import json
import os
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from d3d.config import Config
from d3d.errors import CheckpointError

FILE = "checkpoint.safetensors"


def fingerprint(config: Config) -> str:
    """Of what a checkpoint must agree with: all that trains, wherever the data lies and whatever is tested after."""
    plain = dataclasses.asdict(config)
    del plain["evaluation"], plain["measurement"]
    for key in ("root", "annotations", "missing", "classes"):  # of the classes the model's number speaks
        del plain["data"][key]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def save_checkpoint(
    folder: Path,
    config: Config,
    model: nn.Module,
    optimizer: Optimizer,
    epochs: int,
    average: nn.Module | None = None,
) -> None:
    """Writes the state after `epochs` finished epochs; the file before it stays until this one is whole on the disk."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"model.{name}": tensor.contiguous() for name, tensor in model.state_dict().items()}
    if average is not None:
        tensors |= {f"average.{name}": tensor.contiguous() for name, tensor in average.state_dict().items()}
    tensors |= {f"optimizer.{name}": tensor.contiguous() for name, tensor in _moments(optimizer).items()}
    temporary = folder / f"{FILE}.{os.getpid()}"
    progress = {"epochs": epochs, "fingerprint": fingerprint(config)}
    save_file(tensors, temporary, metadata={"progress": json.dumps(progress)})  # one key: several have no fixed order
    with temporary.open("rb") as written:
        os.fsync(written.fileno())
    temporary.replace(folder / FILE)


def load_checkpoint(
    folder: Path, config: Config, model: nn.Module, optimizer: Optimizer, average: nn.Module | None = None
) -> int:
    """Fills model, optimiser and moving average, returns the number of finished epochs: 0 without a checkpoint.

    Raises CheckpointError for a damaged file and for one of another configuration.
    """
    if not (folder / FILE).exists():
        return 0
    epochs, tensors = _read(folder / FILE, config)
    model.load_state_dict(_part(tensors, "model."))
    if average is not None:
        average.load_state_dict(_part(tensors, "average."))
    _restore(optimizer, _part(tensors, "optimizer."))
    return epochs


def load_trained(folder: Path, config: Config, model: nn.Module) -> None:
    """Fills the model with the weights that a finished training of `config` tested.

    Raises CheckpointError where there is none, where it has epochs to go, and where it cannot be used.
    """
    path = folder / FILE
    if not path.exists():
        raise CheckpointError(f"{path}: not there; train this cell again, its weights are gone")
    epochs, tensors = _read(path, config)
    if epochs < config.training.epochs:
        raise CheckpointError(f"{path}: {epochs} of {config.training.epochs} epochs; finish this training first")
    model.load_state_dict(_part(tensors, "average.module." if config.training.average else "model."))


def _read(path: Path, config: Config) -> tuple[int, dict[str, Tensor]]:
    """Finished epochs and every tensor."""
    try:
        with safe_open(path, framework="pt") as stored:
            progress = json.loads((stored.metadata() or {}).get("progress", "{}"))
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118, not a mapping
    except SafetensorError as error:
        raise CheckpointError(f"{path}: damaged ({error}); remove it to train this cell from the start") from error
    if progress.get("fingerprint") != fingerprint(config):
        raise CheckpointError(f"{path}: of another configuration; remove it to train this cell from the start")
    return int(progress["epochs"]), tensors


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Those under a prefix, without it."""
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
