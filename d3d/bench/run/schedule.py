"""Ray Tune runs the cells on a Ray of this launch's own or on a cluster that was named; each attempt at one is a trial.

Kinds of cells follow one another in the order of their registry, and within a kind a cell waits for those that it
needs. Tune's own checkpoints and retries are not used and nothing is restored from its folder, which is removed at
the end: a cell is continued from the checkpoint under its id, and failures.py says whether it is tried again.
"""

import logging
import shutil
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import ray
from ray import cloudpickle, tune
from ray.exceptions import RayError
from ray.tune.experiment import Trial
from ray.tune.search import Searcher

from d3d.bench.database import sqlite_file
from d3d.bench.declare.launch import Launch
from d3d.bench.kinds.kind import Kind
from d3d.bench.kinds.registry import KINDS
from d3d.bench.plan.cell import Cell
from d3d.bench.plan.machine import gpus_per_cell
from d3d.bench.plan.planning import Plan
from d3d.bench.record.schema import Tag
from d3d.bench.run.environment import SETTINGS
from d3d.bench.run.failures import Attempts, Failure, failure_of, full_disk
from d3d.bench.run.progress import Progress
from d3d.bench.run.worker import Job, run_cell
from d3d.errors import ScheduleError

SHARED_MEMORY = 80 * 2**20  # bytes, the least Ray takes: cells share nothing through it
INTERRUPTED = threading.Event()  # by Ctrl-C, whose exception is lost where it meets a callback from C


@dataclass(frozen=True)
class CellResources:
    """What one cell gets of a node."""

    cpus: float
    gpus: float
    node_cpus: float  # all there are of the largest node it fits on
    slots: int  # how many trainings run at once

    def request(self, kind: Kind, step: int = 0) -> dict[str, float]:
        """What a cell is given: its share, at the first step up twice of it, at the second all of a device.

        A kind that is to run alone has the whole node. Without a GPU it is the node's CPUs, and so its memory, that a
        cell has a share of.
        """
        gpus = self.gpus if kind.on_gpu else 0.0
        cpus = self.node_cpus if kind.alone else self.cpus
        if gpus:
            return {"CPU": cpus, "GPU": (gpus, min(1.0, 2 * gpus), 1.0)[step]}
        return {"CPU": (cpus, min(self.node_cpus, 2 * cpus), self.node_cpus)[step]}


class Queue(Searcher):
    """Hands out cells once what they need is finished, and those again that are to be tried again.

    What ran out of memory is tried again with more of a device, when all others have ended.
    """

    def __init__(self, cells: Sequence[Cell], attempts: Attempts, progress: Progress) -> None:
        super().__init__()
        self.cells = {cell.id: cell for cell in cells}
        self.progress = progress
        self.waiting = deque(self.cells)
        self.out_of_memory: deque[str] = deque()  # that ran out of memory beside others
        self.running: dict[str, str] = {}  # by the name that Tune gives the attempt
        self.attempts = attempts

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune keeps its searcher for a restoration that never comes."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing, likewise."""

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """The next attempt; none while what runs is needed, or may have to be tried again."""
        self._give_up()
        apart = not self.waiting and all(self.attempts.step(cell) for cell in self.running.values())
        queue = self.out_of_memory if apart else self.waiting
        ready = next((cell for cell in queue if not self.progress.awaits(self.cells[cell].needs)), None)
        if ready is None:
            return None if self.running else self.FINISHED
        queue.remove(ready)
        self.running[trial_id] = ready
        return {"cell": self.running[trial_id], "step": self.attempts.step(self.running[trial_id])}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Nothing depends on it."""

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """The attempt is over; the watcher says whether there is to be another."""
        self.running.pop(trial_id)

    def _give_up(self) -> None:
        """A cell that needs one that failed has failed as well."""
        for id in list(self.waiting):
            for need in self.cells[id].needs:
                if need.id in self.progress.failed and id in self.waiting:
                    self.waiting.remove(id)
                    self.progress.started(id)
                    lacking = f"what it needs failed: {need.label} ({need.id})"
                    self.progress.ended(id, Failure(self.progress.failed[need.id].kind, lacking))

    def put_back(self, trial_id: str, cell: str) -> None:
        """There is to be another."""
        (self.out_of_memory if self.attempts.step(cell) else self.waiting).append(cell)


def run(plan: Plan, cells: Sequence[Cell], resources: CellResources, progress: Progress) -> None:
    """Runs the cells within `attached`; `progress` sees what becomes of each. StorageError: a disk is full."""
    tags = {cell.id: common_tags(plan, cell) | plan.tags_of(cell.id) for cell in cells}
    job = make_job(plan, resources, {cell.id: cell for cell in cells}, tags)
    attempts = Attempts()
    with progress:
        for kind in KINDS:
            if own := [cell for cell in cells if cell.kind is kind]:
                queue = Queue(own, attempts, progress)
                config = tune.TuneConfig(search_alg=queue, num_samples=-1, reuse_actors=True)
                fit(kind.name, job, resources, kind, config, Watcher(progress, attempts, queue.put_back))


def fit(name: str, job: Job, resources: CellResources, kind: Kind, config: tune.TuneConfig, watcher: "Watcher") -> None:
    """Runs a Tuner over cells of a kind to its end; what it keeps on the disk is removed."""
    folder = job.storage / "tune"

    def request(attempt: dict[str, Any]) -> tune.PlacementGroupFactory:
        return tune.PlacementGroupFactory([resources.request(kind, attempt["step"])])

    trainable = tune.with_resources(tune.with_parameters(run_cell, job=job), request)
    run_config = tune.RunConfig(name=name, storage_path=str(folder), verbose=0, callbacks=[watcher])
    try:
        tune.Tuner(trainable, tune_config=config, run_config=run_config).fit()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_job(plan: Plan, resources: CellResources, cells: dict[str, Cell], tags: dict[str, dict[str, str]]) -> Job:
    """What the workers of a launch are told."""
    launch = plan.launch
    return Job(
        cells=cells,
        tags=tags,
        tracking_uri=launch.tracking_uri,
        storage=launch.storage,
        cpus=launch.resources.cpus_per_cell,
        gpu=resources.gpus > 0,
        test_every=launch.test_every,
        continued=plan.continued,
    )


def common_tags(plan: Plan, cell: Cell) -> dict[str, str]:
    """Of the run of a cell, whatever it serves in the launch."""
    launch = plan.launch
    return {Tag.PRESET: launch.preset, Tag.DATA: launch.data, Tag.CODE_DIGEST: plan.code_of(cell).digest}


def _interrupt(number: int, frame: FrameType | None) -> None:
    INTERRUPTED.set()
    raise KeyboardInterrupt


class Watcher(tune.Callback):
    """Tells the progress what Tune's trials do, and the queue which cells are to be tried again."""

    def __init__(self, progress: Progress, attempts: Attempts, put_back: Callable[[str, str], None]) -> None:
        self.progress = progress
        self.attempts = attempts
        self.put_back = put_back  # a trial, by the name that Tune gives it, and its cell
        self.stopped: Failure | None = None  # what stops the launch

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune keeps its callbacks for a restoration that never comes."""
        return {}

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        if INTERRUPTED.is_set():
            raise KeyboardInterrupt
        if self.stopped:
            raise full_disk(self.stopped)

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self.progress.started(trial.config["cell"])

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        cell = trial.config["cell"]
        if "notice" in result:
            self.progress.noticed(cell, result["notice"])
        if "top1" in result:
            self.progress.result(cell, result["top1"], result.get("epoch"))
        if "epoch" in result:
            self.attempts.progressed(cell)

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        fault = trial.last_result.get("fault")
        self.progress.ended(trial.config["cell"], Failure(**fault) if fault else None)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        cell, failure = trial.config["cell"], failure_of(_error_of(trial))
        if cell in self.progress.waiting:  # its worker was lost before it could take the cell up
            self.progress.started(cell)
        if failure.kind == "disk":
            self.stopped = failure
        elif self.attempts.again(cell, failure):
            self.progress.interrupted(cell, failure)
            self.put_back(trial.trial_id, cell)
        else:
            self.gave_up(trial, failure)

    def gave_up(self, trial: Trial, failure: Failure) -> None:
        """The attempt was the last."""
        self.progress.ended(trial.config["cell"], failure)


def _error_of(trial: Trial) -> BaseException:
    """What ended a trial. Tune has it in files of its own, of which `Trial.get_error` knows only later."""
    if trial.pickled_error_file is None:  # neither the cell's nor the worker's, but of what Ray makes of them
        return RayError(Path(trial.error_file).read_text())
    # Tune wrote it for this very attempt, out of what the launch's own worker raised; nobody else's file is read.
    error: BaseException = cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
    return error


@contextmanager
def attached(launch: Launch) -> Iterator[CellResources]:
    """Within it Ray is there, without a word. Raises ScheduleError where it is not, or has no node for a cell."""
    silent: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if launch.cluster.address is None:
        ray.init(
            address="local",
            include_dashboard=False,
            num_cpus=launch.resources.cpus,
            object_store_memory=SHARED_MEMORY,
            **silent,
        )
    else:
        try:
            ray.init(address=launch.cluster.address, runtime_env={"env_vars": SETTINGS}, **silent)
        except (RayError, ConnectionError, RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise ScheduleError(f"cluster.address={launch.cluster.address}: {reason}") from error
    INTERRUPTED.clear()
    for number in (signal.SIGINT, signal.SIGTERM):  # one as the other; Ray's own handler of SIGTERM aborts the process
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        yield _cell_resources(launch)
    finally:
        ray.shutdown()


def _cell_resources(launch: Launch) -> CellResources:
    alive = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    if len({node["NodeManagerHostname"] for node in alive}) > 1 and sqlite_file(launch.tracking_uri):
        fault = f"tracking.uri={launch.tracking_uri}: several machines cannot write to one SQLite file"
        raise ScheduleError(f"{fault}; start `mlflow server` on one of them and name it: tracking.uri=http://HOST:PORT")
    nodes = [node["Resources"] for node in alive]
    cpus, gpus = float(launch.resources.cpus_per_cell), launch.resources.gpus_per_cell
    if launch.cluster.address is None:
        gpus = gpus_per_cell(gpus)
    elif gpus is None:
        gpus = float(any("GPU" in node for node in nodes))
    fitting = [node["CPU"] for node in nodes if node.get("CPU", 0) >= cpus and node.get("GPU", 0) >= gpus]
    if not fitting:
        there = "; ".join(f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes)
        raise ScheduleError(
            f"resources.cpus_per_cell={cpus:g}, resources.gpus_per_cell={gpus:g}: no node has both; nodes have {there}"
        )
    slots = sum(_slots(node, cpus, gpus) for node in nodes)
    return CellResources(cpus, gpus, max(fitting), slots)


def _slots(node: dict[str, float], cpus: float, gpus: float) -> int:
    """How many trainings a node takes at once."""
    by_cpus = int(node.get("CPU", 0) / cpus)
    return min(by_cpus, int(node.get("GPU", 0) / gpus)) if gpus else by_cpus
