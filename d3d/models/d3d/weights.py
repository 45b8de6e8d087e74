"""Starts the 3D deformable transformer with the weights of an earlier training, on the same or on another dataset."""

from pathlib import Path

from torch import nn

from d3d.errors import DataError
from d3d.models.layers.weights_file import open_weights, some

PARTS = ("average.module.", "model.", "")  # of a checkpoint: what it was tested with, without an average, or any file
HEAD = "head."


def load_weights(model: nn.Module, file: Path, digest: str = "") -> None:
    """Gives a model the weights of a safetensors file, all but the head's, whose classes are those of its dataset.

    Args:
        model: whose weights are replaced; its head stays as it was drawn.
        file: a checkpoint of this project, or a file with the model's own names. Weights that the model has no module
            for are not used, so that a row that lacks a module can start from the full model.
        digest: of the file when the launch was planned; empty: the file may be any.

    Raises DataError where the file cannot be read or is another one by now, and where the model has weights that it
    lacks or has in another shape: it names them.
    """
    with open_weights(file, digest) as stored:
        names = [*stored.keys()]
        part = next(each for each in PARTS if any(name.startswith(each) for name in names) or not each)
        found = {name.removeprefix(part): stored.get_tensor(name) for name in names if name.startswith(part)}
    wanted = {name: weight.shape for name, weight in model.state_dict().items() if not name.startswith(HEAD)}
    wrong = [name for name, shape in wanted.items() if name not in found or found[name].shape != shape]
    if wrong:
        raise DataError(
            f"{file}: these weights of the model are missing in it, or have another shape: {some(wrong)}; name the "
            "checkpoint of a model of the same size, tokens and number of joints"
        )
    model.load_state_dict({name: found[name] for name in wanted}, strict=False)
