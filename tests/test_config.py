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
