from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses import FakeTensorMode

from d3d.analysis.complexity import forward_gmacs, parameter_count
from d3d.config import Config, DataConfig, TrainingConfig
from d3d.data.batch import Batch
from d3d.errors import ConfigError
from d3d.models.cast.config import CASTConfig
from d3d.models.cast.exchange import Adapter, CrossAttention
from d3d.models.cast.network import CAST

SMALL = CASTConfig(width=16, depth=2, heads=2, patch=4, frames=4, crop=8, classes=5)
EXCHANGES = ("lateral", "full", "before_adapter", "bottleneck")


def clips(count: int = 2, config: CASTConfig = SMALL) -> Batch:
    return Batch((config.crop, config.crop), frames=torch.randn(count, 3, config.frames, config.crop, config.crop))


def awake(model: CAST) -> Any:
    """The model with every weight that starts at zero drawn at random, so that every part has an effect."""
    for weight in model.parameters():
        if not weight.any():
            torch.nn.init.normal_(weight, std=0.1)
    return model.eval()


def settings(**changes: Any) -> CASTConfig:
    return replace(SMALL, **changes)


def test_at_the_papers_size_parameters_and_operations_are_those_published() -> None:
    config = Config(
        model=CASTConfig(classes=400), data=DataConfig(resize=224, crop=224), training=TrainingConfig(frames=16)
    )
    with FakeTensorMode():
        total = sum(weight.numel() for weight in CAST(CASTConfig(classes=400)).parameters())
    assert parameter_count(config) == 45_378_832  # the paper: 45 M trained
    assert total == 217_402_384
    assert forward_gmacs(config) == pytest.approx(390.5, abs=0.05)  # the paper: 391


@pytest.mark.parametrize(("ratio", "millions"), [(1, 103.4), (2, 44.8), (4, 26.1), (8, 19.4)])
def test_the_bottleneck_has_the_parameters_of_table_1d(ratio: int, millions: float) -> None:
    head = 768 * 397 + 397 + 4 * 768  # of 97 verbs and 300 nouns, each read from one vector
    with FakeTensorMode():
        model = CAST(CASTConfig(bottleneck_ratio=ratio))
    trained = sum(weight.numel() for weight in model.blocks.parameters()) + head
    assert trained / 1e6 == pytest.approx(millions, abs=0.05)


@pytest.mark.parametrize("exchange", ["none", *EXCHANGES])
def test_before_training_the_experts_compute_what_they_did_alone(exchange: str) -> None:
    torch.manual_seed(0)
    model: Any = CAST(settings(exchange=exchange)).eval()
    frames = clips().frames
    tokens = {role: expert.embed(frames) for role, expert in model.experts.items()}
    alone = dict(tokens)
    for index, block in enumerate(model.blocks):
        tokens = block(tokens, {role: expert.blocks[index] for role, expert in model.experts.items()})
        alone = {role: expert.blocks[index](alone[role]) for role, expert in model.experts.items()}
    for role in tokens:
        torch.testing.assert_close(tokens[role], alone[role])


@pytest.mark.parametrize("exchange", ["none", "add", "concat", *EXCHANGES])
@pytest.mark.parametrize("roles", [("frames", "tubelets"), ("tubelets", "frames"), ("frames", "frames")])
def test_every_exchange_works_for_every_pair_of_experts(exchange: str, roles: tuple[str, str]) -> None:
    torch.manual_seed(0)
    model = awake(CAST(settings(exchange=exchange, spatial=roles[0], temporal=roles[1])))
    batch = clips(3)
    together = model(batch)
    assert together.shape == (3, 5)
    each = torch.cat([model(Batch(batch.size, frames=frame[None])) for frame in batch.frames])
    torch.testing.assert_close(together, each, atol=1e-5, rtol=1e-4)  # clips do not see each other


def test_frozen_experts_get_no_gradient_and_do_not_move() -> None:
    torch.manual_seed(0)
    model = CAST(SMALL)
    model(clips()).logsumexp(dim=1).sum().backward()
    assert all(weight.grad is None for weight in model.experts.parameters())
    assert all(weight.grad is not None for part in (model.blocks, model.head) for weight in part.parameters())
    free = CAST(settings(frozen="none"))
    free.head.adapters = torch.nn.ModuleDict({role: torch.nn.Identity() for role in free.head.adapters})
    free(clips()).square().sum().backward()
    assert all(weight.grad is not None for weight in free.experts.parameters())


def influence(window: str, batch: int = 1) -> Tensor:
    """Whether the token at the first time and place is influenced by each of the other expert's, T×N."""
    config = settings(positions=False)
    attention = CrossAttention(16, config, window)  # type: ignore[arg-type]
    asked = torch.randn(batch, config.times, config.places, 16, requires_grad=True)
    attention(torch.randn(asked.shape), asked)[:, 0, 0].sum().backward()
    assert asked.grad is not None
    return asked.grad[0].abs().sum(dim=-1) > 0


def test_a_window_is_what_a_token_asks() -> None:
    torch.manual_seed(0)
    time, space = influence("time"), influence("space")
    assert time[:, 0].all() and not time[:, 1:].any()
    assert space[0].all() and not space[1:].any()
    assert influence("both").all()


@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize(("directions", "deaf"), [("to_spatial", "temporal"), ("to_temporal", "spatial")])
def test_one_direction_leaves_the_other_expert_alone(exchange: str, directions: str, deaf: str) -> None:
    torch.manual_seed(0)
    model = awake(CAST(settings(exchange=exchange, directions=directions)))
    frames = clips().frames
    tokens = {role: expert.embed(frames) for role, expert in model.experts.items()}
    assert model.blocks[0].exchange(tokens).keys() == {"spatial", "temporal"} - {deaf}


@pytest.mark.parametrize(("part", "first"), [(0.1, False), (0.5, False), (0.75, True), (1.0, True)])
def test_only_the_last_blocks_exchange(part: float, first: bool) -> None:
    model: Any = CAST(settings(exchange_blocks=part))
    assert [block.exchange is not None for block in model.blocks] == [first, True]


def test_a_class_token_that_stays_out_gets_nothing_from_the_exchange() -> None:
    torch.manual_seed(0)
    frames = clips().frames
    for class_token, passes in (("out", False), ("adapter", True)):
        model = awake(CAST(settings(class_token=class_token)))
        tokens = {role: expert.embed(frames) for role, expert in model.experts.items()}
        added = model.blocks[0].exchange(tokens)["spatial"]
        assert bool(added[:, 0].any()) is passes
        assert added[:, 1:].any()


def test_dropped_branches_are_of_whole_clips() -> None:
    torch.manual_seed(0)
    model: Any = CAST(settings(drop_path=0.5)).train()
    block, tokens = model.blocks[1], {"spatial": torch.zeros(3 * 2, 5, 16), "temporal": torch.zeros(3, 8, 16)}
    dropped = block._dropped(torch.ones(6, 5, 16), tokens).unflatten(0, (3, 2))
    assert set(dropped.unique().tolist()) <= {0.0, 2.0}
    assert all(len(clip.unique()) == 1 for clip in dropped)


PAIRS = ((0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1))


@pytest.mark.parametrize("exchange", ["add", "concat", "bottleneck"])
@pytest.mark.parametrize("roles", ["both", "spatial", "temporal"])
def test_cross_entropy_of_a_pair_is_that_of_its_verb_and_of_its_noun(exchange: str, roles: str) -> None:
    torch.manual_seed(0)
    model = awake(CAST(settings(classes=6, pairs=PAIRS, exchange=exchange, roles=roles)))
    logits, labels = model(clips(3)), torch.tensor([0, 3, 5])
    probabilities = logits.softmax(dim=1).unflatten(1, (3, 2))
    torch.testing.assert_close(logits.exp().sum(dim=1), torch.ones(3))
    verbs, nouns = probabilities.sum(dim=2), probabilities.sum(dim=1)
    apart = [
        torch.nn.functional.nll_loss(each.log(), part) for each, part in ((verbs, labels // 2), (nouns, labels % 2))
    ]
    torch.testing.assert_close(torch.nn.functional.cross_entropy(logits, labels), sum(apart))


def test_the_cost_of_a_head_of_two_parts_is_counted() -> None:
    model = settings(classes=6, pairs=PAIRS)
    config = Config(model=model, data=DataConfig(resize=16, crop=16), training=TrainingConfig(frames=4))
    one = replace(config, model=settings(classes=6, crop=16))
    config = replace(config, model=replace(model, crop=16))
    head, adapters = 16 * (3 + 2 - 6) + (3 + 2 - 6), 2 * (16 * 4 + 4 + 4 * 16 + 16)
    assert parameter_count(config) - parameter_count(one) == head - adapters


def test_the_verb_is_read_from_the_temporal_expert_and_the_noun_from_the_spatial_one() -> None:
    torch.manual_seed(0)
    head = CAST(settings(classes=6, pairs=PAIRS)).head
    pooled = {role: torch.randn(1, 16) for role in ("spatial", "temporal")}
    before = head(pooled).softmax(dim=1).unflatten(1, (3, 2))
    after = head(pooled | {"temporal": torch.randn(1, 16)}).softmax(dim=1).unflatten(1, (3, 2))
    torch.testing.assert_close(after.sum(dim=1), before.sum(dim=1))  # the nouns
    assert not torch.allclose(after.sum(dim=2), before.sum(dim=2))


def test_an_adapter_starts_at_zero_and_learns() -> None:
    adapter = Adapter(8, 4)
    tokens = torch.randn(2, 3, 8)
    assert not adapter(tokens).any()
    adapter(tokens).sum().backward()
    assert adapter.up.weight.grad is not None and adapter.up.weight.grad.any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": 5}, "training.frames=5: must be even"),
        ({"patch": 3}, "model.patch=3: must divide data.crop = 8"),
        ({"bottleneck_ratio": 3}, "model.bottleneck_ratio=3"),
        ({"bottleneck_ratio": 16}, "model.bottleneck_ratio=16"),
        ({"pairs": ((0, 0),)}, "model.pairs=1: must be one for each of the 5 classes, or none"),
        ({"exchange_blocks": 0.0}, r"model.exchange_blocks=0.0: must be in \(0, 1\]"),
        ({"drop_path": 1.0}, "model.drop_path=1.0"),
        ({"width": 15}, "model.width=15"),
    ],
)
def test_what_cannot_be_built_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CAST(settings(**changes))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"exchange": "none", "exchange_blocks": 0.5}, {"exchange": "none", "positions": False}),
        ({"exchange_blocks": 0.6}, {"exchange_blocks": 0.3}),
        ({"exchange": "lateral", "spatial_window": "both"}, {"exchange": "lateral", "bottleneck_ratio": 4}),
        ({"directions": "to_spatial", "temporal_window": "both"}, {"directions": "to_spatial"}),
        ({"roles": "spatial", "exchange": "concat", "positions": False}, {"roles": "spatial", "temporal": "frames"}),
        ({"adapters": False, "adapter_ratio": 3}, {"adapters": False, "adapter_scale": 1.0}),
        (
            {"roles": "spatial", "adapters": False, "exchange": "before_adapter", "adapter_ratio": 2},
            {"roles": "spatial", "adapters": False, "bottleneck_ratio": 5},
        ),
        (
            {"spatial": "tubelets", "spatial_frame": "first"},
            {"spatial": "tubelets", "class_token": "out"},
        ),
        ({"temporal": "frames", "sine_positions": "axes"}, {"temporal": "frames"}),
    ],
)
def test_settings_without_effect_are_one_configuration_and_one_function(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    first, second = settings(**one), settings(**other)
    assert first != second
    assert first.canonical(4) == second.canonical(4)
    models = []
    for config in (first, second, first.canonical(4)):
        torch.manual_seed(0)
        models.append(CAST(config).eval())
    for model in models[1:]:
        model.load_state_dict(models[0].state_dict())  # the same parameters
    batch = clips()
    for model in models[1:]:
        torch.testing.assert_close(model(batch), models[0](batch))


@pytest.mark.parametrize("frozen", ["all", "none"])
def test_nothing_is_kept_for_the_gradient_of_frozen_weights_before_the_first_trained_ones(frozen: str) -> None:
    model: Any = CAST(settings(frozen=frozen))
    outputs: list[Tensor] = []
    for expert in model.experts.values():
        for part in (expert.embedding, expert.blocks[0].norm1, expert.blocks[0].attention):
            part.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    model(clips())
    assert [output.grad_fn is None for output in outputs] == 6 * [frozen == "all"]
