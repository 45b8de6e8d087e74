from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from d3d.bench.declare.ablations import flatten
from d3d.bench.declare.compose import compose
from d3d.bench.declare.searches import read_search, searches
from d3d.errors import ConfigError

WRITTEN: dict[str, Any] = {
    "title": "what the optimiser makes of it",
    "cost": "minutes",
    "trials": 5,
    "space": {"training.learning_rate": {"float": [1e-4, 1e-2], "log": True}},
}


def file(folder: Path, **changes: Any) -> Path:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(WRITTEN | changes), "utf-8")
    return path


def test_the_projects_own_searches_are_what_the_documentation_says() -> None:
    own = searches()
    assert own.keys() == {"nearby", "optuna", "pareto"}
    assert (own["nearby"].objectives, own["nearby"].pruner) == (("top1",), "halving")
    assert (own["optuna"].objectives, own["optuna"].pruner, own["optuna"].modes) == (("top1",), "halving", ["max"])
    assert (own["pareto"].objectives, own["pareto"].pruner) == (("top1", "gmacs"), "none")
    assert own["pareto"].modes == ["max", "min"]
    assert set(own["optuna"].space) == {
        "training.learning_rate", "training.weight_decay", "training.label_smoothing",
        "model.drop_path", "model.sigma", "model.offset_range",
    }  # fmt: skip


@pytest.mark.parametrize("preset", ["quick", "small"])
def test_the_settings_of_the_presets_lie_within_the_search_nearby(preset: str) -> None:
    launch = compose(["ablation=full", f"preset={preset}", "search=nearby"])
    assert launch.search is not None
    recipe = flatten(asdict(launch.config))
    for key, range_ in launch.search.space.items():
        low, high = range_.values[0], range_.values[-1]
        value = recipe[key]
        assert isinstance(value, float)
        assert isinstance(low, float)
        assert isinstance(high, float)
        assert low <= value <= high, key


def test_a_search_is_named_as_its_file_and_the_command_line_has_the_last_word(tmp_path: Path) -> None:
    path = file(tmp_path)
    assert read_search(path, {}).name == "mine"
    launch = compose(["ablation=full", f"search='{path}'", "search.trials=7", "search.pruner=median", "search.name=b"])
    assert launch.search is not None
    assert (launch.search.trials, launch.search.pruner, launch.search.name) == (7, "median", "b")
    assert compose(["ablation=full"]).search is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"trials": 0}, "search.trials=0: must be at least 1"),
        ({"seed": -1}, "search.seed=-1: must be at least 0"),
        ({"trials": "many"}, "trials: 'many': it should be a valid integer"),
        ({"trails": 3}, "trails: unknown key (did you mean trials?)"),
        ({"__pydantic_config__": {}}, "__pydantic_config__: unknown key"),
        ({"pruner": "hyperband"}, "pruner: 'hyperband': it should be 'halving', 'median' or 'none'"),
        ({"objectives": ["gmacs"]}, "search.objectives=[gmacs]: must be [top1] or [top1, gmacs]"),
        ({"objectives": ["top1", "gmacs"]}, "search.pruner=halving: Optuna prunes only searches with one objective"),
        ({"name": "a b"}, "search.name=a b: use only letters"),
        ({"space": {"model.dept": {"int": [1, 2]}}}, "did you mean model.depth"),
        ({"space": None}, "space: None: it should be a valid dictionary"),
    ],
)
def test_what_cannot_be_is_named_with_the_way_out(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_search(file(tmp_path, **changes), {})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("search=optun", "unknown search (did you mean optuna?); there are: nearby, optuna, pareto"),
        ("search=nowhere.yaml", "nowhere.yaml: cannot be read"),
        ("search.trials=3", "there is no search; name one, such as search=optuna"),
        ("search.trails=3", "unknown key (did you mean search.trials?)"),
    ],
)
def test_a_command_line_that_names_no_search_is_refused(argument: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compose(["ablation=full", argument])
    assert words in str(caught.value)
