"""Studies that are continued, repeated or changed by a later launch."""

from collections.abc import Callable
from typing import Any

import pytest

from d3d.bench.record.provenance import Code
from d3d.errors import ConfigError
from tests.bench.search.launches import SPACE, Launches, plain


def test_a_larger_budget_runs_the_difference_and_a_smaller_one_nothing(launches: Callable[..., Launches]) -> None:
    launch = launches(trials=3)
    launch.carry_out()
    before = plain(launch.trials())
    assert launch.planned("search.trials=2").trials_left == 0
    more = launch.carry_out("search.trials=4")
    after = plain(launch.trials())
    assert all(after[name][:3] == before[name] and len(after[name]) == 4 for name in before)
    assert [progress.trials for progress in more.study_progress.values()] == [4, 4]


def test_a_study_whose_cells_were_trained_before_ends_as_the_one_that_trained_them(
    launches: Callable[..., Launches],
) -> None:
    first = launches(trials=8)
    first.carry_out()
    done = plain(first.trials())
    assert {state for own in done.values() for _, state, *_ in own} == {"COMPLETE", "PRUNED"}
    launches("search.name=again", folder=first.folder, trials=8).carry_out()
    again = {name: own for name, own in plain(first.trials()).items() if name not in done}
    assert [*again.values()] == [*done.values()]


def test_a_trial_of_other_code_is_recalled_unless_it_is_to_be_rerun(launches: Callable[..., Launches]) -> None:
    first = launches(trials=4, pruner="none")
    first.carry_out()
    trained = len(first.runs())
    launches("search.name=kept", folder=first.folder, trials=4, pruner="none").carry_out()
    assert len(first.runs()) == trained
    new = Code("new", frozenset({"new"}))
    launches("search.name=rerun", folder=first.folder, trials=4, pruner="none").carry_out(code=new)
    assert len(first.runs()) == 2 * trained
    launches("search.name=again", folder=first.folder, trials=4, pruner="none").carry_out(code=new)
    assert len(first.runs()) == 2 * trained, "this code has trained them"


def test_a_study_with_another_definition_is_left_alone(launches: Callable[..., Launches]) -> None:
    first = launches(trials=2)
    first.carry_out()
    before = plain(first.trials())
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"space": SPACE | {"model.norm": {"choices": ["printed", "pre"]}}}, "", "search.space.model.norm={choices: ["),
        ({"space": SPACE | {"model.depth": {"int": [1, 2]}}}, "", "model.depth=1, not None, and 1 more;"),
        ({"objectives": ["top1", "gmacs"], "pruner": "none"}, "", "search.objectives=['top1'], not"),
        ({}, "model.depth=2", "model.depth=1, not 2;"),
        ({}, "seeds=[1]", "seed=0, not 1;"),
    ]
    for changes, argument, words in cases:
        other = launches(*[argument] if argument else [], folder=first.folder, trials=2, **changes)
        with pytest.raises(ConfigError) as caught:
            other.planned()
        assert str(caught.value).startswith("study two: narrow, smoke, synthetic, files, search: was created with ")
        assert words in str(caught.value)
        assert str(caught.value).endswith("restore the old value, or start another study with search.name=OTHER")
        assert other.planned("search.name=other").trials_left == 4
    assert plain(first.trials()) == before
