import dataclasses
from pathlib import Path

import pytest
import torch

from d3d.config import AugmentationConfig, Config, DataConfig, TrainingConfig
from d3d.data.clip import Dataset, LabelPart
from d3d.data.readers.registry import open_dataset
from d3d.errors import DataError, TrainingError
from d3d.models.d3d.config import D3DConfig
from d3d.training.loop import EpochResult, train
from tests.data.penn_files import write_root
from tests.systems import d3d_model
from tests.training.trainings import CPU, TIMINGS, Killed, Report, run


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
            assert (
                survived.setdefault(epoch, metrics) == metrics
            )  # an epoch that is reported twice has the same metrics
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


def test_an_epoch_reports_each_part_of_the_labels(tiny_config: Config, tiny_dataset: Dataset, checkpoint: Path) -> None:
    dataset = dataclasses.replace(tiny_dataset, parts=(LabelPart("verb", ("one", "other"), 7 * (0,) + 8 * (1,)),))
    config = dataclasses.replace(tiny_config, training=dataclasses.replace(tiny_config.training, epochs=1))
    seen: list[EpochResult] = []
    predictions = train(config, dataset, CPU, checkpoint, seen.append)
    right = sum(part.label == part.predicted for each in predictions for part in each.parts)
    assert seen[0].metrics["eval_verb_top1"] == right / len(dataset.test) > seen[0].metrics["eval_top1"]


def test_the_training_learns(tiny_config: Config, tiny_dataset: Dataset, checkpoint: Path) -> None:
    model = dataclasses.replace(d3d_model(tiny_config), width=4, dropout=0.0, drop_path=0.0)
    longer = dataclasses.replace(tiny_config.training, epochs=25, label_smoothing=0.0)
    report, _, _ = run(dataclasses.replace(tiny_config, model=model, training=longer), tiny_dataset, checkpoint)
    assert report.epochs[-1][1]["train_loss"] < 0.8 * report.epochs[0][1]["train_loss"]


def test_a_loss_that_is_no_number_ends_the_training(
    tiny_config: Config, tiny_dataset: Dataset, checkpoint: Path
) -> None:
    absurd = dataclasses.replace(tiny_config.training, learning_rate=1000, warmup_epochs=0)
    with pytest.raises(TrainingError, match="learning_rate"):
        run(dataclasses.replace(tiny_config, training=absurd), tiny_dataset, checkpoint)


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


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_damaged_in_its_middle_ends_the_training_and_is_named(tmp_path: Path, workers: int) -> None:
    """Its header and end are intact, so the damage is found on decoding, in this process or in another."""
    root = write_root(tmp_path / "penn")
    for path in (root / "frames" / "0003").iterdir():
        content = path.read_bytes()
        tables = content.index(b"\xff\xc4") + 4  # those of the Huffman codes, without which nothing can be decoded
        path.write_bytes(content[:tables] + b"\xff" * 20 + content[tables + 20 :])
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
