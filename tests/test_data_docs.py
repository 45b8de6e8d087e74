"""The worked example of docs/data.md makes a dataset that is right."""

import re
import subprocess
import sys
from pathlib import Path

from d3d.config import DataConfig
from d3d.data import find_source, open_dataset
from d3d.data.check import check

TEXT = (Path(__file__).parent.parent / "docs" / "data.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_the_worked_example_is_a_dataset(tmp_path: Path) -> None:
    (example,) = [block for language, block in BLOCKS if language == "python"]
    subprocess.run([sys.executable, "-c", example], cwd=tmp_path, check=True)
    config = DataConfig(name="pyskl", annotations=str(tmp_path / "mine.pkl"), frames="rendered", resize=40, crop=32)
    dataset = open_dataset(config, tmp_path)
    assert (len(dataset.train), len(dataset.test), len(dataset.classes)) == (16, 8, 2)
    assert dataset.train[0].visible[:, :17].all() and not dataset.train[0].visible[:, 17:].any()
    assert check(find_source(config, tmp_path), config, 12, 1, lambda: None).faults == ()
