"""What docs/data.md tells to type is accepted, and its worked example makes a dataset that is right."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from d3d.config import DataConfig
from d3d.data import find_source, open_dataset
from d3d.data.check import check
from experiments.compose import compose, compose_inspection

TEXT = (Path(__file__).parent.parent / "docs" / "data.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = [line for language, block in BLOCKS if language == "bash" for line in block.splitlines()] + re.findall(
    r"`(python [^`]+)`", TEXT
)


@pytest.mark.parametrize("command", sorted(set(COMMANDS)))
def test_a_command_composes(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first, *others = shlex.split(command)[2:]
    if first in ("check", "show"):
        compose_inspection(first, others)
    else:
        compose([first, *others])


def test_the_worked_example_is_a_dataset(tmp_path: Path) -> None:
    (example,) = [block for language, block in BLOCKS if language == "python"]
    subprocess.run([sys.executable, "-c", example], cwd=tmp_path, check=True)
    config = DataConfig(name="pyskl", annotations=str(tmp_path / "mine.pkl"), frames="rendered", resize=40, crop=32)
    dataset = open_dataset(config, tmp_path)
    assert (len(dataset.train), len(dataset.test), len(dataset.classes)) == (16, 8, 2)
    assert dataset.train[0].visible[:, :17].all() and not dataset.train[0].visible[:, 17:].any()
    assert check(find_source(config, tmp_path), config, 12, 1, lambda: None).faults == ()
