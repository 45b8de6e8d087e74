"""The code that a result was computed with: a digest of the modules of this project that a computation uses.

It follows import statements in the source, so it needs neither torch nor what the modules import. Only what Python
executes counts: comments, docstrings, layout and imports for type checkers change nothing.
"""

import ast
import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

PACKAGE = Path(__file__).parent


def code_digest(*entries: str, package: Path = PACKAGE) -> str:
    """16 hexadecimal digits over modules such as "d3d.digest" and every module of their packages that they import.

    Imports within functions count, and so do the packages that a module lies in, whose `__init__` Python runs first.
    Imports by a name that is made at run time are not seen. `package` is the folder of this package's
    sources. An entry of another package, such as a system of the user's own, is found where Python would import it
    from, and is followed within its own package. The digest does not depend on the version of Python.
    Raises FileNotFoundError where there is no such module.
    """
    roots: dict[str, Path | None] = {package.name: package}
    for top in (entry.partition(".")[0] for entry in entries):
        roots[top] = roots[top] if top in roots else _root(top)
    for entry in entries:
        if _source(entry, roots) is None:
            raise FileNotFoundError(f"{entry}: there is no such module")
    found: dict[str, str] = {}
    waiting = [name for entry in entries for name in _with_parents(entry)]
    while waiting:
        name = waiting.pop()
        path = _source(name, roots)
        if path and name not in found:
            inside = name if path.name == "__init__.py" else name.rpartition(".")[0]
            found[name], imported = _read(path.read_text("utf-8"), inside)
            waiting += imported
    text = "".join(f"{name} {digest}\n" for name, digest in sorted(found.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _root(top: str) -> Path | None:
    """The folder of a package, or the file of a module that lies in none; None where Python finds neither."""
    spec = find_spec(top)
    if spec is None:
        return None
    places = spec.submodule_search_locations
    return Path(places[0]) if places else Path(spec.origin) if spec.origin else None


def _source(name: str, roots: Mapping[str, Path | None]) -> Path | None:
    """The file of a module; None where it is of another package, or the name is not a module's."""
    top, *rest = name.split(".")
    root = roots.get(top)
    if root is None:
        return None
    if root.suffix == ".py":
        return None if rest else root
    place = root.joinpath(*rest)
    candidates = (place / "__init__.py", place.with_suffix(".py"))
    return next((path for path in candidates if path.is_file()), None)


@cache  # by content: several entries share most of their modules
def _read(source: str, inside: str) -> tuple[str, tuple[str, ...]]:
    """The digest of a module's source, and the names that it imports; relative ones start at the package `inside`."""
    tree = _Executed().visit(ast.parse(source))
    words: list[str] = []
    _spell(tree, words)
    return hashlib.sha256("\n".join(words).encode()).hexdigest(), tuple(_imported(tree, inside))


def _imported(tree: ast.AST, inside: str) -> Iterator[str]:
    """The names that imports may stand for, modules or not, and the packages they lie in."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_parents(alias.name)
        elif isinstance(node, ast.ImportFrom):
            above = inside.split(".")[: 1 - node.level or None] if node.level else []
            start = ".".join([*above, *filter(None, [node.module])])
            yield from _with_parents(start)
            yield from (f"{start}.{alias.name}" for alias in node.names)


def _with_parents(name: str) -> Iterator[str]:
    """a.b.c → a, a.b, a.b.c."""
    parts = name.split(".")
    return (".".join(parts[:length]) for length in range(1, len(parts) + 1))


class _Executed(ast.NodeTransformer):
    """Removes what has no effect when Python runs it: strings that stand alone, and imports for type checkers."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        alone = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if alone else self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        test = node.test
        named = test.id if isinstance(test, ast.Name) else test.attr if isinstance(test, ast.Attribute) else ""
        return node.orelse if named == "TYPE_CHECKING" else node


def _spell(node: object, words: list[str]) -> None:
    """Appends a syntax tree as words that layout does not change, without empty fields: newer Pythons add some."""
    if isinstance(node, ast.Constant):
        words.append(f"{type(node.value).__name__} {node.value!a}")
    elif isinstance(node, ast.AST):
        words.append(f"({type(node).__name__}")
        for name, value in ast.iter_fields(node):
            if value is not None and value != []:
                words.append(f"{name}=")
                _spell(value, words)
        words.append(")")
    elif isinstance(node, list):
        words.append("[")
        for each in node:
            _spell(each, words)
        words.append("]")
    else:
        words.append(ascii(node))
