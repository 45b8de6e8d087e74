import dataclasses

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from d3d.analysis.complexity import (
    attention_shape,
    forward_gmacs,
    measure,
    parameter_count,
    printed_formula,
    score_pairs,
)
from d3d.config import Config, DataConfig, MeasurementConfig, TrainingConfig
from d3d.data.batch import Batch
from d3d.models.d3d.config import D3DConfig
from d3d.models.d3d.transformer import D3DTransformer

CPU = torch.device("cpu")
SMALL = MeasurementConfig(module="joint", frames=4, joints=9, window=4, rgb_tokens=5, repetitions=3)


@pytest.mark.parametrize(
    ("joints", "window", "stride_pairs", "full_pairs"), [(13, 6, 36_864, 32_400), (25, 6, 73_728, 104_976)]
)
def test_joint_scores_are_counted_with_their_modal_tokens(
    joints: int, window: int, stride_pairs: int, full_pairs: int
) -> None:
    stride = MeasurementConfig(module="joint", joints=joints, window=window)
    full = dataclasses.replace(stride, attention="full")
    assert score_pairs(attention_shape(stride)) == stride_pairs
    assert score_pairs(attention_shape(full)) == full_pairs


@pytest.mark.parametrize("module", ["joint", "temporal"])
def test_a_window_as_long_as_the_axis_costs_what_full_attention_costs(module: str) -> None:
    stride = dataclasses.replace(SMALL, module=module, window=9)  # type: ignore[arg-type]
    full = dataclasses.replace(stride, attention="full")
    one, other = (measure(D3DConfig(width=2, heads=2), each, CPU) for each in (stride, full))
    assert (one.score_pairs, one.printed, one.flops, one.memory_mib) == (
        other.score_pairs,
        other.printed,
        other.flops,
        other.memory_mib,
    )


def test_the_printed_formulas_are_the_papers() -> None:
    joint = MeasurementConfig(module="joint", frames=12, joints=25, window=6)
    temporal = MeasurementConfig(module="temporal", frames=12, joints=13, rgb_tokens=784, window=6)
    assert printed_formula(attention_shape(joint)) == 12**2 * 6**2
    assert printed_formula(attention_shape(temporal)) == 6**2 * (784 + 13 + 3) ** 2


@pytest.mark.parametrize("module", ["joint", "temporal"])
def test_operations_are_those_of_the_scores_and_of_the_linear_layers(module: str) -> None:
    config = D3DConfig(width=2, heads=2, feedforward_ratio=4)
    measurement = dataclasses.replace(SMALL, module=module)  # type: ignore[arg-type]
    shape = attention_shape(measurement)
    tokens = shape.length * shape.side + shape.modal
    linear = 2 * tokens * 8 * 8 * (4 + 2 * 4)
    merging = 2 * shape.length * shape.side * 8  # a product with the constant averaging matrix, at least once a token
    found = measure(config, measurement, CPU)
    attention = 2 * 2 * 8 * score_pairs(shape)
    assert found.flops >= linear + attention + merging
    assert found.flops < 1.2 * (linear + attention) + 100 * merging


def test_more_joints_take_more_of_everything_counted() -> None:
    few, many = (
        measure(D3DConfig(width=2, heads=2), dataclasses.replace(SMALL, joints=joints), CPU) for joints in (9, 18)
    )
    for name in ("score_pairs", "flops", "memory_mib"):
        assert getattr(many, name) > 1.5 * getattr(few, name)
    assert few.seconds > 0


@pytest.mark.parametrize(("small", "frames"), [(10**9, 4), (0, 6)])  # a system that is run, and one that is not
def test_a_clips_forward_pass_is_counted_as_it_is_computed(
    small: int, frames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("d3d.analysis.complexity.SMALL", small)
    model = D3DConfig(width=4, depth=1, heads=2, kernel=3, joints=9)
    config = Config(model=model, data=DataConfig(resize=16, crop=16), training=TrainingConfig(frames=frames))
    joints, visible = torch.zeros(1, frames, 9, 2), torch.ones(1, frames, 9, dtype=torch.bool)
    clip = Batch((16, 16), frames=torch.zeros(1, 3, frames, 16, 16), joints=joints, visible=visible)
    transformer = D3DTransformer(model).eval()
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        transformer(clip)
    before = torch.get_rng_state()
    assert forward_gmacs(config) == counter.get_total_flops() / 2e9 > 0
    assert parameter_count(config) == sum(weight.numel() for weight in transformer.parameters())
    assert torch.equal(torch.get_rng_state(), before), "a training that follows has the same random numbers"
    deeper = dataclasses.replace(config, model=dataclasses.replace(model, depth=2))
    assert forward_gmacs(deeper) > forward_gmacs(config)
