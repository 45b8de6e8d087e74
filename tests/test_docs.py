"""Whatever command a page of docs/ or tables/ tells to type, the command that it names composes from it."""

import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest

from d3d.bench.declare.ablations import flatten
from d3d.bench.declare.searches import Search
from d3d.folders import EXPERIMENTS
from d3d.yaml_file import read_yaml
from tests.typed_commands import check_command

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[str]:
    lines = [line.partition(" #")[0].strip() for block in blocks(page, "bash") for line in block.splitlines()]
    inline = re.findall(r"`(python [^`]+)`", page.read_text("utf-8"))
    return sorted(
        {each for each in (*lines, *inline) if each.startswith("python orchestrate.py ") and "--" not in each}
    )


TYPED = [
    (page, command)
    for page in sorted([*DOCS.rglob("*.md"), *(ROOT / "tables").rglob("*.md")])
    for command in commands(page)
]


@pytest.mark.parametrize(("page", "command"), TYPED, ids=[f"{page.stem}: {command}" for page, command in TYPED])
def test_a_command_composes(page: Path, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").symlink_to(DOCS)
    for block in blocks(page, "yaml"):
        if "artefact" in block or "grids:" in block:
            (tmp_path / "mine.yaml").write_text(block, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    for block in blocks(page, "python"):
        for name in re.findall(r"^class (\w+)\(System\)", block, re.MULTILINE):
            module = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
            (tmp_path / f"{module}.py").write_text(block, "utf-8")
    check_command(shlex.split(command)[2:])


def test_the_index_names_every_page_once() -> None:
    pages = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")} - {"index.md"}
    named = re.findall(r"^\| \[([^]]+)\]\(\1\) \| \S", (DOCS / "index.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(named) == sorted(pages)


def test_the_page_on_ablations_names_every_key_of_a_launch() -> None:
    _, _, keys = (DOCS / "ablations.md").read_text("utf-8").partition("## The keys of a launch")
    written = read_yaml(EXPERIMENTS / "config.yaml")
    del written["defaults"]
    assert [key for key in flatten(written) if f"`{key}`" not in keys] == []
    searched = {field.name for field in fields(Search)} - {"source", "space"}
    assert [key for key in sorted(searched) if f"`search.{key}`" not in keys] == []
