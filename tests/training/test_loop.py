import dataclasses
import itertools
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from d3d.config import AugmentationConfig, Config, DataConfig, EvaluationConfig, TrainingConfig
from d3d.data.batch import Batch
from d3d.data.clip import Dataset
from d3d.data.readers.registry import open_dataset
from d3d.errors import CheckpointError, DataError, TrainingError
from d3d.models.d3d.config import D3DConfig
from d3d.models.registry import build
from d3d.models.system import System
from d3d.prediction import Prediction
from d3d.training.checkpoint import FILE, PREVIOUS, fingerprint, finished_epochs, save_checkpoint
from d3d.training.loop import (
    EpochResult,
    build_optimizer,
    evaluate,
    evaluate_trained,
    learning_rate,
    train,
)
from tests.data.penn_files import write_root
from tests.systems import d3d_model

CPU = torch.device("cpu")
TIMINGS = {"clips_per_second", "eval_clips_per_second", "peak_memory_mib"}


class Killed(Exception):
    """Stands for the end of the process, at the worst moment: after the report, before the checkpoint."""


class Report:
    """Keeps what is reported; dies in the named epoch."""

    def __init__(self, dies: int | None = None) -> None:
        self.epochs: list[tuple[int, dict[str, float]]] = []
        self.dies = dies

    def __call__(self, result: EpochResult) -> None:
        comparable = {name: value for name, value in result.metrics.items() if name not in TIMINGS}
        self.epochs.append((result.epoch, comparable))
        if result.epoch == self.dies:
            raise Killed


def run(config: Config, dataset: Dataset, folder: Path) -> tuple[Report, tuple[Prediction, ...], bytes]:
    report = Report()
    predictions = train(config, dataset, CPU, folder, report)
    return report, predictions, (folder / FILE).read_bytes()


def test_a_training_killed_after_every_epoch_ends_with_the_same_bits(
    tiny_config: Config, tiny_dataset: Dataset, tmp_path: Path
) -> None:
    undisturbed, predictions, weights = run(tiny_config, tiny_dataset, tmp_path / "undisturbed")
    survived: dict[int, dict[str, float]] = {}
    for dies in range(1, tiny_config.training.epochs + 1):
        report = Report(dies)
        with pytest.raises(Killed):
            train(tiny_config, tiny_dataset, CPU, tmp_path / "killed", report)
        for epoch, metrics in report.epochs:
            assert survived.setdefault(epoch, metrics) == metrics  # an epoch told twice tells the same
    report, resumed, resumed_weights = run(tiny_config, tiny_dataset, tmp_path / "killed")
    assert {**survived, **dict(report.epochs)} == dict(undisturbed.epochs)
    assert resumed == predictions
    assert resumed_weights == weights


def test_average_mixup_and_augmentation_resume_to_the_same_bits_too(
    tiny_config: Config, tiny_dataset: Dataset, tmp_path: Path
) -> None:
    config = dataclasses.replace(
        tiny_config,
        training=dataclasses.replace(tiny_config.training, average=0.9, mixup=0.4),
        augmentation=AugmentationConfig(
            zoom=0.2, rotation=10, span=0.8, colour=0.2, joint_noise=0.02, joint_dropout=0.1
        ),
    )
    _, predictions, weights = run(config, tiny_dataset, tmp_path / "undisturbed")
    with pytest.raises(Killed):
        train(config, tiny_dataset, CPU, tmp_path / "killed", Report(dies=3))
    assert run(config, tiny_dataset, tmp_path / "killed")[1:] == (predictions, weights)


def test_what_is_tested_is_the_average_of_the_weights(
    tiny_config: Config, tiny_dataset: Dataset, tmp_path: Path
) -> None:
    averaged = dataclasses.replace(tiny_config, training=dataclasses.replace(tiny_config.training, average=0.9))
    plain, _, _ = run(tiny_config, tiny_dataset, tmp_path / "plain")
    report, predictions, _ = run(averaged, tiny_dataset, tmp_path / "averaged")
    for (_, without), (_, with_average) in zip(plain.epochs, report.epochs, strict=True):
        assert without["train_loss"] == with_average["train_loss"]  # it follows the weights and does not lead them
        assert without["eval_loss"] != with_average["eval_loss"]
    tested = evaluate_trained(averaged, averaged, tiny_dataset, CPU, tmp_path / "averaged")
    assert tested.predictions == predictions


def test_a_finished_training_trains_no_more(tiny_config: Config, tiny_dataset: Dataset, checkpoint: Path) -> None:
    _, predictions, weights = run(tiny_config, tiny_dataset, checkpoint)
    report, again, same = run(tiny_config, tiny_dataset, checkpoint)
    assert (report.epochs, again, same) == ([], predictions, weights)


def test_what_else_the_process_draws_changes_nothing(
    tiny_config: Config, tiny_dataset: Dataset, tmp_path: Path
) -> None:
    first = run(tiny_config, tiny_dataset, tmp_path / "first")
    torch.manual_seed(99)
    torch.rand(17)
    second = run(tiny_config, tiny_dataset, tmp_path / "second")
    assert first[2] == second[2]


def test_another_seed_is_another_training(tiny_config: Config, tiny_dataset: Dataset, tmp_path: Path) -> None:
    one = run(tiny_config, tiny_dataset, tmp_path / "one")[0].epochs
    other = run(dataclasses.replace(tiny_config, seed=4), tiny_dataset, tmp_path / "other")[0].epochs
    assert one != other


def test_a_test_of_every_third_epoch_and_the_last_changes_no_result(
    tiny_config: Config, tiny_dataset: Dataset, tmp_path: Path
) -> None:
    every, seldom = list[EpochResult](), list[EpochResult]()
    predictions = train(tiny_config, tiny_dataset, CPU, tmp_path / "every", every.append)
    assert train(tiny_config, tiny_dataset, CPU, tmp_path / "seldom", seldom.append, test_every=3) == predictions
    assert ["eval_top1" in result.metrics for result in seldom] == [False, False, True, True]
    for often, rare in zip(every, seldom, strict=True):
        for key in rare.metrics.keys() - TIMINGS:
            assert rare.metrics[key] == often.metrics[key]


def test_each_epoch_reports_every_metric(tiny_config: Config, tiny_dataset: Dataset, checkpoint: Path) -> None:
    seen: list[EpochResult] = []
    predictions = train(tiny_config, tiny_dataset, CPU, checkpoint, seen.append)
    assert [result.epoch for result in seen] == [1, 2, 3, 4]
    for result in seen:
        assert set(result.metrics) == {
            "train_loss",
            "train_top1",
            "eval_loss",
            "eval_top1",
            "eval_mean_class_accuracy",
            "learning_rate",
            "clips_per_second",
            "eval_clips_per_second",
            "peak_memory_mib",
            "moved_t",
            "moved_y",
            "moved_x",
        }
        assert result.metrics["clips_per_second"] > 0 and result.metrics["peak_memory_mib"] > 0
    right = sum(p.label == p.predicted for p in predictions)
    assert seen[-1].metrics["eval_top1"] == right / len(tiny_dataset.test)
    assert [p.clip for p in predictions] == [clip.id for clip in tiny_dataset.test]


def test_the_training_learns(tiny_config: Config, tiny_dataset: Dataset, checkpoint: Path) -> None:
    model = dataclasses.replace(d3d_model(tiny_config), width=4, dropout=0.0, drop_path=0.0)
    longer = dataclasses.replace(tiny_config.training, epochs=25, label_smoothing=0.0)
    report, _, _ = run(dataclasses.replace(tiny_config, model=model, training=longer), tiny_dataset, checkpoint)
    assert report.epochs[-1][1]["train_loss"] < 0.8 * report.epochs[0][1]["train_loss"]


def test_a_checkpoint_of_another_configuration_is_refused(
    tiny_config: Config, tiny_dataset: Dataset, checkpoint: Path
) -> None:
    run(tiny_config, tiny_dataset, checkpoint)
    with pytest.raises(CheckpointError, match="another configuration"):
        run(dataclasses.replace(tiny_config, seed=4), tiny_dataset, checkpoint)


def notices_of(config: Config, dataset: Dataset, folder: Path) -> tuple[list[str], tuple[Prediction, ...], bytes]:
    """Trains on, and keeps what is said of the checkpoint."""
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
    name = content.index(b"digest")  # without it a file is taken for one of before there was a digest
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
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # more of a file than that cannot be written
    try:
        with pytest.raises(SafetensorError, match="File too large"):
            save_checkpoint(checkpoint, tiny_config, model, torch.optim.SGD(model.parameters()), 5)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert sorted(path.name for path in checkpoint.iterdir()) == sorted([FILE, PREVIOUS])
    assert (checkpoint / FILE).read_bytes() == weights


def test_a_loss_that_is_no_number_ends_the_training(
    tiny_config: Config, tiny_dataset: Dataset, checkpoint: Path
) -> None:
    absurd = dataclasses.replace(tiny_config.training, learning_rate=1e38, warmup_epochs=0)
    with pytest.raises(TrainingError, match="learning_rate"):
        run(dataclasses.replace(tiny_config, training=absurd), tiny_dataset, checkpoint)


def test_the_rate_warms_up_then_falls_along_half_a_cosine() -> None:
    training = TrainingConfig(epochs=90, warmup_epochs=5, learning_rate=1.0)
    rates = [learning_rate(training, epoch / 10) for epoch in range(901)]
    assert rates[0] < 0.01 and rates[50] == pytest.approx(1) and rates[900] == pytest.approx(0)
    assert all(early < late for early, late in itertools.pairwise(rates[:51]))
    assert all(early > late for early, late in itertools.pairwise(rates[50:]))
    assert learning_rate(training, 5 + 85 / 2) == pytest.approx(0.5)


def test_a_warm_up_longer_than_the_training_is_no_division_by_zero() -> None:
    training = TrainingConfig(epochs=1, warmup_epochs=1, learning_rate=1.0)
    assert 0 <= learning_rate(training, 1.0) <= 1


def test_norms_and_biases_do_not_decay(tiny_config: Config) -> None:
    model = build(tiny_config.model)
    decaying, free = build_optimizer(model, tiny_config.training).param_groups
    assert decaying["weight_decay"] == 0.05 and free["weight_decay"] == 0
    assert all(p.dim() > 1 for p in decaying["params"]) and all(p.dim() <= 1 for p in free["params"])
    assert len(decaying["params"]) + len(free["params"]) == len(list(model.parameters()))


def test_evaluation_counts_what_the_model_says(tiny_config: Config, tiny_dataset: Dataset) -> None:
    class Constant(System):
        def forward(self, batch: Batch) -> Tensor:
            return nn.functional.one_hot(torch.full((len(batch.frames),), 2), tiny_config.model.classes).float()

    evaluation = evaluate(Constant(tiny_config.model), tiny_dataset, tiny_config, CPU)
    share = sum(clip.label == 2 for clip in tiny_dataset.test) / len(tiny_dataset.test)
    assert evaluation.top1 == pytest.approx(share) and share > 0
    assert {p.predicted for p in evaluation.predictions} == {2}


@pytest.mark.gpu
def test_a_training_on_a_gpu_resumes_to_the_same_metrics(
    tiny_config: Config, tiny_dataset: Dataset, tmp_path: Path
) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    whole, dies = Report(), Report(2)
    train(tiny_config, tiny_dataset, torch.device("cuda"), tmp_path / "whole", whole)
    with pytest.raises(Killed):
        train(tiny_config, tiny_dataset, torch.device("cuda"), tmp_path / "killed", dies)
    rest = Report()
    train(tiny_config, tiny_dataset, torch.device("cuda"), tmp_path / "killed", rest)
    for (epoch, expected), (again, found) in zip(whole.epochs[1:], rest.epochs, strict=True):
        assert epoch == again and found == pytest.approx(expected, rel=1e-2)


def test_a_trained_model_is_tested_otherwise_without_training(
    tiny_config: Config, tiny_dataset: Dataset, checkpoint: Path
) -> None:
    report, predictions, weights = run(tiny_config, tiny_dataset, checkpoint)
    same = evaluate_trained(tiny_config, tiny_config, tiny_dataset, CPU, checkpoint)
    assert same.predictions == predictions and same.loss == report.epochs[-1][1]["eval_loss"]
    losses = {same.loss}
    for change in ({"frames": 6}, {"joint_noise": 0.2}, {"joint_dropout": 0.5}):
        config = dataclasses.replace(tiny_config, evaluation=EvaluationConfig(**change))
        first = evaluate_trained(config, tiny_config, tiny_dataset, CPU, checkpoint)
        assert first == evaluate_trained(config, tiny_config, tiny_dataset, CPU, checkpoint)
        losses.add(first.loss)
    assert len(losses) == 4
    assert (checkpoint / FILE).read_bytes() == weights


def test_an_unfinished_training_is_not_tested(tiny_config: Config, tiny_dataset: Dataset, checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="not there"):
        evaluate_trained(tiny_config, tiny_config, tiny_dataset, CPU, checkpoint)
    with pytest.raises(Killed):
        train(tiny_config, tiny_dataset, CPU, checkpoint, Report(dies=3))
    with pytest.raises(CheckpointError, match="2 of 4 epochs"):
        evaluate_trained(tiny_config, tiny_config, tiny_dataset, CPU, checkpoint)


def test_checkpoints_that_were_written_before_still_belong_to_their_training() -> None:
    """A key that is added later must not change this; see `ADDED`."""
    assert fingerprint(Config()) == "9efdbad5e3b4696ff2c04e77b83e3aa0d11bbe0ee084850612ef0d36f0d42dc8"


def test_a_checkpoint_does_not_mind_where_the_data_lies() -> None:
    here, there = (DataConfig(name="pyskl", root=place, annotations=f"{place}/a.pkl") for place in ("/here", "/there"))
    assert fingerprint(Config(data=here)) == fingerprint(Config(data=there))
    assert fingerprint(Config(data=here)) != fingerprint(Config(data=dataclasses.replace(here, crop=200)))


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_damaged_in_its_middle_ends_the_training_and_is_named(tmp_path: Path, workers: int) -> None:
    """Its start and end are right, so that it is found as it is decoded, in whichever process that is."""
    root = write_root(tmp_path / "penn")
    for path in (root / "frames" / "0003").iterdir():
        content = path.read_bytes()
        path.write_bytes(content[:2] + b"\0" * (len(content) - 4) + content[-2:])
    config = Config(
        model=D3DConfig(width=2, depth=1, heads=1, kernel=2),
        data=DataConfig(name="penn_action", root=str(root), resize=18, crop=16),
        training=TrainingConfig(frames=4, epochs=1, batch_size=2),
    )
    dataset = open_dataset(config.data, tmp_path)
    with pytest.raises(DataError) as fault:
        train(config, dataset, CPU, tmp_path / "cell", Report(), workers)
    said = str(fault.value)
    assert said.startswith(f"clip 0003: {root}/frames/0003/") and "cannot be decoded" in said
    assert said.endswith("restore it, or data.frames=rendered") and said.isprintable()
