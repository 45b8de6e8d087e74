import errno
import io
import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
import torch
from ray import cloudpickle, tune
from ray.exceptions import ActorDiedError
from ray.tune.experiment import Trial
from rich.console import Console

from d3d.bench.kinds.registry import BASELINE, MEASUREMENT, TEST, TRAINING
from d3d.bench.plan.planning import Plan
from d3d.bench.run.failures import RETRIES, Attempts, Failure
from d3d.bench.run.progress import Progress
from d3d.bench.run.schedule import CellResources, Queue, Watcher, attached, run
from d3d.errors import ScheduleError, StorageError, UnusableRecordError
from tests.bench.conftest import launch_of

ONE_CPU = CellResources(cpus=1.0, gpus=0.0, node_cpus=1.0, slots=1)
OOM = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
LOST = ActorDiedError()
BROKEN = {"fault": {"kind": "data", "text": "clip 0001: damaged"}}


class FakeTrial:
    """The attributes of a trial of Tune that a watcher reads."""

    def __init__(self, name: str, cell: str, folder: Path, error: Exception | None, **last_result: Any) -> None:
        self.trial_id = name
        self.config = {"cell": cell}
        self.last_result = last_result
        path = folder / f"{name}.pkl"
        self.pickled_error_file = str(path) if error else None
        if error:
            path.write_bytes(cloudpickle.dumps(error))  # type: ignore[no-untyped-call]


class FakeTuner:
    """A Tuner that runs one trial after another. `fates` says how the attempts at a cell end."""

    fates: ClassVar[dict[str, list[Any]]] = {}  # id of the cell → for each attempt its results and its end
    asked: ClassVar[list[tuple[str, dict[str, float]]]] = []
    folder: ClassVar[Path]

    def __init__(self, trainable: Any, tune_config: tune.TuneConfig, run_config: tune.RunConfig) -> None:
        self.queue = cast(Queue, tune_config.search_alg)
        [self.watcher] = run_config.callbacks or []
        self.name, self.needs = str(run_config.name), trainable._resources

    def fit(self) -> None:
        for number in itertools.count():
            name = f"{self.name}{number}"
            attempt = self.queue.suggest(name)
            if attempt == self.queue.FINISHED:
                return
            assert isinstance(attempt, dict)
            self.asked.append((attempt["cell"], self.needs(attempt).bundles[0]))
            self._carry_out(name, attempt["cell"])
            self.watcher.on_step_end(0, [])

    def _carry_out(self, name: str, cell: str) -> None:
        fate: Any = next(iter(self.fates.get(cell, [])), {})
        self.fates[cell] = self.fates.get(cell, [])[1:]
        *results, end = fate if isinstance(fate, tuple) else (fate,)
        error = end if isinstance(end, Exception) else None
        trial = cast(Trial, FakeTrial(name, cell, self.folder, error, **({} if error else end)))
        self.watcher.on_trial_start(0, [], trial)
        for result in results:
            self.watcher.on_trial_result(0, [], trial, result)
        self.queue.on_trial_complete(name, error=error is not None)
        if error:
            self.watcher.on_trial_error(0, [], trial)
        else:
            self.watcher.on_trial_complete(0, [], trial)


@pytest.fixture
def tuner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[FakeTuner]:
    for name, value in (("asked", []), ("fates", {})):
        monkeypatch.setattr(FakeTuner, name, value)
    monkeypatch.setattr(FakeTuner, "folder", tmp_path, raising=False)
    monkeypatch.setattr(tune, "Tuner", FakeTuner)
    monkeypatch.setattr(tune, "with_parameters", lambda function, job: lambda config: None)
    return FakeTuner


def carry_out(plan: Plan, resources: CellResources = ONE_CPU) -> Progress:
    progress = Progress(plan.cells, 0, Console(file=io.StringIO()))
    run(plan, plan.cells, resources, progress)
    assert not progress.running
    return progress


def test_tune_may_pickle_the_watcher_of_a_terminal(plan: Callable[..., Plan]) -> None:
    progress = Progress(plan("ablation=full").cells, 0, Console(force_terminal=True))
    with progress:
        cloudpickle.dumps(Watcher(progress, Attempts(), lambda *_: None))  # type: ignore[no-untyped-call]


def test_trainings_come_before_tests_and_measurements_run_alone(
    plan: Callable[..., Plan], tuner: type[FakeTuner]
) -> None:
    everything = plan("ablation=all")
    progress = carry_out(everything, CellResources(cpus=1.0, gpus=0.0, node_cpus=8.0, slots=8))
    kinds = {cell.id: cell.kind.name for cell in everything.cells}
    assert {(kinds[id], needs["CPU"]) for id, needs in tuner.asked} == {
        ("pretraining", 1.0), ("training", 1.0), ("test", 1.0), ("attention", 1.0), ("fusion", 1.0), ("baseline", 1.0),
        ("measurement", 8.0),
    }  # fmt: skip
    assert [id for id, _ in tuner.asked] == [cell.id for cell in everything.cells]
    assert progress.finished == len(everything.cells)


def test_weights_that_were_not_trained_are_not_tested(plan: Callable[..., Plan], tuner: type[FakeTuner]) -> None:
    tests = plan("ablation=joint_noise", "seeds=2")
    lost, good = tests.cells[:2]
    tuner.fates[lost.id] = [BROKEN]
    progress = carry_out(tests)
    assert [id for id, _ in tuner.asked] == [lost.id, good.id, *(c.id for c in tests.cells if c.needs == (good,))]
    assert progress.failed.keys() == {lost.id} | {cell.id for cell in tests.cells if cell.needs == (lost,)}
    assert {failure.kind for failure in progress.failed.values()} == {"data"}
    assert all(lost.id in failure.reason for cell, failure in progress.failed.items() if cell != lost.id)


def test_what_is_the_same_the_next_time_is_not_tried_again(plan: Callable[..., Plan], tuner: type[FakeTuner]) -> None:
    broken, good = (cell.id for cell in plan("ablation=full", "seeds=2").cells)
    tuner.fates[broken] = [BROKEN]
    progress = carry_out(plan("ablation=full", "seeds=2"))
    assert [id for id, _ in tuner.asked] == [broken, good]
    assert progress.failed == {broken: Failure("data", "clip 0001: damaged")}


def test_out_of_memory_is_tried_last_with_twice_the_resources_then_with_all_of_the_device(
    plan: Callable[..., Plan], tuner: type[FakeTuner]
) -> None:
    hopeless, large, good = (cell.id for cell in plan("ablation=full", "seeds=3").cells)
    tuner.fates |= {hopeless: [OOM, OOM, OOM], large: [OOM]}
    progress = carry_out(plan("ablation=full", "seeds=3"), CellResources(cpus=1.0, gpus=0.25, node_cpus=8.0, slots=4))
    assert [(id, needs["GPU"]) for id, needs in tuner.asked] == [
        (hopeless, 0.25), (large, 0.25), (good, 0.25), (hopeless, 0.5), (large, 0.5), (hopeless, 1.0),
    ]  # fmt: skip
    assert progress.failed == {hopeless: Failure("memory", str(OOM))}
    assert progress.finished == 2


def test_without_a_gpu_more_of_the_device_is_more_of_the_node(
    plan: Callable[..., Plan], tuner: type[FakeTuner]
) -> None:
    [cell] = plan("ablation=full").cells
    tuner.fates[cell.id] = [MemoryError(), MemoryError()]
    carry_out(plan("ablation=full"), CellResources(cpus=3.0, gpus=0.0, node_cpus=4.0, slots=1))
    assert [needs["CPU"] for _, needs in tuner.asked] == [3.0, 4.0, 4.0]


def test_a_lost_worker_is_forgiven_as_long_as_the_cell_gets_on(
    plan: Callable[..., Plan], tuner: type[FakeTuner]
) -> None:
    unlucky, deadly = (cell.id for cell in plan("ablation=full", "seeds=2").cells)
    tuner.fates |= {unlucky: [({"epoch": 1, "top1": 0.5}, LOST)] * 20, deadly: [LOST] * 20}
    progress = carry_out(plan("ablation=full", "seeds=2"))
    assert progress.failed.keys() == {deadly}
    assert progress.failed[deadly].kind == "worker"
    attempts = Counter(id for id, _ in tuner.asked)
    assert attempts == {unlucky: 21, deadly: 1 + RETRIES["worker"]}


def test_a_lost_node_is_forgiven_as_often_as_nodes_are_lost(plan: Callable[..., Plan], tuner: type[FakeTuner]) -> None:
    [cell] = plan("ablation=full").cells
    gone = ActorDiedError()
    gone.error_msg = "The actor died because its node has died. Node Id: 01"
    tuner.fates[cell.id] = [RuntimeError("no"), *[gone] * 30, RuntimeError("no")]
    assert carry_out(plan("ablation=full")).finished == 1
    assert len(tuner.asked) == 33


def test_a_worker_that_is_lost_before_it_takes_the_cell_up_is_forgiven_too(
    plan: Callable[..., Plan], tmp_path: Path
) -> None:
    [cell] = plan("ablation=full").cells
    progress, attempts = Progress([cell], 0, Console(file=io.StringIO())), Attempts()
    queue = Queue([cell], attempts, progress)
    watcher = Watcher(progress, attempts, queue.put_back)
    assert queue.suggest("0") == {"cell": cell.id, "step": 0}
    assert queue.suggest("1") is None, "it may have to be tried again"
    queue.on_trial_complete("0", error=True)
    watcher.on_trial_error(0, [], cast(Trial, FakeTrial("0", cell.id, tmp_path, LOST)))
    assert list(progress.waiting) == [cell.id]
    assert queue.suggest("1") == {"cell": cell.id, "step": 0}


def test_a_cell_waits_for_those_that_it_needs(plan: Callable[..., Plan]) -> None:
    training, test, *_ = plan("ablation=full", "evaluation.frames=4").cells
    progress = Progress([training, test], 0, Console(file=io.StringIO()))
    queue = Queue([test, training], Attempts(), progress)
    assert queue.suggest("0") == {"cell": training.id, "step": 0}
    progress.started(training.id)
    assert queue.suggest("1") is None
    progress.ended(training.id)
    queue.on_trial_complete("0")
    assert queue.suggest("1") == {"cell": test.id, "step": 0}


def test_a_test_waits_for_weights_that_take_more_memory_and_what_must_be_alone_for_everything(
    plan: Callable[..., Plan], tuner: type[FakeTuner]
) -> None:
    tests, measured = plan("ablation=joint_noise").cells, plan("ablation=complexity").cells[:2]
    training = tests[0]
    tuner.fates[training.id] = [OOM]
    progress = Progress([*measured, *tests], 0, Console(file=io.StringIO()))
    run(plan("ablation=joint_noise"), [*measured, *tests], ONE_CPU, progress)
    assert [id for id, _ in tuner.asked] == [cell.id for cell in (training, *tests, *measured)]
    assert progress.finished == len(tests) + 2


def test_a_measurement_is_not_handed_out_beside_anything_else(plan: Callable[..., Plan]) -> None:
    [training], [measured, other, *_] = plan("ablation=full").cells, plan("ablation=complexity").cells
    progress = Progress([measured, other, training], 0, Console(file=io.StringIO()))
    queue = Queue([measured, other, training], Attempts(), progress)
    assert queue.suggest("0") == {"cell": training.id, "step": 0}
    assert queue.suggest("1") is None
    queue.on_trial_complete("0")
    assert queue.suggest("1") == {"cell": measured.id, "step": 0}


def test_a_cell_fails_with_what_it_needs(plan: Callable[..., Plan]) -> None:
    training, test, *_ = plan("ablation=full", "evaluation.frames=4").cells
    progress = Progress([training, test], 0, Console(file=io.StringIO()))
    queue = Queue([training, test], Attempts(), progress)
    assert queue.suggest("0") == {"cell": training.id, "step": 0}
    progress.started(training.id)
    progress.ended(training.id, Failure("loss", "the loss is nan"))
    queue.on_trial_complete("0")
    assert queue.suggest("1") == Queue.FINISHED
    assert progress.failed[test.id].kind == "loss" and training.id in progress.failed[test.id].reason


def test_the_unforeseen_is_tried_again_a_few_times(plan: Callable[..., Plan], tuner: type[FakeTuner]) -> None:
    [cell] = plan("ablation=full").cells
    tuner.fates[cell.id] = [ValueError("no")] * 9
    progress = carry_out(plan("ablation=full"))
    assert progress.failed == {cell.id: Failure("unforeseen", "no")}
    assert len(tuner.asked) == 1 + RETRIES["unforeseen"]


def test_what_is_noticed_of_a_cell_is_kept_for_the_end(plan: Callable[..., Plan], tuner: type[FakeTuner]) -> None:
    [cell] = plan("ablation=full").cells
    tuner.fates[cell.id] = [({"notice": "a checkpoint was damaged"}, {})]
    progress = carry_out(plan("ablation=full"))
    assert progress.notices == [f"full: full model, seed 0 ({cell.id}): a checkpoint was damaged"]
    assert progress.finished == 1


def test_a_full_disk_stops_the_launch(plan: Callable[..., Plan], tuner: type[FakeTuner]) -> None:
    first = plan("ablation=full", "seeds=2").cells[0]
    tuner.fates[first.id] = [OSError(errno.ENOSPC, "No space left on device", "/results/mlflow.db")]
    with pytest.raises(StorageError, match=r"no room on the disk.*mlflow.db.*run the same command again"):
        carry_out(plan("ablation=full", "seeds=2"))
    assert len(tuner.asked) == 1


def test_a_record_that_cannot_be_used_stops_the_launch(plan: Callable[..., Plan], tuner: type[FakeTuner]) -> None:
    first = plan("ablation=full", "seeds=2").cells[0]
    tuner.fates[first.id] = [UnusableRecordError("tracking.uri=http://h:1: does not answer; run it again")]
    with pytest.raises(UnusableRecordError, match=r"tracking\.uri=http://h:1: does not answer"):
        carry_out(plan("ablation=full", "seeds=2"))
    assert len(tuner.asked) == 1


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The nodes of a cluster that always answers."""
    nodes = [
        {"Alive": True, "NodeManagerHostname": "here", "Resources": {"CPU": cpus, "GPU": gpus}}
        for cpus, gpus in ((4.0, 1.0), (16.0, 0.0))
    ]
    for name, value in {"init": None, "shutdown": None, "nodes": nodes}.items():
        monkeypatch.setattr(f"ray.{name}", lambda *_, value=value, **__: value)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    return nodes


@pytest.mark.parametrize(
    ("arguments", "resources"),
    [
        ([], CellResources(1.0, 1.0, 4.0, 1)),
        (["resources.gpus_per_cell=0.5"], CellResources(1.0, 0.5, 4.0, 2)),
        (["resources.gpus_per_cell=0", "resources.cpus_per_cell=8"], CellResources(8.0, 0.0, 16.0, 2)),
    ],
)
def test_a_cell_gets_its_part_of_a_node_and_a_measurement_all_of_it(
    arguments: list[str], resources: CellResources, nodes: list[dict[str, Any]], tmp_path: Path
) -> None:
    with attached(launch_of(tmp_path, "ablation=full", "cluster.address=auto", *arguments)) as given:
        assert given == resources
    gpus = {"GPU": resources.gpus} if resources.gpus else {}
    assert resources.request(TRAINING) == resources.request(TEST) == {"CPU": resources.cpus, **gpus}
    assert resources.request(MEASUREMENT) == {"CPU": resources.node_cpus, **gpus}
    assert resources.request(BASELINE) == {"CPU": resources.cpus}


def test_a_cell_that_fits_on_no_node_is_refused(nodes: list[dict[str, Any]], tmp_path: Path) -> None:
    launch = launch_of(tmp_path, "ablation=full", "cluster.address=auto", "resources.cpus_per_cell=8")
    refusal = pytest.raises(ScheduleError, match="no node has both; nodes have 4 CPUs and 1 GPUs; 16 CPUs")
    with refusal, attached(launch):
        pass


def test_several_machines_cannot_write_to_one_file(nodes: list[dict[str, Any]], tmp_path: Path) -> None:
    nodes[0]["NodeManagerHostname"] = "there"
    refusal = pytest.raises(
        ScheduleError, match="several machines cannot write to one SQLite file; start `mlflow server`"
    )
    with refusal, attached(launch_of(tmp_path, "ablation=full", "cluster.address=auto")):
        pass
    server = launch_of(tmp_path, "ablation=full", "cluster.address=auto", "tracking.uri=http://127.0.0.1:5000")
    with attached(server) as resources:
        assert resources.slots == 1


def test_a_machine_too_busy_for_ray_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(**_: Any) -> None:
        raise Exception("The current node timed out during startup.")  # as Ray does

    monkeypatch.setattr("ray.init", late)
    with (
        pytest.raises(ScheduleError, match=r"too busy \(The current node timed out.*run the same command again"),
        attached(launch_of(tmp_path, "ablation=full")),
    ):
        pass
