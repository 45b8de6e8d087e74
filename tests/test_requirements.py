"""What set-up installs: what pyproject.toml asks for, and nothing but files with a locked version and known digests."""

import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
FILES = ("build", "torch-cpu", "bench", "cuda", "test")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def entries(file: str) -> dict[str, tuple[Requirement, list[str]]]:
    """The requirement and the digests of each package in a file of requirements/."""
    text = re.sub(r"^#.*\n", "", (ROOT / "requirements" / f"{file}.txt").read_text("utf-8"), flags=re.MULTILINE)
    found: dict[str, tuple[Requirement, list[str]]] = {}
    for entry in text.replace("\\\n", " ").splitlines():
        requirement, *digests = entry.split(" --hash=")
        parsed = Requirement(requirement)
        found[canonicalize_name(parsed.name)] = (parsed, [digest.strip() for digest in digests])
    return found


@pytest.mark.parametrize("file", FILES)
def test_every_package_has_one_version_and_digests(file: str) -> None:
    for name, (requirement, digests) in entries(file).items():
        assert re.fullmatch(r"==[^,*]+", str(requirement.specifier)), name
        assert digests and all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in digests), name


def test_the_files_agree() -> None:
    versions: dict[str, set[str]] = {}
    for file in FILES:
        for name, (requirement, _) in entries(file).items():
            versions.setdefault(name, set()).add(str(requirement.specifier).removesuffix("+cpu"))
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


@pytest.mark.parametrize(
    ("wanted", "files"),
    [
        (PROJECT["build-system"]["requires"], ("build",)),
        ([*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["bench"]], ("bench",)),
        (PROJECT["project"]["optional-dependencies"]["test"], ("bench", "test")),
    ],
    ids=["build", "bench", "test"],
)
def test_what_is_asked_for_is_locked(wanted: list[str], files: tuple[str, ...]) -> None:
    locked = {name: str(found.specifier) for file in files for name, (found, _) in entries(file).items()}
    for each in map(Requirement, wanted):
        if each.name != PROJECT["project"]["name"]:
            assert each.specifier.contains(locked[canonicalize_name(each.name)].removeprefix("==")), each


def test_set_up_installs_locked_files_and_the_project(tmp_path: Path) -> None:
    told = subprocess.run(
        ["make", "--dry-run", "--always-make", f"VENV={tmp_path}", f"{tmp_path}/.set-up-test"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    installs = [
        shlex.split(line, comments=True) for line in told.replace("\\\n", " ").splitlines() if "pip install" in line
    ]
    files = [word for words in installs for word in words if word.startswith("requirements/")]
    assert [file.rstrip(";") for file in files] == [f"requirements/{file}.txt" for file in FILES]
    for words in installs:
        assert {"--no-deps", "--no-build-isolation", "--no-user", "--target=", "--root=/"} <= set(words)
        assert ("--require-hashes" in words and "--only-binary=:all:" in words) != ("--editable" in words)
