import dataclasses
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from torch import nn

from d3d.config import Config, DataConfig
from d3d.data.clip import Dataset
from d3d.errors import CheckpointError
from d3d.prediction import Prediction
from d3d.training.checkpoint import FILE, PREVIOUS, fingerprint, finished_epochs, save_checkpoint
from d3d.training.evaluation import evaluate_trained
from d3d.training.loop import train
from tests.training.trainings import CPU, Report, run


def test_a_checkpoint_of_another_configuration_is_refused(
    tiny_config: Config, tiny_dataset: Dataset, checkpoint: Path
) -> None:
    run(tiny_config, tiny_dataset, checkpoint)
    with pytest.raises(CheckpointError, match="another configuration"):
        run(dataclasses.replace(tiny_config, seed=4), tiny_dataset, checkpoint)


def notices_of(config: Config, dataset: Dataset, folder: Path) -> tuple[list[str], tuple[Prediction, ...], bytes]:
    """Continues the training; returns the notices about its checkpoint first."""
    said: list[str] = []
    predictions = train(config, dataset, CPU, folder, Report(), notice=said.append)
    return said, predictions, (folder / FILE).read_bytes()


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :]


DAMAGES = [lambda b: b[: len(b) // 2], lambda b: b"", flipped, lambda b: b"cos\nsystem\n(S'x'\ntR."]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(
    damage: Callable[[bytes], bytes], tiny_config: Config, tiny_dataset: Dataset, checkpoint: Path
) -> None:
    _, predictions, weights = run(tiny_config, tiny_dataset, checkpoint)
    before = (checkpoint / PREVIOUS).read_bytes()
    (checkpoint / FILE).write_bytes(damage(weights))
    [said], *same = notices_of(tiny_config, tiny_dataset, checkpoint)
    assert said.startswith(f"{checkpoint / FILE}: damaged (")
    assert said.endswith("; removed, and the one before it is used")
    assert "\n" not in said
    assert same == [predictions, weights]
    assert (checkpoint / PREVIOUS).read_bytes() == before


def test_where_both_are_damaged_the_training_begins_anew(
    tiny_config: Config, tiny_dataset: Dataset, checkpoint: Path
) -> None:
    _, predictions, weights = run(tiny_config, tiny_dataset, checkpoint)
    for file in (FILE, PREVIOUS):
        (checkpoint / file).write_bytes(flipped(weights))
    said, *same = notices_of(tiny_config, tiny_dataset, checkpoint)
    assert [line.partition(": ")[0] for line in said] == [str(checkpoint / file) for file in (FILE, PREVIOUS)]
    assert said[1].endswith("removed, and it is trained from the start")
    assert same == [predictions, weights]


def test_whatever_bit_is_flipped_is_found(tiny_config: Config, checkpoint: Path) -> None:
    model = nn.BatchNorm1d(2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.randn(4, 2)).sum().backward()
    optimizer.step()
    save_checkpoint(checkpoint, tiny_config, model, optimizer, 3)
    content = (checkpoint / FILE).read_bytes()
    header = int.from_bytes(content[:8], "little")
    name = content.index(b"digest")  # without the key, the file is taken for one from before digests existed
    for byte in (*range(8, 8 + header, 7), *range(8 + header, len(content))):
        if name <= byte < name + len("digest"):
            continue
        (checkpoint / FILE).write_bytes(content[:byte] + bytes([content[byte] ^ 1]) + content[byte + 1 :])
        assert finished_epochs(checkpoint, tiny_config) == 0, (byte, content[byte - 9 : byte + 9])
    (checkpoint / FILE).write_bytes(content)
    assert finished_epochs(checkpoint, tiny_config) == 3


def test_weights_that_are_damaged_are_not_tested(tiny_config: Config, tiny_dataset: Dataset, checkpoint: Path) -> None:
    _, _, weights = run(tiny_config, tiny_dataset, checkpoint)
    (checkpoint / FILE).write_bytes(flipped(weights))
    with pytest.raises(CheckpointError, match=r"damaged.*run the same command again, which trains it again"):
        evaluate_trained(tiny_config, tiny_config, tiny_dataset, CPU, checkpoint)


def test_nothing_but_the_last_two_checkpoints_is_left_behind(
    tiny_config: Config, tiny_dataset: Dataset, checkpoint: Path
) -> None:
    checkpoint.mkdir()
    (checkpoint / f"{FILE}.4711").write_bytes(b"of a process that was killed as it wrote")
    run(tiny_config, tiny_dataset, checkpoint)
    assert sorted(path.name for path in checkpoint.iterdir()) == sorted([FILE, PREVIOUS])


def test_a_kill_between_two_renames_costs_an_epoch_and_nothing_else(
    tiny_config: Config, tiny_dataset: Dataset, checkpoint: Path
) -> None:
    _, predictions, weights = run(tiny_config, tiny_dataset, checkpoint)
    (checkpoint / FILE).unlink()
    assert notices_of(tiny_config, tiny_dataset, checkpoint) == ([], predictions, weights)


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no limit on the size of files")
def test_a_disk_that_is_full_leaves_the_checkpoint_as_it_was(
    tiny_config: Config, tiny_dataset: Dataset, checkpoint: Path
) -> None:
    _, _, weights = run(tiny_config, tiny_dataset, checkpoint)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    model = nn.Linear(100, 100)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # the largest file that can be written
    try:
        with pytest.raises(SafetensorError, match="File too large"):
            save_checkpoint(checkpoint, tiny_config, model, torch.optim.SGD(model.parameters()), 5)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert sorted(path.name for path in checkpoint.iterdir()) == sorted([FILE, PREVIOUS])
    assert (checkpoint / FILE).read_bytes() == weights


def test_checkpoints_that_were_written_before_still_belong_to_their_training() -> None:
    """A key that is added later must not change this; see `ADDED`."""
    assert fingerprint(Config()) == "9efdbad5e3b4696ff2c04e77b83e3aa0d11bbe0ee084850612ef0d36f0d42dc8"


def test_a_checkpoint_does_not_mind_where_the_data_lies() -> None:
    here, there = (DataConfig(name="pyskl", root=place, annotations=f"{place}/a.pkl") for place in ("/here", "/there"))
    assert fingerprint(Config(data=here)) == fingerprint(Config(data=there))
    assert fingerprint(Config(data=here)) != fingerprint(Config(data=dataclasses.replace(here, crop=200)))
