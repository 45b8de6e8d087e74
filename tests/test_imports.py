"""Who may know whom: the method runs without the machinery, the tables without the method's weight."""

import subprocess
import sys
from pathlib import Path

import pytest

IMPORT_ALL = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    importlib.import_module(module.name)
print("\\n".join(sys.modules))
"""


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("d3d", {"ray", "mlflow", "hydra", "optuna", "experiments", "tables"}),
        ("tables", {"torch", "ray", "hydra", "optuna"}),
    ],
)
def test_a_package_imports_nothing_it_must_not_know(package: str, forbidden: set[str]) -> None:
    command = [sys.executable, "-c", IMPORT_ALL, package]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert done.returncode == 0, done.stderr
    imported = set(done.stdout.split())
    assert package in imported
    assert not imported & forbidden
