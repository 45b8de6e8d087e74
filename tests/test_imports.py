"""Who may know whom: rooms import one way, and nothing heavy where it has no place. CONTRIBUTING.md has the picture."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "d3d"
METHOD = {"models", "data", "training", "analysis"}
MACHINERY = {"ray", "mlflow", "hydra", "omegaconf", "optuna", "pydantic"}
KNOWS = {
    "models": {"models", "data"},
    "data": {"data"},
    "training": {"training", "models", "data"},
    "analysis": {"analysis", "models", "data"},
    "bench": METHOD | {"bench"},
    "report": {"report", "bench"},
}  # room → the rooms it may import; what lies in none, such as errors and config, is everybody's
OF_BENCH = {"bench.record", "bench.declare", "bench.database"}  # what the report may know: what is recorded, and why
FORBIDDEN = [
    (tuple(sorted(METHOD)), MACHINERY),
    (("report",), {"torch", "ray", "hydra", "optuna"}),
]  # rooms → what none of them imports, at any depth; those with one rule share a process, which imports torch once
IMPORT_ALL = """
import importlib, pkgutil, sys
for name in sys.argv[1:]:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
print("\\n".join(sys.modules))
"""


@pytest.mark.parametrize(("rooms", "forbidden"), FORBIDDEN)
def test_a_room_imports_no_library_it_must_not_know(rooms: tuple[str, ...], forbidden: set[str]) -> None:
    names = [f"d3d.{room}" for room in rooms]
    imported = modules([sys.executable, "-c", IMPORT_ALL, *names])
    assert imported.issuperset(names)
    assert not imported & forbidden


def test_every_room_has_a_rule() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert rooms == set(KNOWS)


@pytest.mark.parametrize("room", KNOWS)
def test_a_room_imports_only_rooms_it_may_know(room: str) -> None:
    for module in sorted(imports()):
        if room_of(module) == room:
            known = {room_of(name) for name in imports()[module]} - {""}
            assert known <= KNOWS[room], module


def test_the_report_knows_of_the_bench_what_is_recorded_and_declared() -> None:
    for module in sorted(imports()):
        if room_of(module) == "report":
            for name in imports()[module]:
                assert room_of(name) != "bench" or ".".join(name.split(".")[1:3]) in OF_BENCH, f"{module}: {name}"


def test_no_module_imports_itself_through_others() -> None:
    TopologicalSorter(imports()).prepare()  # raises CycleError, which names the circle


def test_what_only_a_search_or_a_baseline_needs_is_not_imported_before() -> None:
    names = ["d3d.bench.plan.planning", "d3d.bench.run.worker"]
    imported = modules([sys.executable, "-c", f"import sys, {', '.join(names)}; print(*sys.modules)"])
    assert imported.issuperset(names)
    assert not imported & {"optuna", "sklearn"}


def modules(command: list[str]) -> set[str]:
    """What a process that prints it has imported."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def room_of(module: str) -> str:
    """The folder below d3d/ that a module lies in; nothing where it lies in none."""
    first = module.split(".")[1] if "." in module else ""
    return first if (PACKAGE / first / "__init__.py").exists() and first else ""


@cache
def imports() -> dict[str, set[str]]:
    """Each module of the package → the modules of the package that it imports, within functions too."""
    paths = {name_of(path): path for path in PACKAGE.rglob("*.py")}
    found = {}
    for module, path in paths.items():
        named = set(imported_names(ast.parse(path.read_text("utf-8"))))
        found[module] = {name for name in named if name in paths} - {module}
    return found


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported_names(tree: ast.AST) -> Iterator[str]:
    """What is imported, apart from what is imported for type checkers alone: that may go in circles."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
            yield node.module
        else:
            yield from imported_names(node)
