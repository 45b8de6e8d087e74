from typing import Any

import pytest
import yaml

from d3d.bench.declare.ablations import flatten, options
from d3d.bench.declare.compose import compose
from d3d.bench.declare.resolved import resolved

LAUNCH = ("seeds", "stale", "search", "storage", "tracking", "resources", "cluster", "ablations")


def tree_of(*arguments: str) -> dict[str, Any]:
    tree = yaml.safe_load(resolved(compose(arguments), "d3d"))
    assert isinstance(tree, dict)
    return tree


@pytest.mark.parametrize("model", options("model"))
def test_what_is_printed_and_typed_again_is_the_same_launch(model: str) -> None:
    asked = ["ablation=full", f"model={model}", "preset=real", "training.epochs=3", "data.splits=[train1,test1]"]
    tree = tree_of(*asked)
    keys = flatten({name: part for name, part in tree.items() if name not in LAUNCH})
    typed = [f"{key}={_typed(value)}" for key, value in keys.items()]
    assert compose(["ablation=full", "preset=quick", *typed]).config == compose(asked).config


def _typed(value: object) -> str:
    """A value as it is typed."""
    if isinstance(value, list):
        return f"[{','.join(map(_typed, value))}]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def test_rows_and_their_settings_are_listed() -> None:
    tree = tree_of("ablation=modules")
    assert tree["ablations"]["modules"]["full"] == {}
    assert tree["ablations"]["modules"]["no_joint"] == {"model.joint_attention": False}
    assert set(tree_of("ablation=cast")["ablations"]) == {
        name for name in options("ablation") if name.startswith("cast_")
    }


def test_what_is_launched_and_how_is_said() -> None:
    tree = tree_of("ablation=modules", "seeds=settle", "seeds.most=8", "search=optuna", "search.trials=7")
    assert tree["seeds"] == "settle, at most 8" and tree["search"]["trials"] == 7
    assert tree_of("ablation=modules", "seeds=[4,2]")["seeds"] == [4, 2]


def test_the_first_line_is_the_command_and_no_password_is_printed() -> None:
    text = resolved(compose(["ablation=full", "tracking.uri=postgresql://me:secret@host/record"]), "d3d")
    assert text.splitlines()[0] == "# d3d ablation=full tracking.uri=postgresql://***@host/record"
    assert "secret" not in text
