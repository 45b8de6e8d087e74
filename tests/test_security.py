"""Doors that are shut: nothing foreign is run, no name leads out of its folder, and nobody else can connect."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from d3d.bench.declare.compose import compose
from d3d.bench.declare.searches import read_search
from d3d.command import main
from d3d.config import Config, DataConfig
from d3d.data.readers.registry import find_source, open_dataset
from d3d.data.skeleton_yaml import read_skeleton
from d3d.errors import CheckpointError, ConfigError, DataError
from d3d.models.d3d.config import D3DConfig
from d3d.models.registry import build
from d3d.training.checkpoint import FILE, load_checkpoint, load_trained
from d3d.training.optimizer import build_optimizer
from d3d.yaml_file import read_yaml
from tests.bench.declare.test_compose import MINE
from tests.data.penn_files import label, write_label, write_root
from tests.data.pyskl_files import annotation, write_pickle

ROOT = Path(__file__).parents[1]
TINY = Config(model=D3DConfig(width=1, depth=1, heads=1, kernel=2))


class Harm:
    """What makes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """What is there once anything foreign has run."""
    return tmp_path / "mark"


@pytest.mark.parametrize("write", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_a_checkpoint_runs_nothing(tmp_path: Path, mark: Path, write: Callable[[Any, Path], Any]) -> None:
    model = build(TINY.model)
    write({"model": Harm(mark)}, tmp_path / FILE)
    with pytest.raises(CheckpointError, match=FILE):
        load_trained(tmp_path, TINY, model)
    said: list[str] = []
    assert load_checkpoint(tmp_path, TINY, model, build_optimizer(model, TINY.training), notice=said.append) == 0
    assert FILE in said[0]
    assert not mark.exists()


def test_annotations_run_nothing(tmp_path: Path, mark: Path) -> None:
    """Wherever in them it stands."""
    path, right = tmp_path / "mine.pkl", annotation("c", 0)
    for content in (
        Harm(mark),
        {"split": Harm(mark), "annotations": []},
        {"split": {"train": ["c"], "val": []}, "annotations": [right | {"keypoint": Harm(mark)}]},
        {"split": {"train": ["c"], "val": []}, "annotations": [right, Harm(mark)]},
    ):
        path.write_bytes(pickle.dumps(content))
        config = DataConfig(name="pyskl", annotations=str(path), frames="rendered")
        with pytest.raises(DataError, match=r"mine\.pkl"):
            open_dataset(config, tmp_path)
        assert not mark.exists()


def test_yaml_runs_nothing(tmp_path: Path, mark: Path) -> None:
    """An ablation, a search, a skeleton; presets and datasets are read by Hydra, and are files of the project alone."""
    path = tmp_path / "mine.yaml"
    for harm in (
        f"!!python/object/apply:os.system ['touch {mark}']",
        f"!!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ['{mark}']]",
        f"!!python/object/new:subprocess.Popen [[touch, '{mark}']]",
    ):
        for text in (harm, f"title: {harm}", f"{MINE % 8}\nclaims: [{harm}]"):
            path.write_text(text)
            for read in (
                lambda: compose([f"ablation='{path}'"]),
                lambda: compose(["ablation=full", f"search='{path}'"]),
                lambda: read_search(path, {}),
                lambda: read_yaml(path),
                lambda: read_skeleton(path),
            ):
                with pytest.raises(ConfigError, match=r"mine\.yaml"):
                    read()
                assert not mark.exists()
    for group in ("preset", "data"):
        with pytest.raises(ConfigError, match=f"unknown {group}"):
            compose(["ablation=full", f"{group}='{path}'"])


def test_a_value_runs_nothing(mark: Path) -> None:
    """Hydra's grammar has functions and interpolations; none of them is a way to Python."""
    for value in (f"${{eval:Path('{mark}').touch()}}", "{_target_: os.abort}", f"$(touch {mark})"):
        with pytest.raises(ConfigError):
            compose(["ablation=full", f"data.root={value}", f"model.norm={value}"])
    assert not mark.exists()


OUTSIDE = ("../outside", "/outside", "a/../../outside", "..", ".", "", "a/\0", "a\nb", "\x1b[2J", "\ud800", "x" * 300)


@pytest.mark.parametrize("id", OUTSIDE)
@pytest.mark.parametrize("frames", ["files", "rendered"])
def test_no_clip_is_looked_for_outside_its_root(tmp_path: Path, id: str, frames: Any) -> None:
    """Though what the id leads to is there, with as many images as the clip has frames."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    for number in range(12):
        (outside / f"{number}.jpg").touch()
        (root / f"{number}.jpg").touch()
    id = id.replace("/outside", str(outside)) if id.startswith("/") else id
    path = write_pickle(tmp_path / "mine.pkl", [annotation(id, 0)], [annotation("b", 0)])
    source = find_source(DataConfig(name="pyskl", annotations=str(path), root=str(root), frames=frames), tmp_path)
    with pytest.raises(DataError, match="its frame_dir ") as refused:
        source.read(source.entries[0])
    assert str(refused.value).isprintable()


def test_a_label_file_has_no_say_in_where_its_frames_are(tmp_path: Path) -> None:
    """They are found by its name, which is a number: other files are no label files."""
    root = write_root(tmp_path / "root")
    for name in ("..", "0001 ", "x", "-001", "0001.mat"):
        write_label(root, name, label())
    write_label(root, "0003", label(frame_dir="../../outside", id="../../outside", action="../../outside"))
    source = find_source(DataConfig(name="penn_action", root=str(root)), tmp_path)
    assert [entry.stem for entry in source.entries] == ["0001", "0002", "0003", "0004"]
    with pytest.raises(DataError, match=r"clip 0003: .*action '\.\./\.\./outside'"):
        source.read(source.entries[2])


@pytest.mark.parametrize(
    "argument",
    [
        "ablation=../../x", "preset=../preset/quick", "preset=/etc/passwd", "data=../data/synthetic", "search=../x",
        "preset@hydra=../x", "hydra.run.dir=../x", "hydra/launcher=../x", "+hydra.searchpath=[../x]",
        "search.name=../x",
    ],
)  # fmt: skip
def test_no_name_of_a_configuration_leads_to_another_file(argument: str) -> None:
    more = ["search=optuna"] if argument.startswith("search.") else []
    with pytest.raises(ConfigError) as refused:
        compose(["ablation=full", *more, argument])
    assert argument.partition("=")[0].lstrip("+") in str(refused.value)


@pytest.mark.parametrize("name", ["..yaml", "...yaml", ".hidden.yaml", "a b.yaml", "a'b.yaml"])
def test_a_file_whose_name_is_no_name_for_a_table_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(MINE % 8)
    with pytest.raises(ConfigError, match="letters, digits"):
        compose([f'ablation="{tmp_path / name}"'])


def test_an_artefact_is_no_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a YAML file calls its table is refused before anything is trained."""
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(f"{MINE % 8}\nartefact: ../../outside\n")
    assert main(["ablation=mine.yaml", "dry_run=true"]) == 2
    assert "../../outside: unknown artefact" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yaml"]
