from dataclasses import replace
from typing import Any

import pytest

from d3d.errors import ConfigError
from d3d.models.cast.config import CASTConfig, ExpertConfig, MaskedViTConfig

CAST = CASTConfig(width=16, depth=2, heads=2, patch=4, frames=4, crop=8, mask_ratio=0.5, expert_epochs=3)


def started(**changes: Any) -> dict[str, Any]:
    """Submodule → the configuration that it starts from."""
    return {part: start.model for part, start in replace(CAST, **changes).canonical(4).starts.items()}


def test_each_expert_starts_from_a_training_of_its_own() -> None:
    found = started()
    assert found.keys() == {"experts.spatial", "experts.temporal"}
    assert [found[part].tokens for part in found] == ["frames", "tubelets"]
    [masked] = found["experts.temporal"].starts.values()
    assert isinstance(masked.model, MaskedViTConfig)
    assert found["experts.spatial"].canonical(4).starts == {}
    assert {start.epochs for start in CAST.starts.values()} == {3}


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({"temporal_expert": "masked"}, {"experts.spatial": ExpertConfig, "experts.temporal": MaskedViTConfig}),
        ({"temporal_expert": "random"}, {"experts.spatial": ExpertConfig}),
        ({"spatial_expert": "random", "temporal_expert": "random"}, {}),
        ({"roles": "temporal"}, {"experts.temporal": ExpertConfig}),
        ({"temporal": "frames"}, {"experts.spatial": ExpertConfig, "experts.temporal": ExpertConfig}),
    ],
)
def test_what_it_starts_from_is_a_matter_of_the_configuration(
    changes: dict[str, Any], kinds: dict[str, type[Any]]
) -> None:
    assert {part: type(model) for part, model in started(**changes).items()} == kinds


@pytest.mark.parametrize(
    "changes", [{"exchange": "none"}, {"frozen": "none"}, {"positions": False}, {"directions": "to_spatial"}]
)
def test_rows_of_one_size_share_their_experts(changes: dict[str, Any]) -> None:
    assert started(**changes) == started()


def test_the_same_expert_in_both_roles_is_trained_once() -> None:
    found = started(temporal="frames")
    assert found["experts.spatial"] == found["experts.temporal"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"temporal_expert": "labels", "masked_epochs": 9}, {"temporal_expert": "labels", "mask_ratio": 0.75}),
        ({"temporal": "frames", "temporal_expert": "masked"}, {"temporal": "frames", "decoder_depth": 2}),
        (
            {"spatial_expert": "random", "temporal_expert": "masked", "expert_epochs": 9},
            {"spatial_expert": "random", "temporal_expert": "masked", "expert_learning_rate": 1.0},
        ),
    ],
)
def test_the_recipe_of_an_expert_that_is_not_there_makes_no_other_configuration(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    first, second = replace(CAST, **one), replace(CAST, **other)
    assert first != second
    assert first.canonical(4) == second.canonical(4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"masked_epochs": 0}, "model.masked_epochs=0: must be at least 1"),
        ({"masked_learning_rate": 0.0}, "model.masked_learning_rate=0.0: must be above 0"),
        ({"expert_learning_rate": -1.0}, "model.expert_learning_rate=-1.0: must be above 0"),
        ({"expert_epochs": 0}, "model.expert_epochs=0: must be at least 1"),
        ({"mask_ratio": 1.0}, r"model.mask_ratio=1.0: must be in \(0, 1\)"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(CAST, **changes)


def test_a_test_has_the_frames_of_the_training() -> None:
    with pytest.raises(ConfigError, match=r"evaluation\.frames=6: must be training\.frames = 4"):
        CAST.canonical(6)


def test_an_expert_whose_weights_are_given_is_not_trained() -> None:
    assert started(spatial_weights="a.safetensors").keys() == {"experts.temporal"}
    assert started(temporal_weights="a.safetensors").keys() == {"experts.spatial"}
    assert started(spatial_weights="a.safetensors", temporal_weights="a.safetensors") == {}
    alone = replace(CAST, roles="spatial")
    assert replace(alone, temporal_weights="a.safetensors").canonical(4) == alone.canonical(4)
    random = replace(CAST, temporal_expert="random")
    assert replace(random, temporal_weights="a.safetensors").canonical(4) == random.canonical(4)
    given = replace(CAST, temporal_weights="a.safetensors")
    assert replace(given, temporal_expert="masked", masked_epochs=9).canonical(4) == given.canonical(4)


def test_a_file_of_weights_is_one_of_safetensors() -> None:
    with pytest.raises(ConfigError, match=r"model\.spatial_weights=clip\.npz: is no safetensors file"):
        replace(CAST, spatial_weights="clip.npz")
