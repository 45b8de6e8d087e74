"""What an installation brings: the package with its declarations, and nothing that another library is called by."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel holds."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(folder / "installed")
    return folder / "installed"


def run(program: str, folder: Path, *path: Path) -> str:
    """What a Python program prints that is started in a folder, with other places to import from."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path))}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout


def test_only_the_package_is_installed(installed: Path) -> None:
    there = {path.name for path in installed.iterdir() if path.suffix != ".dist-info"}
    assert there == {"d3d"}, "tables is what PyTables is imported as"


def test_the_declarations_and_published_numbers_are_found_in_it(installed: Path, tmp_path: Path) -> None:
    program = """
import d3d.folders
from d3d.bench.declare.ablations import ablations
from d3d.report.published import published
print(d3d.folders.EXPERIMENTS, d3d.folders.PUBLISHED, *ablations())
"""
    experiments, published, *names = run(program, tmp_path, installed).split()
    assert Path(experiments).is_relative_to(installed)
    assert Path(published).is_relative_to(installed)
    assert sorted(names) == sorted(path.stem for path in (ROOT / "experiments" / "ablation").glob("*.yaml"))


def test_the_command_works_from_another_folder(installed: Path, tmp_path: Path) -> None:
    program = "import sys; sys.argv = ['bin/d3d', '--help']; from d3d.command import entry; entry()"
    shown = run(program, tmp_path, installed)
    assert shown.startswith("usage: d3d ablation=")
    assert not list(tmp_path.iterdir())


def test_the_repository_does_not_stand_before_a_package_called_tables(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "__init__.py").write_text("name = 'PyTables'\n")
    assert run("import tables; print(tables.name)", ROOT, tmp_path).strip() == "PyTables"
