import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
from ray import cloudpickle, tune
from ray.tune.experiment import Trial
from rich.console import Console

from d3d.errors import ScheduleError
from experiments.plan import Plan
from experiments.progress import Progress
from experiments.schedule import Share, Watcher, attached, run
from tests.experiments.conftest import launch_of


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


class FakeTuner:
    """Tune whose trials all end at once; those of `failing` fail. Notes what was asked of it."""

    asked: ClassVar[list[tuple[str, list[str], dict[str, float]]]] = []
    failing: ClassVar[set[str]] = set()

    def __init__(self, trainable: Any, param_space: Any, tune_config: Any, run_config: Any) -> None:
        self.cells = param_space["cell"]["grid_search"]
        [self.watcher] = run_config.callbacks
        self.asked.append((run_config.name, self.cells, trainable._resources.required_resources))

    def fit(self) -> None:
        for cell in self.cells:
            self.watcher.on_trial_start(0, [], trial(cell))
            self.watcher.on_trial_complete(0, [], trial(cell, **{"fault": "no"} if cell in self.failing else {}))


@pytest.fixture
def tuner(monkeypatch: pytest.MonkeyPatch) -> type[FakeTuner]:
    monkeypatch.setattr(FakeTuner, "asked", [])
    monkeypatch.setattr(FakeTuner, "failing", set())
    monkeypatch.setattr(tune, "Tuner", FakeTuner)
    monkeypatch.setattr(tune, "with_parameters", lambda function, job: function)
    return FakeTuner


def test_trainings_come_before_tests_and_measurements_run_alone(
    plan: Callable[..., Plan], tuner: type[FakeTuner]
) -> None:
    everything = plan("ablation=all")
    progress = Progress(everything.cells, 0, Console(file=io.StringIO()))
    run(everything, everything.cells, Share(cpus=1.0, gpus=0.0, node_cpus=8.0, slots=8), progress)
    assert [(kind, needs["CPU"]) for kind, _, needs in tuner.asked] == [
        ("training", 1.0), ("test", 1.0), ("baseline", 1.0), ("measurement", 8.0),
    ]  # fmt: skip
    assert [id for _, cells, _ in tuner.asked for id in cells] == [cell.id for cell in everything.cells]
    assert progress.finished == len(everything.cells)


def test_weights_that_were_not_trained_are_not_tested(plan: Callable[..., Plan], tuner: type[FakeTuner]) -> None:
    tests = plan("ablation=joint_noise", "seeds=2")
    lost, good = tests.cells[:2]
    tuner.failing.add(lost.id)
    progress = Progress(tests.cells, 0, Console(file=io.StringIO()))
    run(tests, tests.cells, Share(1.0, 0.0, 1.0, 1), progress)
    assert tuner.asked[1][1] == [cell.id for cell in tests.cells if cell.trained == good]
    assert progress.failed.keys() == {lost.id} | {cell.id for cell in tests.cells if cell.trained == lost}
    assert all(lost.id in reason for cell, reason in progress.failed.items() if cell != lost.id)


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The nodes of a cluster that is always there."""
    nodes = [{"Alive": True, "Resources": {"CPU": cpus, "GPU": gpus}} for cpus, gpus in ((4.0, 1.0), (16.0, 0.0))]
    for name, value in {"init": None, "shutdown": None, "nodes": nodes}.items():
        monkeypatch.setattr(f"ray.{name}", lambda *_, value=value, **__: value)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    return nodes


@pytest.mark.parametrize(
    ("arguments", "share"),
    [
        ([], Share(1.0, 1.0, 4.0, 1)),
        (["resources.gpus_per_cell=0.5"], Share(1.0, 0.5, 4.0, 2)),
        (["resources.gpus_per_cell=0", "resources.cpus_per_cell=8"], Share(8.0, 0.0, 16.0, 2)),
    ],
)
def test_a_cell_gets_its_share_of_a_node_and_a_measurement_all_of_it(
    arguments: list[str], share: Share, nodes: list[dict[str, Any]], tmp_path: Path
) -> None:
    with attached(launch_of(tmp_path, "ablation=full", "cluster.address=auto", *arguments)) as given:
        assert given == share
    assert share.needs("training") == share.needs("test") == {"cpu": share.cpus, "gpu": share.gpus}
    assert share.needs("measurement") == {"cpu": share.node_cpus, "gpu": share.gpus}


def test_a_cell_that_fits_on_no_node_is_refused(nodes: list[dict[str, Any]], tmp_path: Path) -> None:
    launch = launch_of(tmp_path, "ablation=full", "cluster.address=auto", "resources.cpus_per_cell=8")
    refusal = pytest.raises(ScheduleError, match="no node has both; nodes have 4 CPUs and 1 GPUs; 16 CPUs")
    with refusal, attached(launch):
        pass
