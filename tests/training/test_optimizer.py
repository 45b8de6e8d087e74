import itertools

import pytest

from d3d.config import Config, TrainingConfig
from d3d.models.registry import build
from d3d.training.optimizer import build_optimizer, learning_rate


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
