"""Command lines, and the YAML files of ablations and searches."""

from pathlib import Path
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from d3d.bench.declare.ablations import read_ablation, settable
from d3d.bench.declare.compose import compose, compose_inspection
from d3d.bench.declare.configuration import with_settings
from d3d.bench.declare.searches import read_search
from d3d.config import Config
from d3d.errors import D3DError
from tests.fuzz.damage import damaged
from tests.fuzz.outcomes import Outcomes, inputs

WORDS = (
    "ablation", "preset", "data", "search", "seeds", "storage", "dry_run", "tracking.uri", "cluster.address", "clip",
    "resources.cpus", "data.root", "data.splits", "search.trials", "search.name", "hydra.run.dir", "model", *settable(),
)  # fmt: skip
ODD = (
    "", "null", "true", "0", "-1", "1e999", "nan", "../x", "../../x.yaml", "~nobody/x", "'~nobody/x'",
    "'~nobody/x.yaml'",
    "[", "[" * 500, "[" * 500 + "]" * 500, "{a:1}", "[a,b]", "${oc.env:HOME}", "${", "${model.width}", "'a\nb.yaml'",
    "'a\0b.yaml'", "'/dev/null/a.yaml'", "'..yaml'", "choice(1,2)", "range(1,9)", "int(x)", "glob(*)", "sort(3,1)",
    "9" * 5000, "10000000000000000000000", "\\", "'", '"', "=", "a=b", "\x1b[2J", "\ud800", "é",
    "'" + "x" * 5000 + ".yaml'",
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(ODD), st.sampled_from(("8", "2.5", "pre", "full", "smoke", "synthetic")), st.text(max_size=8)
)
RIGHT = (
    "model.width=8", "model.norm=printed", "seeds=3", "seeds=[4,0]", "dry_run=true", "preset=smoke", "data.clips=60",
    "storage=elsewhere", "training.epochs=3", "search=optuna", "resources.cpus=1", "data=penn_action", "data.root=d",
)  # fmt: skip
ARGUMENTS = st.one_of(
    st.sampled_from(RIGHT),
    st.builds(lambda sign, key, value: f"{sign}{key}={value}", st.sampled_from(("",) * 8 + ("+", "~", "++")),
              st.sampled_from(WORDS), VALUES),
    st.builds(lambda key, value: f"{key}={value}", st.text(max_size=10), VALUES),
    st.text(max_size=15),
)  # fmt: skip

MINE: dict[str, Any] = {
    "title": "mine", "section": "none", "command": "none", "cost": "none", "claims": ["narrow ~ wide"],
    "grids": [{"model.depth": [1, 2], "model.norm": ["pre", "printed"]}],
    "rows": [{"label": "narrow", "settings": {"model.width": 8}}, {"label": "wide"}],
}  # fmt: skip
SEARCH: dict[str, Any] = {
    "title": "mine", "cost": "none", "trials": 3, "pruner": "none", "objectives": ["top1"], "seed": 0, "name": "b",
    "space": {"training.learning_rate": {"float": [1e-4, 1e-2], "log": True}, "model.depth": {"int": [1, 4]}},
}  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6), st.binary(max_size=3), st.dates(),
    st.sampled_from((*settable(), "pre", "label", "settings", "float", "int", "choices", "log", "step", "a > b",
                     "best(a) = a b")),
)  # fmt: skip
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.sets(st.integers(), max_size=3),
        st.dictionaries(st.one_of(SCALARS, st.sampled_from(settable())), inner, max_size=3),
    ),
    max_leaves=8,
)
RANGES = st.one_of(
    st.builds(lambda kind, ends, more: {kind: ends} | more, st.sampled_from(("float", "int", "choices")),
              st.lists(SCALARS, max_size=4), st.dictionaries(st.sampled_from(("log", "step")), SCALARS, max_size=1)),
    TREES,
)  # fmt: skip
TEXTS = st.sampled_from((
    "[" * 800, "{a: " * 400, "title: 2020-99-99", "title: !!int x", "title: !!float x",
    "!!python/object/apply:os.abort []",
    "title: " + "9" * 5000, "&a [*a]", "a: &a {a: *a}", "\0", "\x1b", "? [a]\n: b", "<<: 1", "title: !!binary é",
    "---\n---\n",
    "trials: 0x" + "f" * 50, "title: 1:99:99", "!!set {a, a}", "title: =",
))  # fmt: skip
GRIDS = st.sampled_from((
    [{"model.depth": list(range(1000)), "model.width": list(range(1000)), "training.epochs": list(range(1000))}],
    [{"model.depth": []}], [{}], [],
))  # fmt: skip


def _bomb() -> str:
    """Deeply nested lists in one line."""
    text = "&b0 [a]"
    for depth in range(1, 14):
        text = f"&b{depth} [{', '.join([text, *[f'*b{depth - 1}'] * 9])}]"
    return text


BOMB = _bomb()


@st.composite
def written(draw: st.DrawFn, right: dict[str, Any], parts: dict[str, st.SearchStrategy[Any]]) -> str:
    """A YAML file with one or two arbitrary keys, or with arbitrary content."""
    if draw(st.integers(0, 9)) == 0:
        return draw(TEXTS)
    if draw(st.integers(0, 9)) == 0:
        return draw(damaged(yaml.safe_dump(right).encode(), header=500).map(lambda content: content.decode("latin1")))
    tree = dict(right)
    for key in draw(st.lists(st.sampled_from([*right, "other"]), min_size=1, max_size=2, unique=True)):
        as_it_was = st.just(right.get(key, "and its value"))
        tree[key] = draw(st.one_of(as_it_was, as_it_was, parts.get(key, TREES), TREES))
    return yaml.safe_dump(tree, allow_unicode=draw(st.booleans()))


def test_command_lines() -> None:
    outcomes = Outcomes()

    @inputs(100)
    @given(st.lists(ARGUMENTS, min_size=1, max_size=2), st.sampled_from(("run", "run", "run", "check", "show")))
    def feed(arguments: list[str], command: str) -> None:
        if command == "run":
            outcomes.of(lambda: compose(["ablation=full", *arguments]), *_named(arguments))
        else:
            outcomes.of(lambda: compose_inspection(command, arguments), *_named(arguments), "clip= is missing")

    feed()
    assert outcomes.succeeded > 5 and outcomes.refused > 25


def _named(arguments: list[str]) -> list[str]:
    """The names that a message may contain: a key, without its value, or a file."""
    shown = [str(D3DError(argument)).lstrip("+~").partition("=") for argument in arguments]
    files = [value.strip("'") for _, _, value in shown if ".yaml" in value]
    return [*(key.partition("@")[0] for key, _, _ in shown), *files]


def read_rows(path: Path) -> None:
    """Does with an ablation what a launch does before it plans anything."""
    for row in read_ablation(path).rows:
        with_settings(Config(), row.settings)


def test_ablations(tmp_path: Path) -> None:
    path, outcomes = tmp_path / "mine.yaml", Outcomes()
    settings = st.dictionaries(st.sampled_from(settable()), SCALARS, max_size=2)
    rows = st.lists(st.fixed_dictionaries({"label": SCALARS}, optional={"settings": settings}), max_size=3)
    grids = st.one_of(
        GRIDS, st.lists(st.dictionaries(st.sampled_from(settable()), st.lists(SCALARS, max_size=3), max_size=2))
    )

    @inputs(130)
    @given(written(MINE, {"rows": rows, "grids": grids}))
    def feed(text: str) -> None:
        path.write_text(text, "utf-8", "surrogatepass")
        outcomes.of(lambda: read_rows(path), "mine.yaml", *settable())

    feed()
    assert outcomes.succeeded > 5 and outcomes.refused > 50


def test_searches(tmp_path: Path) -> None:
    path, outcomes = tmp_path / "mine.yaml", Outcomes()
    space = st.dictionaries(st.sampled_from(settable()), RANGES, max_size=2)

    @inputs(100)
    @given(written(SEARCH, {"space": space}))
    def feed(text: str) -> None:
        path.write_text(text, "utf-8", "surrogatepass")
        outcomes.of(lambda: read_search(path, {}), "mine.yaml", "search.name=")

    feed()
    assert outcomes.succeeded > 5 and outcomes.refused > 25


def test_a_few_lines_that_mean_a_world(tmp_path: Path) -> None:
    """Aliases of aliases that stand for 10^13 words are refused everywhere."""
    outcomes = Outcomes()
    path = tmp_path / "mine.yaml"
    trees = [MINE | {key: "BOMB"} for key in MINE] + [MINE | {"grids": [{"model.norm": "BOMB"}]}]
    for tree in trees:
        path.write_text(yaml.safe_dump(tree).replace("BOMB", BOMB))
        assert not outcomes.of(lambda: read_rows(path), "mine.yaml")
    trees = [SEARCH | {key: "BOMB"} for key in SEARCH]
    trees += [
        SEARCH | {"space": {"model.norm": each}} for each in ("BOMB", {"choices": "BOMB"}, {"choices": ["pre", "BOMB"]})
    ]
    for tree in trees:
        path.write_text(yaml.safe_dump(tree).replace("BOMB", BOMB))
        assert not outcomes.of(lambda: read_search(path, {}), "mine.yaml")
