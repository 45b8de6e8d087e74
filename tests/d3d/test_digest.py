import re
import shutil
import subprocess
import sys
from pathlib import Path

import d3d
from d3d.digest import code_digest


def test_is_stable_and_short() -> None:
    assert code_digest() == code_digest()
    assert re.fullmatch(r"[0-9a-f]{16}", code_digest())


def test_a_changed_line_changes_it_and_the_place_of_the_package_does_not(tmp_path: Path) -> None:
    package = Path(next(iter(d3d.__path__)))
    shutil.copytree(package, tmp_path / "d3d", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-c", "from d3d.digest import code_digest; print(code_digest())"]

    def moved() -> str:
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.strip()

    assert moved() == code_digest()
    with (tmp_path / "d3d" / "config.py").open("a") as source:
        source.write("# changed\n")
    assert moved() != code_digest()
