from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from d3d.config import Config
from d3d.errors import ConfigError
from experiments.compose import compose
from experiments.declarations import ablations, choices, flatten, parse_ablation, read_ablation

WHOLE = {"title": "t", "section": "s", "command": "c", "cost": "little", "rows": [{"label": "one"}]}


def test_the_stride_grid_is_the_papers() -> None:
    grid = ablations()["stride_grid"]
    asked = [tuple(row.settings.values()) for row in grid.rows]
    assert asked == [(w, s) for w in (4, 6, 8, 10) for s in (1, 2, 3, 4, 5, 6, 8, 10) if s <= w]
    assert grid.artefact == "figure7a"
    assert grid.rows[0].label == "temporal window 4, temporal stride 1"


@pytest.mark.parametrize("ablation", ablations())
@pytest.mark.parametrize("preset", choices("preset"))
@pytest.mark.parametrize("data", choices("data"))
def test_everything_that_is_offered_composes(ablation: str, preset: str, data: str) -> None:
    launch = compose([f"ablation={ablation}", f"preset={preset}", f"data={data}"])
    assert (launch.ablation.name, launch.preset, launch.config.data.name) == (ablation, preset, data)


def test_the_paper_preset_is_the_default_of_every_key() -> None:
    assert compose(["ablation=full", "preset=paper"]).config == Config()


def test_grids_are_united_and_rows_keep_their_settings() -> None:
    grids: list[dict[str, Any]] = [
        {"model.depth": [1, 2], "model.norm": ["pre"]},
        {"model.depth": [3], "model.norm": ["pre", "printed"]},
    ]
    rows = [{"label": "deep", "settings": {"model.depth": 9}}]
    ablation = parse_ablation("x", {**WHOLE, "grids": grids, "rows": rows}, "x.yaml")
    assert [tuple(row.settings.values()) for row in ablation.rows] == [
        (1, "pre"), (2, "pre"), (3, "pre"), (3, "printed"), (9,),
    ]  # fmt: skip
    assert ablation.rows[-1].label == "deep"
    assert ablation.axes == ("model.depth", "model.norm")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"titel": "t"}, ["titel", "title"]),
        ({"title": None}, ["title", "string"]),
        ({"rows": []}, ["no training", "grids", "rows"]),
        ({"rows": [{"label": "x", "setings": {}}]}, ["setings", "settings"]),
        ({"rows": [{"label": "x", "settings": {"model.widht": 1}}]}, ["model.widht", "model.width"]),
        ({"grids": {"model.width": [1]}}, ["grids", "list"]),
        ({"grids": [{"model.width": 1}]}, ["grids", "model.width", "list"]),
        ({"grids": [{"seed": [1]}]}, ["seed", "unknown"]),
        ({"grids": [{"model.classes": [1]}]}, ["model.classes", "unknown"]),
    ],
)
def test_a_fault_names_the_file_the_key_and_the_nearest(change: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigError) as fault:
        parse_ablation("x", {**WHOLE, **change}, "mine/x.yaml")
    message = str(fault.value)
    assert all(word in message for word in ["mine/x.yaml", *words]), message
    assert "\n" not in message


@pytest.mark.parametrize("text", ["title: [", "- 1", "", "\xff"])
def test_a_file_that_is_no_declaration_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        read_ablation(path)


def test_flatten_keeps_every_leaf() -> None:
    flat = flatten(asdict(Config()))
    assert flat["model.width"] == 64
    assert flat["seed"] == 0
    assert not any(isinstance(value, dict) for value in flat.values())
