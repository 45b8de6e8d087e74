from typing import Any

import pytest

from d3d.config import Config, DataConfig, EvaluationConfig, TrainingConfig
from d3d.errors import ConfigError
from d3d.models.d3d.config import D3DConfig
from tests.systems import d3d_model


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        (D3DConfig, "temporal_window", 0),
        (D3DConfig, "temporal_stride", 0),
        (D3DConfig, "temporal_stride", 7),
        (D3DConfig, "joint_window", -1),
        (D3DConfig, "joint_stride", 9),
        (D3DConfig, "depth", 0),
        (D3DConfig, "heads", 7),
        (D3DConfig, "sigma", 0.0),
        (D3DConfig, "offset_range", -0.1),
        (D3DConfig, "drop_path", 1.0),
        (DataConfig, "crop", 8),
        (DataConfig, "resize", 100),
        (DataConfig, "clips", 5),
        (TrainingConfig, "frames", 0),
        (TrainingConfig, "epochs", 0),
        (TrainingConfig, "learning_rate", 0.0),
        (TrainingConfig, "label_smoothing", 1.0),
        (TrainingConfig, "weight_decay", -1.0),
        (EvaluationConfig, "frames", 0),
        (EvaluationConfig, "joint_noise", -0.1),
        (EvaluationConfig, "joint_dropout", 1.5),
        (Config, "seed", -1),
    ],
)
def test_a_value_that_can_never_be_right_is_named_with_the_rule(kind: type, key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"{key}={value}: must"):
        kind(**{key: value})


def test_the_defaults_are_the_papers_scale() -> None:
    config = Config()
    assert (config.training.frames, config.training.epochs, config.training.warmup_epochs) == (12, 90, 5)
    assert (config.data.crop, d3d_model(config).width, d3d_model(config).kernel) == (224, 64, 7)


def test_a_fold_is_data_that_names_its_splits() -> None:
    data = DataConfig(name="pyskl", splits=("train*", "test*"), fold=(3, 1))
    assert data.folds == (1, 3)
    assert data.each_fold == tuple(DataConfig(name="pyskl", splits=(f"train{n}", f"test{n}")) for n in (1, 3))
    validated = DataConfig(split="validation", fold=(2,))
    assert validated.each_fold == (DataConfig(split="validation", fold=2),)
    assert DataConfig().each_fold == (DataConfig(),)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"fold": 2}, "data.fold=2: there are no folds; data.split=validation makes them"),
        ({"fold": 2, "name": "pyskl"}, r"data.splits=\[train\*,test\*\] takes those of the annotations"),
        ({"fold": 2, "splits": ("a*", "b*")}, "data.fold=2: there are no folds"),
        ({"name": "pyskl", "splits": ("a*", "b*")}, r"data.splits=\['a\*', 'b\*'\]: \* is a fold's number"),
        ({"fold": (), "split": "validation"}, r"data.fold=\[\]: must be a number or a list of different numbers"),
        ({"fold": (1, 1), "split": "validation"}, r"data.fold=\[1, 1\]: must be a number or a list of different"),
        ({"fold": -1, "split": "validation"}, "data.fold=-1: must be from 0 to 10000"),
        ({"fold": tuple(range(101)), "split": "validation"}, r"data.fold=\[…\]: must be at most 100 folds"),
    ],
)
def test_folds_that_there_cannot_be(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        DataConfig(**keys)
