import re
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from d3d.bench.declare.ablations import ablations, choices, flatten, parse_ablation, read_ablation
from d3d.bench.declare.compose import ablation_groups, compose
from d3d.config import Config
from d3d.errors import ConfigError
from d3d.report import ARTEFACTS

WHOLE = {"title": "t", "section": "s", "command": "c", "cost": "little", "rows": [{"label": "one"}]}


def test_the_stride_grid_is_the_papers() -> None:
    grid = ablations()["stride_grid"]
    asked = [tuple(row.settings.values()) for row in grid.rows]
    assert asked == [(w, s) for w in (4, 6, 8, 10) for s in (1, 2, 3, 4, 5, 6, 8, 10) if s <= w]
    assert grid.artefacts == ("figure7a",)
    assert grid.rows[0].label == "temporal window 4, temporal stride 1"


def test_every_artefact_is_made_by_one_ablation() -> None:
    made = [artefact for each in ablations().values() for artefact in each.artefacts]
    assert len(made) == len(set(made))
    assert set(made) >= set(ARTEFACTS)


def test_ablations_come_in_the_order_of_the_paper() -> None:
    names = list(ablations())
    assert names[0] == "full", "what it trains serves most of the others"
    assert names.index("modules") < names.index("complexity") < names.index("depth")


@pytest.mark.parametrize("preset", choices("preset"))
@pytest.mark.parametrize("data", choices("data"))
def test_every_ablation_composes_with_every_preset_and_dataset(preset: str, data: str) -> None:
    composed = []
    for group in ablation_groups():
        launch = compose([f"ablation={group}", f"preset={preset}", f"data={data}"])
        assert (launch.name, launch.preset, launch.config.data.name) == (group, preset, data)
        composed += [each.name for each in launch.ablations]
    assert composed == list(ablations())


@pytest.mark.parametrize("ablation", ablations())
def test_each_ablation_is_offered_by_its_name(ablation: str) -> None:
    launch = compose([f"ablation={ablation}", "preset=smoke"])
    assert (launch.name, [each.name for each in launch.ablations]) == (ablation, [ablation])


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
    assert [row.label for row in ablation.rows] == [
        "depth 1, pre", "depth 2, pre", "depth 3, pre", "depth 3, printed", "deep",
    ]  # fmt: skip
    assert ablation.axes == ("model.depth", "model.norm")


@pytest.mark.parametrize(
    ("grid", "labels"),
    [
        ({"training.frames": [4, 8], "model.norm": ["pre"]}, ["frames 4", "frames 8"]),
        ({"training.frames": [4], "model.norm": ["pre"]}, ["frames 4, pre"]),
        ({"augmentation.flip": [True, False]}, ["flip True", "flip False"]),
    ],
)
def test_a_grids_rows_are_labelled_by_what_varies(grid: dict[str, Any], labels: list[str]) -> None:
    declared = {**WHOLE, "rows": [], "grids": [grid]}
    assert [row.label for row in parse_ablation("x", declared, "x.yaml").rows] == labels


@pytest.mark.parametrize(
    ("artefact", "made"), [(None, ("x",)), ("table4", ("table4",)), (["a", "b"], ("a", "b")), ([], ())]
)
def test_without_an_artefact_an_ablation_makes_a_table_of_its_own_name(artefact: Any, made: tuple[str, ...]) -> None:
    assert parse_ablation("x", {**WHOLE, "artefact": artefact}, "x.yaml").artefacts == made
    assert parse_ablation("x", WHOLE, "x.yaml").artefacts == ("x",)


def test_claims_are_kept_as_they_are_written() -> None:
    rows = [{"label": "one"}, {"label": "two"}]
    ablation = parse_ablation("x", {**WHOLE, "rows": rows, "claims": ["one > two", "two ~ one"]}, "x.yaml")
    assert ablation.claims == ("one > two", "two ~ one")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"titel": "t"}, ["titel", "title"]),
        ({"title": None}, ["title", "string"]),
        ({"rows": []}, ["asks for nothing", "grids", "rows"]),
        ({"rows": [{"label": "x"}, {"label": "x"}]}, ["label x", "two rows"]),
        ({"artefact": 4}, ["artefact", "string"]),
        ({"claims": "one > two"}, ["claims", "list"]),
        ({"claims": ["one"]}, ["claims", "one", "a > b"]),
        ({"rows": [{"label": "full"}, {"label": "none"}], "claims": ["full > non"]}, ["non", "did you mean none"]),
        ({"claims": ["best(one) = one more"]}, ["one more"]),
        ({"rows": [{"label": "x", "setings": {}}]}, ["setings", "settings"]),
        ({"rows": [{"label": "x", "settings": {"training.epoch": 1}}]}, ["training.epoch", "training.epochs"]),
        ({"grids": {"model.width": [1]}}, ["grids", "list"]),
        ({"grids": [{"model.width": 1}]}, ["grids", "model.width", "list"]),
        ({"grids": [{"seed": [1]}]}, ["seed", "unknown"]),
        ({"grids": [{"model.depth": list(range(6000))}, {"model.width": list(range(6000))}]}, ["12001 rows", "10000"]),
        ({"grids": [{f"model.x{number}": [1] for number in range(300)}]}, ["300 keys", "200"]),
        ({"rows": [{"label": "x" * 300}]}, ["label", "200 characters"]),
        ({"rows": [{"label": "a\nb"}]}, ["label", "a line"]),
        ({"rows": [{"label": "verb: a"}]}, ["label verb: a: begins as a claim about the verb does"]),
        ({"rows": [{"label": 0.001}]}, ["rows.0.label: 0.001", "write it in quotes"]),
        ({"rows": [{"label": "x", "settings": {"training.epochs": [1]}}]}, ["rows.0.settings.training.epochs: [1]"]),
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


def test_a_grid_of_the_most_rows_is_read_in_a_second() -> None:
    values = list(range(1, 11))
    keys = ("training.batch_size", "training.warmup_epochs", "training.epochs", "model.joint_window")
    start = time.process_time()
    declared = {**WHOLE, "rows": [], "grids": [dict.fromkeys(keys, values)]}
    assert len({row.label for row in parse_ablation("x", declared, "x.yaml").rows}) == 10_000
    assert time.process_time() - start < 10, "not in the square of the rows"


def test_a_title_is_one_line() -> None:
    assert parse_ablation("x", {**WHOLE, "title": "one\n two\n"}, "x.yaml").title == "one two"


def test_flatten_keeps_every_leaf() -> None:
    flat = flatten(asdict(Config()))
    assert flat["model.width"] == 64
    assert flat["seed"] == 0
    assert not any(isinstance(value, dict) for value in flat.values())


def test_the_example_of_the_documentation_is_an_ablation() -> None:
    page = (Path(__file__).parents[3] / "docs" / "ablations.md").read_text("utf-8")
    [example] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    ablation = parse_ablation("mine", yaml.safe_load(example), "docs/ablations.md")
    assert [row.label for row in ablation.rows][:2] == ["depth 1", "depth 2"]
