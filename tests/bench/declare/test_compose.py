import shlex
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from d3d.bench.database import sqlite_file
from d3d.bench.declare.ablations import ablations
from d3d.bench.declare.compose import compose, compose_inspection
from d3d.errors import ConfigError
from d3d.folders import EXPERIMENTS
from d3d.models.cast.config import CASTConfig
from d3d.models.d3d.config import D3DConfig
from d3d.models.gcn.config import GCNConfig
from d3d.yaml_file import read_yaml
from tests.systems import d3d_model

MINE = """
title: mine
section: none
command: none
cost: none
rows:
  - label: narrow
    settings: {model.width: %s}
"""

OWN = """
from dataclasses import dataclass

from d3d.models.config import SystemConfig
from d3d.models.system import System

@dataclass(frozen=True, kw_only=True)
class MineConfig(SystemConfig):
    hidden: int = 3

class Mine(System):
    config_type = MineConfig
"""


def test_the_command_line_has_the_last_word() -> None:
    launch = compose(["ablation=full", "preset=quick", "model.width=12", "training.epochs=7", "seeds=[4,0]"])
    assert d3d_model(launch.config).width == 12
    assert launch.config.training.epochs == 7
    assert launch.config.data.crop == read_yaml(EXPERIMENTS / "preset" / "quick.yaml")["data"]["crop"], "the preset's"
    assert launch.config.training.frames == 12, "the default"
    assert launch.seeds == (4, 0)


def test_seeds_that_settle_begin_with_three_and_end_with_the_most() -> None:
    launch = compose(["ablation=modules", "seeds=settle"])
    assert (launch.seeds, launch.settle) == ((0, 1, 2), 20)
    assert compose(["ablation=all", "seeds=settle", "seeds.most=10"]).settle == 10
    assert compose(["ablation=modules", "seeds=3"]).settle is None


def test_a_number_of_seeds_counts_from_0() -> None:
    assert compose(["ablation=full", "seeds=3"]).seeds == (0, 1, 2)


def test_paths_do_not_depend_on_where_a_training_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    launch = compose(["ablation=full", "data=penn_action", "data.root=penn"])
    assert launch.config.data.root == str(tmp_path / "penn")
    assert launch.storage == tmp_path / "results"
    assert launch.tracking_uri == f"sqlite:///{tmp_path / 'results' / 'mlflow.db'}"
    odd = compose(["ablation=full", "tracking.uri='sqlite:///my%20%231.db'"]).tracking_uri
    assert sqlite_file(odd) == tmp_path / "my #1.db"
    with pytest.raises(ConfigError, match=r"tracking\.uri=: is no URI"):
        compose(["ablation=full", "tracking.uri="])
    assert not list(tmp_path.iterdir()), "composing writes nothing"


@pytest.mark.parametrize("key", ["storage", "data.root", "data.annotations"])
@pytest.mark.parametrize(
    ("value", "words"), [("", "names nothing"), ("'s3://ann:s3cret@host/x'", "is a URI, not a path")]
)
def test_a_place_is_a_path(key: str, value: str, words: str) -> None:
    with pytest.raises(ConfigError, match=f"{key}=.*{words}") as fault:
        compose(["ablation=full", "data=pyskl", f"{key}={value}"])
    assert "s3cret" not in str(fault.value)


def test_a_password_is_used_and_not_kept_in_the_command() -> None:
    launch = compose(["ablation=full", "tracking.uri=http://ann:s3cret@host:5000"])
    assert launch.tracking_uri == "http://ann:s3cret@host:5000"
    assert launch.arguments == ("ablation=full", "tracking.uri=http://***@host:5000")
    assert "s3cret" not in repr(launch)


def test_a_preset_sets_the_size_of_each_system() -> None:
    own = compose(["ablation=full", "preset=quick", "model=stgcn", "model.graph=fixed"]).config.model
    assert isinstance(own, GCNConfig)
    sizes = read_yaml(EXPERIMENTS / "preset" / "quick.yaml")["models"]
    assert (own.system, own.graph, own.width) == ("gcn", "fixed", sizes["gcn"]["width"])


def test_a_row_names_another_system_which_takes_the_presets_size(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text((MINE % 8) + "  - label: graph\n    settings: {model: stgcn, model.graph: free}\n")
    launch = compose([f"ablation={path}", "model.depth=2"])
    narrow, graph = (launch.configure(row).model for row in launch.ablations[0].rows)
    assert isinstance(narrow, D3DConfig) and (narrow.width, narrow.depth) == (8, 2)
    alone = compose(["ablation=full", "model=stgcn", "model.graph=free"]).config.model
    assert graph == alone


def test_a_row_that_names_a_system_there_is_not(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text((MINE % 8) + "  - label: graph\n    settings: {model: stgcnn}\n")
    with pytest.raises(
        ConfigError, match=r"model=stgcnn: unknown model \(did you mean stgcn\?\).*mine\.yaml, row graph"
    ):
        compose([f"ablation={path}"])


def test_an_ablation_that_is_about_a_system_runs_that_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("model: cast\n" + MINE % 8)
    launch = compose([f"ablation={path}", "model.masked_epochs=9"])
    configs = [launch.configure(row) for row in launch.ablations[0].rows]
    assert {type(config.model) for config in configs} == {CASTConfig}
    assert {config.model.masked_epochs for config in configs if isinstance(config.model, CASTConfig)} == {9}
    assert compose([f"ablation={path}", "model=cast"]).config == compose([f"ablation={path}"]).config
    for other in ("model=d3d", "model.system=gcn"):
        with pytest.raises(ConfigError, match=f"{other}: mine is about model=cast; leave it out"):
            compose([f"ablation={path}", other])
    path.write_text("model: casts\n" + MINE % 8)
    with pytest.raises(ConfigError, match=r"mine\.yaml: model: casts: unknown model \(did you mean cast\?\)"):
        compose([f"ablation={path}"])


def test_one_name_launches_all_ablations_of_a_system() -> None:
    several = compose(["ablation=cast"]).ablations
    assert len(several) > 5 and {each.model for each in several} == {"cast"}
    assert {each.model for each in compose(["ablation=all"]).ablations} == {None}


def test_a_system_of_the_users_own_has_its_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_own_system.py").write_text(OWN)
    launch = compose(["ablation=full", "model.system=my_own_system:Mine", "model.hidden=5"])
    assert (launch.config.model.system, asdict(launch.config.model)["hidden"]) == ("my_own_system:Mine", 5)
    with pytest.raises(ConfigError, match=r"model.width=8: unknown key"):
        compose(["ablation=full", "model.system=my_own_system:Mine", "model.width=8"])


def test_an_ablation_of_the_users_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(MINE % 8)
    launch = compose([f"ablation={path}"])
    assert launch.name == "mine"
    [ablation] = launch.ablations
    assert (ablation.name, ablation.source, ablation.artefacts) == ("mine", str(path), ("mine",))
    assert [row.settings for row in ablation.rows] == [{"model.width": 8}]


def test_all_is_every_ablation_that_is_about_no_system_in_particular() -> None:
    launch = compose(["ablation=all", "preset=smoke", "data.clips=60"])
    assert launch.name == "all"
    assert launch.ablations == tuple(each for each in ablations().values() if each.model is None)


@pytest.mark.parametrize(
    ("file", "width", "words"),
    [
        ("mine.yaml", "0", ["model.width=0", "mine.yaml", "narrow"]),
        ("mine.yaml", "wide", ["model.width=wide", "integer", "mine.yaml", "narrow"]),
        ("full.yaml", "8", ["full", "another name"]),
        ("all.yaml", "8", ["all", "another name"]),
        ("my table.yaml", "8", ["my table.yaml", "letters, digits"]),
    ],
)
def test_an_ablation_that_cannot_be_used_is_named(tmp_path: Path, file: str, width: str, words: list[str]) -> None:
    path = tmp_path / file
    path.write_text(MINE % width)
    with pytest.raises(ConfigError) as fault:
        compose([f"ablation='{path}'"])
    assert all(word in str(fault.value) for word in words), fault.value


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("", ["ablation=", "stride_grid (figure7a)", "full (no table)"]),
        ("ablation=al", ["ablation=al", "did you mean all"]),
        ("ablation=strid_grid", ["strid_grid", "did you mean stride_grid", "stride_grid (figure7a)"]),
        ("ablation=/nowhere.yaml", ["/nowhere.yaml", "cannot be read"]),
        ("ablation=full preset=quik", ["preset=quik", "did you mean quick", "smoke"]),
        ("ablation=full data=pen_action", ["data=pen_action", "did you mean penn_action"]),
        ("ablation=full model.deformable_attention=ful", ["must be a valid boolean or 'full'"]),
        ("ablation=full model.widht=3", ["model.widht=3", "did you mean model.width"]),
        ("ablation=full storag=x", ["storag=x", "did you mean storage"]),
        ("ablation=full model.classes=3 model=stgcn", ["model.classes=3", "unknown"]),
        ("ablation=full model=stgcn model.sigma=1", ["model.sigma=1", "unknown key"]),
        ("ablation=full model=stgcn model.temporal_window=3", ["model.temporal_window=3", "model.temporal_kernel"]),
        (
            "ablation=modules model=stgcn",
            ["model.deformable_attention", "model.system=gcn", "modules", "no_deformable"],
        ),
        ("ablation=full model=stgcnn", ["model=stgcnn", "did you mean stgcn", "r2plus1d"]),
        ("ablation=full model.system=nowhere", ["model.system=nowhere", "package.module:Class", "gcn"]),
        ("ablation=full model.system=nowhere:Mine", ["model.system=nowhere:Mine", "No module named"]),
        ("ablation=full model.system=pathlib:Path", ["model.system=pathlib:Path", "docs/systems.md"]),
        ("ablation=full model.system=pathlib:Pth", ["model.system=pathlib:Pth", "has no attribute"]),
        ("ablation=full zzzzzz=1", ["zzzzzz=1", "d3d/config.py"]),
        ("ablation=full model.classes=3", ["model.classes=3", "unknown"]),
        ("ablation=full model.width=abc", ["model.width=abc", "integer"]),
        ("ablation=full model.width=1.5", ["model.width=1.5", "integer"]),
        ("ablation=full training.epochs=true", ["training.epochs=true", "integer"]),
        ("ablation=full augmentation.flip=1", ["augmentation.flip=1", "boolean"]),
        ("ablation=full model.norm=post", ["model.norm=post", "'pre' or 'printed'"]),
        ("ablation=full model.temporal_window=0", ["model.temporal_window=0", "at least 1"]),
        ("ablation=full model.temporal_stride=0", ["model.temporal_stride=0", "between 1 and"]),
        ("ablation=full model.temporal_stride=7", ["model.temporal_stride=7", "model.temporal_window = 6"]),
        ("ablation=full seeds=0", ["seeds=0", "at least 1"]),
        ("ablation=modules seeds=sttle", ["seeds=sttle", "or settle"]),
        ("ablation=norm seeds=settle", ["seeds=settle: norm declares no claims", "seeds=3"]),
        ("ablation=modules seeds=settle seeds.most=2", ["seeds.most=2", "3 to 20"]),
        ("ablation=modules seeds=settle seeds.most=21", ["seeds.most=21", "3 to 20"]),
        ("ablation=modules seeds=settle seeds.most=8.5", ["seeds.most=8.5", "whole number"]),
        ("ablation=modules seeds=3 seeds.most=5", ["seeds.most=5", "seeds=settle"]),
        ("ablation=full seeds=[1,1]", ["seeds=[1, 1]", "different"]),
        ("ablation=full seeds=[-1]", ["seeds=[-1]"]),
        ("ablation=full dry_run=maybe", ["dry_run=maybe", "boolean"]),
        ("ablation=full stale=replace", ["stale=replace", "'keep' or 'rerun'"]),
        ("ablation=full resources.cpus=0", ["resources.cpus=0", "at least 1"]),
        ("ablation=full resources.gpus_per_cell=2", ["resources.gpus_per_cell=2"]),
        ("ablation=full training.learning_rate=nan", ["training.learning_rate=nan", "at most 1000"]),
        ("ablation=full model.width=8,16", ["model.width=8,16", "one for each key", "'model.width=\"8,16\"'"]),
        ("ablation=full +model.width=8", ["+model.width=8", "key=value"]),
        ("ablation=full ~model.width", ["~model.width", "key=value"]),
        ("ablation=full --verbose", ["--verbose", "--help"]),
        ("ablation=full model.norm=~x", ["model.norm=~x", "quote it: 'model.norm=\"~x\"'"]),
        ("ablation=full storage=", ["storage=", "names nothing"]),
        ("ablation=full storage=\udcff", [r"storage=\udcff", "can be shown"]),
        ("ablation=full seeds=20231127", ["seeds=20231127", "at most 100", "write seeds=[20231127]"]),
        ("ablation=full seeds=[20231127123456]", ["seed=20231127123456", "at most"]),
        ("ablation=full training.epochs=1000000", ["training.epochs=1000000", "at most 100000"]),
        ("ablation=full model.width=1000000", ["model.width=1000000", "at most 100000"]),
        ("ablation=full model.sigma=inf", ["model.sigma=inf", "finite"]),
        ("ablation=full resources.cpus=1000000", ["resources.cpus=1000000", "at most 10000"]),
        ("ablation=full cluster.address=1", ["cluster.address=1", "cluster.address='\"…\"'"]),
        ("ablation=full search=optuna search.name=2024", ["search.name: 2024", "in quotes"]),
        ("ablation=full evaluation.joint_dropout=2", ["evaluation.joint_dropout=2", "[0, 1]"]),
        ("ablation=full measurement.module=spatial", ["measurement.module=spatial", "'joint' or 'temporal'"]),
        ("ablation=stride_grid model.temporal_stride=2", ["model.temporal_stride=2", "stride_grid varies"]),
        ("ablation=all model.depth=2", ["model.depth=2", "depth varies"]),
    ],
)
def test_bad_input_is_one_line_that_names_it(arguments: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as fault:
        compose(arguments.split())
    message = str(fault.value)
    assert all(word in message for word in words), message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["data=ntu60", "data.protocol=xview", "data.root=d"], "ntu60, xview, files"),
        (["data=ntu120", "data.root=d", "data.frames=rendered"], "ntu120, xsub, rendered"),
        (["data=finegym", "data.annotations=gym_hrnet.pkl", "data.root=d"], "finegym, files"),
        (["data=pyskl", "data.annotations=a/diving.pkl", "data.splits=[train,test]"], "pyskl, diving, test, files"),
        (["data=penn_action", "data.protocol=xview"], "penn_action, files"),
        (["data=penn_action", "data.split=test"], "penn_action, files"),
        (["data=penn_action", "data.split=validation"], "penn_action, files, validation split"),
    ],
)
def test_how_the_data_is_called_in_the_record(arguments: list[str], name: str) -> None:
    assert compose(["ablation=full", *arguments]).data == name


def test_annotations_and_splits_of_a_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = compose(["ablation=full", "data=pyskl", "data.annotations=a.pkl", "data.splits=[x,y]"]).config.data
    assert (data.annotations, data.splits, data.persons) == (str(tmp_path / "a.pkl"), ("x", "y"), 2)
    assert compose(["ablation=full", "data=finegym"]).config.data.persons == 1
    for named, path in (("human36m", "human36m"), ("hand.yaml", str(tmp_path / "hand.yaml"))):
        assert compose(["ablation=full", "data=pyskl", f"data.skeleton={named}"]).config.data.skeleton == path
    for wrong in ("data.splits=[x]", "data.splits=[x,x]", "data.protocol=xv", "data.persons=0", "data.classes=1"):
        with pytest.raises(ConfigError, match=wrong.partition("=")[0]):
            compose(["ablation=full", "data=pyskl", wrong])


@pytest.mark.parametrize(
    "name", ["a,b", "a b", "José (1)", "a=b", "it's", 'a "q"', "2024", "end\\", "[1]", 'x\'"\\\\"y']
)
def test_a_path_may_be_typed_as_it_is(name: str, tmp_path: Path) -> None:
    launch = compose(["ablation=full", f"storage={tmp_path}/{name}", f"data.root={name}"])
    assert launch.storage == tmp_path / name
    assert launch.config.data.root == str(Path(name).absolute())
    assert compose_inspection("show", [f"clip={name}"]).clip == name


def test_what_a_message_says_to_type_can_be_pasted() -> None:
    with pytest.raises(ConfigError) as caught:
        compose(["ablation=full", 'data.name=it\'s, "so"'])
    pasted = shlex.split(str(caught.value).partition("quote it: ")[2])
    assert compose(["ablation=full", *pasted]).config.data.name == 'it\'s, "so"'


def test_a_launch_asks_for_no_more_than_can_be_trained(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    declared = {"title": "t", "section": "s", "command": "c", "cost": "c"}
    path.write_text(yaml.safe_dump(declared | {"grids": [{"training.batch_size": list(range(1, 202))}]}))
    with pytest.raises(ConfigError, match=r"50 seeds of 201 rows are 10050 points; at most 10000"):
        compose([f"ablation={path}", "seeds=50"])
