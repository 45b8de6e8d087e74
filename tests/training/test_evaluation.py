import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from d3d.config import Config, EvaluationConfig
from d3d.data.batch import Batch
from d3d.data.clip import Dataset, LabelPart
from d3d.data.samples.clip_samples import ClipSamples
from d3d.errors import CheckpointError
from d3d.models.system import System
from d3d.training.checkpoint import FILE
from d3d.training.evaluation import evaluate, evaluate_trained
from d3d.training.loop import train
from tests.training.trainings import CPU, Killed, Report, run


def test_evaluation_counts_what_the_model_says(tiny_config: Config, tiny_dataset: Dataset) -> None:
    class Constant(System):
        def forward(self, batch: Batch) -> Tensor:
            return nn.functional.one_hot(torch.full((len(batch.frames),), 2), tiny_config.model.classes).float()

    evaluation = evaluate(Constant(tiny_config.model), tiny_dataset, tiny_config, CPU)
    share = sum(clip.label == 2 for clip in tiny_dataset.test) / len(tiny_dataset.test)
    assert evaluation.top1 == pytest.approx(share) and share > 0
    assert {p.predicted for p in evaluation.predictions} == {2}


def test_the_probabilities_of_all_actions_with_a_verb_are_added_up(tiny_config: Config, tiny_dataset: Dataset) -> None:
    class FirstAction(System):
        def forward(self, batch: Batch) -> Tensor:
            return nn.functional.one_hot(torch.zeros(len(batch.frames), dtype=torch.long), tiny_config.model.classes)

    alone, others = LabelPart("verb", ("alone", "others"), (0,) + 14 * (1,)), LabelPart("noun", ("one",), 15 * (0,))
    dataset = dataclasses.replace(tiny_dataset, parts=(alone, others))
    evaluation = evaluate(FirstAction(tiny_config.model), dataset, tiny_config, CPU)
    for each in evaluation.predictions:  # e / (e + 14) of the first action, 14 / (e + 14) of the others together
        assert each.predicted == 0 and each.parts == (("verb", int(each.label > 0), 1), ("noun", 0, 0))
    share = sum(clip.label > 0 for clip in dataset.test) / len(dataset.test)
    assert evaluation.part_top1 == {"verb": share, "noun": 1.0} and 0 < share < 1


def test_the_probabilities_of_the_views_of_a_clip_are_averaged(tiny_config: Config, tiny_dataset: Dataset) -> None:
    class ByBrightness(System):
        def forward(self, batch: Batch) -> Tensor:
            return batch.frames.mean(dim=(1, 3, 4)).mean(dim=1, keepdim=True) * torch.arange(15)

    model, views = ByBrightness(tiny_config.model), 3
    several = dataclasses.replace(tiny_config, evaluation=EvaluationConfig(views=views))
    evaluation = evaluate(model, tiny_dataset, several, CPU)
    means = torch.zeros(len(tiny_dataset.test), 15)
    for view in range(views):
        samples = ClipSamples(
            *(tiny_dataset.test, tiny_dataset, tiny_config.data, tiny_config.training.frames),
            seed=None,
            evaluation=several.evaluation,
            view=view,
        )
        batch, labels = samples.collate([samples[index] for index in range(len(samples))])
        means += model(batch).softmax(dim=1) / views
    torch.testing.assert_close(torch.tensor([each.probabilities for each in evaluation.predictions]), means)
    assert [each.predicted for each in evaluation.predictions] == means.argmax(dim=1).tolist()
    assert evaluation.loss == pytest.approx(torch.nn.functional.nll_loss(means.log(), labels).item(), rel=1e-5)
    assert evaluation.loss != evaluate(model, tiny_dataset, tiny_config, CPU).loss


def test_a_trained_model_is_tested_otherwise_without_training(
    tiny_config: Config, tiny_dataset: Dataset, checkpoint: Path
) -> None:
    report, predictions, weights = run(tiny_config, tiny_dataset, checkpoint)
    same = evaluate_trained(tiny_config, tiny_config, tiny_dataset, CPU, checkpoint)
    assert same.predictions == predictions and same.loss == report.epochs[-1][1]["eval_loss"]
    losses = {same.loss}
    for change in ({"frames": 6}, {"views": 2}, {"joint_noise": 0.2}, {"joint_dropout": 0.5}):
        config = dataclasses.replace(tiny_config, evaluation=EvaluationConfig(**change))
        first = evaluate_trained(config, tiny_config, tiny_dataset, CPU, checkpoint)
        assert first == evaluate_trained(config, tiny_config, tiny_dataset, CPU, checkpoint)
        losses.add(first.loss)
    assert len(losses) == 5
    assert (checkpoint / FILE).read_bytes() == weights


def test_an_unfinished_training_is_not_tested(tiny_config: Config, tiny_dataset: Dataset, checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="not there"):
        evaluate_trained(tiny_config, tiny_config, tiny_dataset, CPU, checkpoint)
    with pytest.raises(Killed):
        train(tiny_config, tiny_dataset, CPU, checkpoint, Report(dies=3))
    with pytest.raises(CheckpointError, match="2 of 4 epochs"):
        evaluate_trained(tiny_config, tiny_config, tiny_dataset, CPU, checkpoint)
