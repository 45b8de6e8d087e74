import ast
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from d3d.digest import PACKAGE, code_digest

ENTRIES = (
    "d3d.training.loop",
    "d3d.models.d3d.transformer",
    "d3d.analysis.baselines",
    "d3d.analysis.complexity",
    "d3d.data.readers.registry",
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package's sources, to be edited."""
    shutil.copytree(PACKAGE, tmp_path / "d3d", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "d3d"


@pytest.fixture
def package(tmp_path: Path) -> Callable[..., Path]:
    """A package named `p` of the modules whose sources are given, by their paths without the ending."""

    def write(**sources: str) -> Path:
        folder = tmp_path / "p"
        for path, source in {"__init__": "", **sources}.items():
            file = folder / f"{path.replace('__in__', '/')}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(source)
        return folder

    return write


def digests(package: Path) -> dict[str, str]:
    return {entry: code_digest(entry, package=package) for entry in ENTRIES}


def changed(package: Path, edit: Callable[[], object]) -> set[str]:
    """The entries whose digest an edit changes."""
    before = digests(package)
    edit()
    return {entry for entry, digest in digests(package).items() if digest != before[entry]}


def edit_text(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_is_short_and_does_not_depend_on_where_the_sources_lie(copy: Path) -> None:
    assert digests(copy) == digests(PACKAGE)
    assert all(re.fullmatch(r"[0-9a-f]{16}", digest) for digest in digests(copy).values())


def test_another_activation_is_other_code_for_what_runs_through_the_model_alone(copy: Path) -> None:
    source = copy / "models" / "layers" / "attention.py"
    assert changed(copy, lambda: edit_text(source, "nn.GELU()", "nn.ReLU()")) == {
        "d3d.models.d3d.transformer",
        "d3d.analysis.complexity",
    }


def test_how_clips_are_read_is_code_of_what_reads_clips(copy: Path) -> None:
    source = copy / "data" / "clip.py"
    edited = changed(copy, lambda: source.write_text(source.read_text() + "\nMORE = 1\n"))
    assert edited == {"d3d.training.loop", "d3d.analysis.baselines", "d3d.data.readers.registry"}


def test_a_module_that_nothing_imports_changes_nothing(copy: Path) -> None:
    assert changed(copy, lambda: (copy / "report.py").write_text("import d3d.training.loop\nWIDTH = 80\n")) == set()


def test_comments_docstrings_and_layout_change_nothing(copy: Path) -> None:
    def rewrite() -> None:
        for path in copy.rglob("*.py"):
            plain = ast.unparse(ast.parse(path.read_text()))  # without comments, in another layout
            path.write_text(f'"""Another docstring."""\n\n# a comment\n{plain}\n\n"""A text that stands alone."""\n')

    assert changed(copy, rewrite) == set()
    config = copy / "models" / "d3d" / "config.py"
    assert changed(copy, lambda: edit_text(config, '"""The 3D deformable transformer.', '"""Another model.')) == set()


@pytest.mark.parametrize(
    "imports",
    [
        "import p.other",
        "from p.other import CONSTANT",
        "from p import other",
        "from . import other",
        "from .other import CONSTANT",
        "def later():\n    from p import other",
        "if True:\n    import p.other as renamed",
    ],
)
def test_whatever_is_imported_counts(package: Callable[..., Path], imports: str) -> None:
    first = code_digest("p.entry", package=package(entry=imports, other="CONSTANT = 1"))
    assert code_digest("p.entry", package=package(entry=imports, other="CONSTANT = 2")) != first


def test_modules_are_followed_all_the_way_and_through_their_packages(package: Callable[..., Path]) -> None:
    sources = {"entry": "import p.a", "a": "from p.inner import b", "inner__in____init__": "", "inner__in__b": "B = 1"}
    first = code_digest("p.entry", package=package(**sources))
    assert code_digest("p.entry", package=package(**sources | {"inner__in__b": "B = 2"})) != first
    assert code_digest("p.entry", package=package(**sources | {"inner__in____init__": "C = 1"})) != first
    circle = package(**sources | {"inner__in__b": "from ..a import b\nfrom .. import entry"})
    assert code_digest("p.entry", package=circle) != first


def test_what_is_imported_for_type_checkers_alone_does_not_count(package: Callable[..., Path]) -> None:
    entry = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p.other import A\n"
    first = code_digest("p.entry", package=package(entry=entry, other="A = 1"))
    assert code_digest("p.entry", package=package(entry=entry, other="A = 2")) == first
    assert (
        code_digest("p.entry", package=package(entry=entry.replace("import A", "import A, B"), other="A = 2")) == first
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = '1'", "x = b'1'"),
        ("x = None", "x = 'None'"),
        ("f(a, b)", "f(a=b)"),
        ("f([a], b)", "f([a, b])"),
        ("x = {**a}", "x = {None: a}"),
        ("def f(*, a, b=1): ...", "def f(*, a=1, b): ..."),
        ("class A:\n    def f(self): return 1", "class A: pass\ndef f(self): return 1"),
    ],
)
def test_different_code_has_different_digests(package: Callable[..., Path], one: str, other: str) -> None:
    assert code_digest("p.entry", package=package(entry=one)) != code_digest("p.entry", package=package(entry=other))


def test_a_module_that_is_not_there(package: Callable[..., Path]) -> None:
    with pytest.raises(FileNotFoundError, match=r"p\.nothing"):
        code_digest("p.nothing", package=package())
