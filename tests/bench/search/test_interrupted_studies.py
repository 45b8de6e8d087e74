"""Studies whose launch, worker or trial is lost on the way."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from optuna.trial import TrialState

from d3d.bench.record.tracking import Record
from d3d.bench.search.running_study import Trial
from d3d.bench.search.search_runner import RoundRobinSearcher
from tests.bench.search.launches import Launches, plain


class Killed(BaseException):
    """The launch is gone from one moment to the next: nothing is tidied up."""


KILLS = (  # in what, after how many calls of it
    (Record, "begin", 2),
    (Trial, "report", 4),
    (RoundRobinSearcher, "report", 3),
    (RoundRobinSearcher, "on_trial_complete", 1),
    (Trial, "tell", 1),
)


def test_a_study_that_is_killed_again_and_again_ends_as_an_undisturbed_one(
    launches: Callable[..., Launches], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, pieces = launches(), launches()
    whole.carry_out()
    for owner, method, calls in KILLS:
        left, original = iter(range(calls)), getattr(owner, method)

        def killed(*arguments: Any, left: Iterator[int] = left, original: Any = original, **keywords: Any) -> Any:
            if next(left, None) is None:
                raise Killed
            return original(*arguments, **keywords)

        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr(owner, method, killed)
            pieces.carry_out()
    pieces.carry_out()
    assert plain(pieces.trials()) == plain(whole.trials())
    statuses = [sorted((run.data.tags["cell"], run.info.status) for run in each.runs()) for each in (pieces, whole)]
    assert statuses[0] == statuses[1]


def test_a_trial_whose_worker_is_lost_is_tried_again_and_counts_once(launches: Callable[..., Launches]) -> None:
    whole, unlucky = launches(), launches()
    whole.carry_out()
    unlucky.losses = iter(range(5))
    unlucky.carry_out()
    assert plain(unlucky.trials()) == plain(whole.trials())
    assert {run.info.status for run in unlucky.runs()} <= {"FINISHED", "KILLED"}


def test_a_trial_that_is_given_up_says_why(launches: Callable[..., Launches]) -> None:
    launch = launches(trials=2)
    launch.losses, launch.given_up = iter(range(1)), iter(range(1))
    done = launch.carry_out()
    [failed] = [each for own in launch.trials().values() for each in own if each.state == TrialState.FAIL]
    assert failed.user_attrs["reason"] == "CUDA out of memory"
    [run] = [run for run in launch.runs() if run.info.status == "FAILED"]
    assert run.data.tags["failure"] == "memory"
    assert done.trials_left == 0
