import io
from collections.abc import Callable
from typing import Any, cast

from ray import cloudpickle
from ray.tune.experiment import Trial
from rich.console import Console

from experiments.plan import Plan
from experiments.progress import Progress
from experiments.schedule import Watcher


class FakeTrial:
    """What a watcher reads of a trial of Tune's."""

    def __init__(self, cell: str, error: str = "", **last_result: Any) -> None:
        self.config = {"cell": cell}
        self.last_result = last_result
        self.error = error

    def get_error(self) -> str:
        return self.error


def trial(*arguments: Any, **keywords: Any) -> Trial:
    return cast(Trial, FakeTrial(*arguments, **keywords))


def test_the_progress_sees_what_becomes_of_each_trial(plan: Callable[..., Plan]) -> None:
    good, mendable, unforeseen, lost = (cell.id for cell in plan("ablation=full", "seeds=4").cells)
    progress = Progress(plan("ablation=full", "seeds=4").cells, 0, Console(file=io.StringIO()))
    watcher = Watcher(progress)
    for cell in (good, mendable, unforeseen, lost):
        watcher.on_trial_start(0, [], trial(cell))
    watcher.on_trial_result(0, [], trial(good), {"epoch": 1, "top1": 0.5})
    watcher.on_trial_result(0, [], trial(mendable), {"fault": "clip 0001: damaged"})
    watcher.on_trial_complete(0, [], trial(good, epoch=1))
    watcher.on_trial_complete(0, [], trial(mendable, fault="clip 0001: damaged"))
    watcher.on_trial_error(0, [], trial(unforeseen, error="Traceback\nMemoryError"))
    watcher.on_trial_recover(0, [], trial(lost))
    assert progress.finished == 1
    assert progress.failed == {mendable: "clip 0001: damaged", unforeseen: "Traceback\nMemoryError"}
    assert (list(progress.running), list(progress.waiting)) == ([], [lost])


def test_tune_may_pickle_the_watcher_of_a_terminal(plan: Callable[..., Plan]) -> None:
    progress = Progress(plan("ablation=full").cells, 0, Console(force_terminal=True))
    with progress:
        cloudpickle.dumps(Watcher(progress))  # type: ignore[no-untyped-call]
