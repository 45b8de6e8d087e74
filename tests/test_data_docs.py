"""The worked example of docs/data.md makes a dataset that is right."""

import re
import subprocess
import sys
from pathlib import Path

from d3d.config import DataConfig
from d3d.data.look.check import check
from d3d.data.readers.registry import find_source, open_dataset
from d3d.data.skeleton import COCO
from d3d.data.skeleton_yaml import read_skeleton

TEXT = (Path(__file__).parent.parent / "docs" / "data.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_the_worked_example_is_a_dataset(tmp_path: Path) -> None:
    (example,) = [block for language, block in BLOCKS if language == "python"]
    subprocess.run([sys.executable, "-c", example], cwd=tmp_path, check=True)
    config = DataConfig(name="pyskl", annotations=str(tmp_path / "mine.pkl"), frames="rendered", resize=40, crop=32)
    dataset = open_dataset(config, tmp_path)
    assert (len(dataset.train), len(dataset.test), len(dataset.classes)) == (16, 8, 2)
    assert dataset.train[0].visible[:, :17].all() and not dataset.train[0].visible[:, 17:].any()
    assert dataset.skeleton == COCO
    assert check(find_source(config, tmp_path), config, 12, 1, lambda: None).faults == ()


def test_the_skeleton_it_shows_is_one(tmp_path: Path) -> None:
    (shown,) = [block for language, block in BLOCKS if language == "yaml"]
    path = tmp_path / "mine.skeleton.yaml"
    path.write_text(shown)
    skeleton = read_skeleton(path)
    assert (len(skeleton.joint_names), skeleton.centre, skeleton.mirrored_of(1)) == (8, 0, (0, 1, 5, 6, 7, 2, 3, 4))
    assert skeleton.figure is not None
