"""Ray Tune runs the cells, on this launch's own Ray or on the cluster it names; each attempt at a cell is a trial.

All kinds of cells are trials of one experiment, so that a worker, which takes seconds to start, goes from a training to
the test of its weights. Tune's own checkpoints and retries are not used, and its folder is removed at the end: a cell
continues from the checkpoint under its id, and failures.py decides whether it is tried again.
"""

import logging
import shutil
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, chdir, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import ray
from ray import cloudpickle, tune
from ray.exceptions import RayError
from ray.job_config import JobConfig
from ray.tune.experiment import Trial
from ray.tune.search import Searcher

from d3d.bench.database import sqlite_file
from d3d.bench.declare.launch import Launch
from d3d.bench.kinds.kind import Kind
from d3d.bench.kinds.registry import TRAINING
from d3d.bench.plan.cell import Cell
from d3d.bench.plan.machine import gpus_per_cell
from d3d.bench.plan.planning import Plan
from d3d.bench.record.schema import Tag
from d3d.bench.run.environment import FIXED, SETTINGS
from d3d.bench.run.failures import STOPPING, Attempts, Failure, failure_of, stopping
from d3d.bench.run.interruption import INTERRUPTED, listen
from d3d.bench.run.launch_log import LAUNCH, keep_logs_of_ray, libraries_heard
from d3d.bench.run.progress import Progress
from d3d.bench.run.worker import Job, run_cell
from d3d.cpus import cpu_count
from d3d.errors import ScheduleError
from d3d.folders import PACKAGE
from d3d.left_out import left_out_text

PATIENCE = 10.0  # seconds that the processes of Ray have to end by themselves
SHARED_MEMORY = 80 * 2**20  # bytes, the least that Ray accepts: cells do not use its object store
OTHERS: set[psutil.Process] = set()  # processes below this one that are not of Ray, of which a process has one


@dataclass(frozen=True)
class CellResources:
    """The resources of one cell on a node."""

    cpus: float
    gpus: float
    node_cpus: float  # all CPUs of the largest node that it fits on
    slots: int  # the number of trainings that run at once

    def request(self, kind: Kind, step: int = 0) -> dict[str, float]:
        """What to request of Ray for a cell of this kind: resource → amount.

        At step 0 a cell gets its usual resources, at step 1 twice as much of its device, at step 2 all of it; the
        device is a GPU, or without one the node's CPUs, and with them its memory. A kind that must run alone gets all
        CPUs of the node.
        """
        gpus = self.gpus if kind.on_gpu else 0.0
        cpus = self.node_cpus if kind.alone else self.cpus
        if gpus:
            return {"CPU": cpus, "GPU": (gpus, min(1.0, 2 * gpus), 1.0)[step]}
        return {"CPU": (cpus, min(self.node_cpus, 2 * cpus), self.node_cpus)[step]}


class Queue(Searcher):
    """Hands out each cell once the cells that it needs are finished, and again where it is to be tried again.

    A cell that ran out of memory is tried again with more of the device, after all other cells that can run have ended.
    Cells that must run alone come last.
    """

    def __init__(self, cells: Sequence[Cell], attempts: Attempts, progress: Progress) -> None:
        super().__init__()
        self.cells = {cell.id: cell for cell in cells}
        self.progress = progress
        self.waiting = deque(self.cells)
        self.out_of_memory: deque[str] = deque()  # cells to try again with more of the device
        self.running: dict[str, str] = {}  # trial → cell
        self.attempts = attempts

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune saves its searcher for a restoration, which is not used."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing, as in `__getstate__`."""

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """The next attempt; None while running cells are needed, or may have to be tried again."""
        self._give_up()
        queue, ready = self.waiting, self._ready(self.waiting)
        if ready is None and all(self.attempts.step(cell) for cell in self.running.values()):
            queue, ready = self.out_of_memory, self._ready(self.out_of_memory)
        if ready is None:
            return None if self.running else self.FINISHED
        queue.remove(ready)
        self.running[trial_id] = ready
        return {"cell": ready, "step": self.attempts.step(ready)}

    def _ready(self, queue: Iterable[str]) -> str | None:
        """The first cell of a queue that can run now; those that must run alone wait for all others."""
        left = {*self.waiting, *self.out_of_memory, *self.running.values()}
        others = any(not self.cells[cell].kind.alone for cell in left)
        for cell in queue:
            if not self.progress.awaits(self.cells[cell].needs) and not (self.cells[cell].kind.alone and others):
                return cell
        return None

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Results go to the Watcher."""

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """The attempt is over; the Watcher decides whether the cell is tried again."""
        self.running.pop(trial_id)

    def _give_up(self) -> None:
        """Ends cells whose needed cell has failed: they have failed as well."""
        for id in list(self.waiting):
            for need in self.cells[id].needs:
                if need.id in self.progress.failed and id in self.waiting:
                    self.waiting.remove(id)
                    self.progress.started(id)
                    reason = f"the cell that it needs failed: {need.label} ({need.id})"
                    self.progress.ended(id, Failure(self.progress.failed[need.id].kind, reason))

    def put_back(self, trial_id: str, cell: str) -> None:
        """Queues a cell for another attempt; `trial_id` is that of the attempt that failed."""
        (self.out_of_memory if self.attempts.step(cell) else self.waiting).append(cell)


def run(plan: Plan, cells: Sequence[Cell], resources: CellResources, progress: Progress) -> None:
    """Runs the cells. Call it within `attached`.

    Args:
        plan: of the launch.
        cells: to run.
        resources: of one cell, as `attached` yields them.
        progress: told when each cell starts and ends.

    Raises StorageError where a disk is full, and UnusableRecordError where a worker cannot use the record.
    """
    tags = {cell.id: common_tags(plan, cell) | plan.tags_of(cell.id) for cell in cells}
    by_id = {cell.id: cell for cell in cells}
    attempts = Attempts()
    queue = Queue(cells, attempts, progress)
    config = tune.TuneConfig(search_alg=queue, num_samples=-1, reuse_actors=True)

    def request(attempt: dict[str, Any]) -> dict[str, float]:
        return resources.request(by_id[attempt["cell"]].kind, attempt["step"])

    with progress:
        job, watcher = make_job(plan, resources, by_id, tags), Watcher(progress, attempts, queue.put_back)
        fit("cells", job, request, config, watcher)


def fit(
    name: str,
    job: Job,
    request: Callable[[dict[str, Any]], dict[str, float]],
    config: tune.TuneConfig,
    watcher: "Watcher",
) -> None:
    """Runs a Tuner over cells, and removes the files that it leaves.

    Args:
        name: of the experiment in Tune, and so of its folder.
        job: what all workers are told.
        request: what the searcher hands out → the resources of that attempt, as `CellResources.request` returns them.
        config: of Tune, with the searcher that hands out the cells.
        watcher: told of the trials.
    """
    folder = job.storage / "tune"

    def placed(attempt: dict[str, Any]) -> tune.PlacementGroupFactory:
        return tune.PlacementGroupFactory([request(attempt)])

    trainable = tune.with_resources(tune.with_parameters(run_cell, job=job), placed)
    run_config = tune.RunConfig(name=name, storage_path=str(folder), verbose=0, callbacks=[watcher])
    with ExitStack() as on_error:
        on_error.callback(shutil.rmtree, folder, ignore_errors=True)
        on_error.callback(_end_ray)  # otherwise a worker may begin a run after those of this launch were ended
        tune.Tuner(trainable, tune_config=config, run_config=run_config).fit()
        on_error.pop_all()
    shutil.rmtree(folder, ignore_errors=True)


def make_job(plan: Plan, resources: CellResources, cells: dict[str, Cell], tags: dict[str, dict[str, str]]) -> Job:
    """What the workers of a launch are told.

    Args:
        plan: of the launch.
        resources: of one cell.
        cells: id → cell; empty for a search, which proposes its cells later.
        tags: id of the cell → tags of its run.
    """
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
    """The tags of the run of a cell that do not depend on the ablations that ask for it."""
    launch = plan.launch
    left_out: dict[str, str] = {Tag.LEFT_OUT: left_out_text(cell.left_out)} if cell.left_out else {}
    return {Tag.PRESET: launch.preset, Tag.DATA: launch.data, Tag.CODE_DIGEST: plan.code_of(cell).digest, **left_out}


class Watcher(tune.Callback):
    """Tells the progress what Tune's trials do, and the queue which cells to try again."""

    def __init__(self, progress: Progress, attempts: Attempts, put_back: Callable[[str, str], None]) -> None:
        self.progress = progress
        self.attempts = attempts
        self.put_back = put_back  # called with a trial's id and its cell
        self.stopped: Failure | None = None  # the failure that stops the launch

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune saves its callbacks for a restoration, which is not used."""
        return {}

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        if INTERRUPTED.is_set():
            raise KeyboardInterrupt
        if self.stopped:
            raise stopping(self.stopped)

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self.progress.started(trial.config["cell"])

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        cell = trial.config["cell"]
        if "notice" in result:
            self.progress.noticed(cell, result["notice"])
        if {"top1", "epoch"} & result.keys():
            self.progress.result(cell, result.get("top1"), result.get("epoch"))
        if "epoch" in result:
            self.attempts.progressed(cell)

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        fault = trial.last_result.get("fault")
        self.progress.ended(trial.config["cell"], Failure(**fault) if fault else None)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        cell, failure = trial.config["cell"], failure_of(_error_of(trial))
        if cell in self.progress.waiting:  # its worker was lost before it started the cell
            self.progress.started(cell)
        if failure.kind in STOPPING:
            self.stopped = failure
        elif self.attempts.again(cell, failure):
            self.progress.interrupted(cell, failure)
            self.put_back(trial.trial_id, cell)
        else:
            self.gave_up(trial, failure)

    def gave_up(self, trial: Trial, failure: Failure) -> None:
        """The cell has failed: it is not tried again."""
        self.progress.ended(trial.config["cell"], failure)


def _error_of(trial: Trial) -> BaseException:
    """The error that ended a trial, from Tune's files: `Trial.get_error` returns it only later."""
    if trial.pickled_error_file is None:  # raised by Ray, neither in the cell nor in its worker
        return RayError(Path(trial.error_file).read_text())
    # Tune wrote this file for this attempt, from what the launch's own worker raised. In a local Ray nobody else can
    # write there; docs/security.md says what a Ray that is joined needs.
    error: BaseException = cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
    return error


@contextmanager
def attached(launch: Launch) -> Iterator[CellResources]:
    """Starts Ray, or attaches to a cluster, without output unless it is verbose; yields the resources of a cell.

    Raises ScheduleError where that fails, and where no node fits a cell.
    """
    OTHERS.clear()
    OTHERS.update(psutil.Process().children(recursive=True))
    with libraries_heard(launch):
        try:
            with _hang_up_held():
                _start_ray(launch)
            listen()  # Ray's own handler of SIGTERM aborts the process
            resources = _cell_resources(launch)
            LAUNCH.debug(
                f"Ray has started; trainings at once: {resources.slots}, of each {resources.request(TRAINING)}"
            )
            yield resources
        finally:
            _end_ray()
            keep_logs_of_ray(launch)


def _start_ray(launch: Launch) -> None:
    """Starts Ray or joins the cluster, so that its workers import the code that this process imports.

    Ray makes a worker look for modules in the driver's current folder first, where there may be another version of this
    project, or a file with the name of a library. So it is started in the folder that holds this package; the user's is
    looked at after it, and only where this process looks at it too, for a system of the user's own.
    """
    here = str(Path.cwd())
    looked_at = JobConfig(_py_driver_sys_path=[here] if here in sys.path else [])
    with chdir(PACKAGE.parent):
        heard = launch.output == "verbose"
        level = logging.INFO if heard else logging.CRITICAL
        _init_ray(launch, job_config=looked_at, log_to_driver=heard, logging_level=level)


def _init_ray(launch: Launch, **options: Any) -> None:
    if launch.cluster.address is None:
        try:
            ray.init(
                address="local",
                include_dashboard=False,
                num_cpus=launch.resources.cpus or cpu_count(),  # Ray would count CPUs that this process may not use
                object_store_memory=SHARED_MEMORY,
                **options,
            )
        except Exception as error:
            if type(error) is not Exception:  # Ray has no class for its processes being late
                raise
            fault = "the processes of Ray did not start in time, as on a machine that is too busy"
            raise ScheduleError(f"{fault} ({' '.join(str(error).split())}); run the same command again") from error
        return
    try:
        ray.init(address=launch.cluster.address, runtime_env={"env_vars": SETTINGS | FIXED}, **options)
    except (RayError, ConnectionError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ScheduleError(f"cluster.address={launch.cluster.address}: {reason}") from error


@contextmanager
def _hang_up_held() -> Iterator[None]:
    """Holds SIGHUP back. Processes started meanwhile never receive it: a terminal that is closed sends it to all.

    This process receives it afterwards, and ends the others in order.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_ray() -> None:
    """Ends Ray, or leaves the cluster, and waits for all processes that Ray started here.

    Ray itself does not wait, and those that still write logs make the temporary folder again after it is removed.
    """
    started = set(psutil.Process().children(recursive=True)) - OTHERS
    ray.shutdown()
    latest = time.monotonic() + PATIENCE
    while (alive := [process for process in started if _runs(process)]) and time.monotonic() < latest:
        time.sleep(0.05)
    for process in alive:
        with suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
            process.kill()
            process.wait(PATIENCE)


def _runs(process: psutil.Process) -> bool:
    """Whether it has not ended; one that has may still wait for its parent to take note."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


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
    """The number of trainings that a node runs at once."""
    by_cpus = int(node.get("CPU", 0) / cpus)
    return min(by_cpus, int(node.get("GPU", 0) / gpus)) if gpus else by_cpus
