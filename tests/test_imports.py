"""Who may know whom: the method runs without the machinery, the tables without the method's weight."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
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
    imported = modules(command)
    assert package in imported
    assert not imported & forbidden


@pytest.mark.parametrize("module", ["experiments.plan", "experiments.worker"])
def test_what_only_a_search_or_a_baseline_needs_is_not_imported_before(module: str) -> None:
    imported = modules([sys.executable, "-c", f"import sys, {module}; print(*sys.modules)"])
    assert module in imported
    assert not imported & {"optuna", "sklearn"}


def modules(command: list[str]) -> set[str]:
    """What a process that prints it has imported."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())
