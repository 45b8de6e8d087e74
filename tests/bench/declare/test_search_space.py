from typing import Any

import pytest

from d3d.bench.declare.search_space import Choices, Real, Whole, parse_space, point_count, written
from d3d.errors import ConfigError

SPACE: dict[str, Any] = {
    "training.learning_rate": {"float": [1e-4, 1e-2], "log": True},
    "model.drop_path": {"float": [0, 0.5]},
    "model.width": {"int": [8, 33], "step": 8},
    "model.norm": {"choices": ["pre", "printed"]},
}


def test_ranges_are_typed() -> None:
    assert parse_space(SPACE, "mine.yaml") == {
        "training.learning_rate": Real(1e-4, 1e-2, log=True),
        "model.drop_path": Real(0.0, 0.5, log=False),
        "model.width": Whole(8, 32, 8),
        "model.norm": Choices(("pre", "printed")),
    }


def test_a_space_has_an_end_where_all_its_ranges_have() -> None:
    space = parse_space(SPACE, "mine.yaml")
    assert point_count(space) is None
    assert point_count({key: space[key] for key in ("model.width", "model.norm")}) == 4 * 2


def test_ranges_are_shown_as_they_are_written() -> None:
    assert [written(each) for each in parse_space(SPACE, "mine.yaml").values()] == [
        "{float: [0.0001, 0.01], log: true}",
        "{float: [0.0, 0.5], log: false}",
        "{int: [8, 32], step: 8}",
        "{choices: [pre, printed]}",
    ]


@pytest.mark.parametrize(
    ("key", "range_", "words"),
    [
        ("model.sgima", {"float": [1, 2]}, "unknown key (did you mean model.sigma?)"),
        ("model.classes", {"int": [1, 2]}, "unknown key"),
        ("data.crop", {"int": [16, 32]}, "only keys of model, training and augmentation"),
        ("model.sigma", {"float": [2, 1]}, "{float: [2, 1]}: an empty range"),
        ("model.sigma", {"float": [1, 1]}, "an empty range"),
        ("model.sigma", {"float": ["1e-3", 1]}, "ends must be finite numbers"),
        ("model.sigma", {"float": [0, float("nan")]}, "ends must be finite numbers"),
        ("model.sigma", {"float": [0, 1], "log": True}, "begin above 0"),
        ("model.sigma", {"float": [0, 1], "log": "yes"}, "log true or false"),
        ("model.sigma", {"float": [0, 1], "step": 1}, "is not a range; write"),
        ("model.sigma", {"float": [0, 1, 2]}, "two ends"),
        ("model.depth", {"int": [1, 2.5]}, "whole numbers"),
        ("model.depth", {"int": [3, 2]}, "an empty range"),
        ("model.depth", {"int": [1, 10**30]}, "at most 1000000000000"),
        ("model.depth", {"int": [1, 2], "step": 2}, "more than one value"),
        ("model.depth", {"choices": [2]}, "an empty range"),
        ("model.depth", {"choices": [2, 2]}, "must be different"),
        ("model.depth", {"choices": [2, [3]]}, "must be different, and words"),
        ("model.depth", [1, 2], "is not a range; write"),
    ],
)
def test_what_is_no_range_is_named_with_the_way_out(key: str, range_: Any, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_space({"training.mixup": {"float": [0, 1]}, key: range_}, "mine.yaml")
    assert str(caught.value).startswith(f"mine.yaml: space: {key}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_space_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"mine\.yaml: space: it is empty"):
        parse_space({}, "mine.yaml")
