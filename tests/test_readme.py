"""What the README tells a newcomer to type is accepted, and what it points at is there."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from d3d.bench.declare.ablations import parse_ablation
from tests.typed_commands import check_command

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in [
        *ROOT.glob("*.md"),
        *(page for room in ("docs", "tables", "d3d") for page in (ROOT / room).rglob("*.md")),
    ]
)

BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
COMMANDS = [
    line.partition(" #")[0].strip()
    for language, block in BLOCKS
    if language == "bash"
    for line in block.splitlines()
    if line.strip()
] + re.findall(r"`((?:python|make) [^`]+)`", README)


def commands(start: str | tuple[str, ...]) -> list[str]:
    return sorted({command for command in COMMANDS if command.startswith(start)})


def test_every_command_is_of_a_kind_that_is_checked_here() -> None:
    known = ("make ", "python orchestrate.py ")
    assert [command for command in COMMANDS if not command.startswith(known)] == []


@pytest.mark.parametrize("command", commands("python orchestrate.py "))
def test_a_command_is_accepted(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for language, block in BLOCKS:
        if language == "yaml":
            (tmp_path / "norms.yaml").write_text(block, "utf-8")
    arguments = shlex.split(command)[2:]
    if arguments != ["--help"]:
        check_command(arguments)


@pytest.mark.parametrize("command", commands("make "))
def test_a_make_target_exists(command: str) -> None:
    plan = subprocess.run([*shlex.split(command), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert plan.returncode == 0, plan.stderr


def test_the_example_ablation_is_what_the_text_says() -> None:
    (block,) = [block for language, block in BLOCKS if language == "yaml"]
    ablation = parse_ablation("norms", yaml.safe_load(block), "norms.yaml")
    assert len(ablation.rows) == 4


@pytest.mark.parametrize("page", PAGES)
def test_every_file_a_page_points_at_is_there(page: str) -> None:
    path = ROOT / page
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text("utf-8"))
    assert [target for target in targets if not (path.parent / target).exists()] == []
