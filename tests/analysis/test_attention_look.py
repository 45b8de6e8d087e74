import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch

from d3d.analysis.attention_look import DRAWS, Look, look
from d3d.attention_maps import NUMBERS
from d3d.config import Config, DataConfig, EvaluationConfig, TrainingConfig
from d3d.data.batch import Batch
from d3d.data.clip import Clip, Dataset, View
from d3d.data.skeleton import PENN_ACTION
from d3d.models.d3d.config import D3DConfig
from d3d.models.d3d.transformer import D3DTransformer
from d3d.training.evaluation import evaluate

CLASSES = ("jump", "run", "bowl")
MODEL = D3DConfig(classes=3, joints=13, width=2, depth=1, heads=2, kernel=3, joint_window=6, temporal_window=4)
CPU = torch.device("cpu")


def config_of(evaluation: EvaluationConfig | None = None, **model: Any) -> Config:
    return Config(
        model=dataclasses.replace(MODEL, **model),
        data=DataConfig(resize=32, crop=32),
        training=TrainingConfig(frames=8),
        evaluation=evaluation or EvaluationConfig(attention=True),
    )


def dataset_of(groups: str = "abcdef") -> Dataset:
    """A clip of each group, of 16 frames, whose joints move at random."""
    generator = np.random.default_rng(0)
    clips = tuple(
        Clip(
            f"{n:04d}", n % 3, False, 32, 32, generator.uniform(4, 28, (16, 13, 2)).astype(np.float32),
            generator.random((16, 13)) > 0.2, group,
        )
        for n, group in enumerate(groups)
    )  # fmt: skip
    return Dataset("synthetic", CLASSES, PENN_ACTION, clips, clips, "da7a", _pixels)


def _pixels(clip: Clip, indices: Any, view: View) -> Any:
    generator = np.random.default_rng(int(clip.id))
    return generator.integers(0, 256, (len(indices), view.rows, view.columns, 3), dtype=np.uint8)


def seen(config: Config, dataset: Dataset | None = None) -> Look:
    torch.manual_seed(0)
    model = D3DTransformer(config.model)  # type: ignore[arg-type]
    return look(model, dataset or dataset_of(), config, CPU)


def test_with_nothing_hidden_the_answers_are_those_of_a_test() -> None:
    config, dataset = config_of(), dataset_of()
    torch.manual_seed(0)
    model = D3DTransformer(config.model)  # type: ignore[arg-type]
    expected = evaluate(model, dataset, config, CPU).predictions
    found = look(model, dataset, config, CPU).predictions
    assert found == expected
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.probabilities == pytest.approx(theirs.probabilities, abs=1e-4)


def test_every_clip_has_every_number_and_the_same_seed_gives_the_same() -> None:
    found = seen(config_of())
    assert found.numbers.keys() == {f"{n:04d}" for n in range(6)}
    for numbers in found.numbers.values():
        assert tuple(numbers) == NUMBERS
        assert all(-1 <= numbers[name] <= 1 for name in NUMBERS[:4])
        assert all(0 <= numbers[name] <= 1 for name in NUMBERS[4:])
        assert numbers["tokens_most_hidden"] in (0, 1)
    assert seen(config_of()).numbers == found.numbers


def test_clips_of_one_recording_do_not_exchange_their_attention() -> None:
    found = seen(config_of(), dataset_of("aaaaaa")).numbers
    assert all(math.isnan(each["frames_exchanged"]) and not math.isnan(each["frames"]) for each in found.values())


def test_what_a_model_lacks_has_no_numbers_and_no_maps() -> None:
    found = seen(config_of(deformable_attention=False))
    assert all(math.isnan(each["frames"]) and math.isnan(each["tokens_most_hidden"]) for each in found.numbers.values())
    assert found.maps.volume.size == 0 and found.maps.joints.shape[1:] == (13, 8)
    found = seen(config_of(joint_attention=False))
    assert found.maps.joints.size == 0 and found.maps.volume.shape[1] == 8


def test_a_quarter_of_the_tokens_is_painted_and_a_quarter_of_the_joints_is_invisible(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Batch] = []

    def answers(model: Any, batch: Batch) -> torch.Tensor:
        asked.append(batch)
        return torch.zeros(len(batch.frames), 3)

    monkeypatch.setattr("d3d.analysis.attention_look.answers_of", answers)
    seen(config_of())
    assert len(asked) == 6
    for batch in asked:
        whole, tokens, joints = batch.frames[0], batch.frames[1 : 2 + DRAWS], batch.visible[2 + DRAWS :]
        assert len(tokens) == len(joints) == 1 + DRAWS
        painted = (tokens != whole).any(dim=1).float().mean(dim=(1, 2, 3))
        assert painted.tolist() == pytest.approx([0.25] * (1 + DRAWS), abs=0.01), "a pixel may have the mean colour"
        assert torch.equal(batch.frames[2 + DRAWS :], whole.expand(1 + DRAWS, *whole.shape))
        hidden = (batch.visible[0] & ~joints).any(dim=1).sum(dim=1)
        assert hidden.tolist() == [2] * (1 + DRAWS), "of ten joints that are keys"
        gone = batch.visible[0] & ~joints
        assert not batch.joints[2 + DRAWS :][gone].any()


def test_the_maps_are_of_the_clips_that_are_named_or_of_right_and_wrong_ones() -> None:
    named = seen(config_of(EvaluationConfig(attention=True, attention_clips=("0004", "0001")))).maps
    assert sorted(named.clips.tolist()) == ["0001", "0004"]
    assert named.frames.shape == (2, 8, 32, 32, 3) and named.positions.shape == (2, 8, 13, 2)
    assert named.names.tolist() == list(PENN_ACTION.joint_names)
    chosen = seen(config_of()).maps
    pairs = list(zip(chosen.actions.tolist(), (chosen.actions == chosen.predicted).tolist(), strict=True))
    assert len(pairs) == len(set(pairs)) and {action for action, _ in pairs} == set(CLASSES)
