"""Ray Tune runs the cells: one trial each, on a Ray of this launch's own or on a cluster that was named.

Trainings come first, then the tests of their weights, then baselines, then measurements, which have a node to
themselves. Tune's own checkpoints are not used and nothing is restored from its folder, which is removed at the end: a
cell is continued from the checkpoint under its id.
"""

import logging
import shutil
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import ray
from ray import tune
from ray.exceptions import RayError
from ray.tune.experiment import Trial

from d3d.digest import code_digest
from d3d.errors import ScheduleError
from experiments.cell import KINDS, Cell, Kind
from experiments.compose import Launch
from experiments.environment import SETTINGS
from experiments.machine import gpus_per_cell
from experiments.plan import Plan
from experiments.progress import Progress
from experiments.worker import Job, run_cell

SHARED_MEMORY = 80 * 2**20  # bytes, the least Ray takes: cells share nothing through it
INTERRUPTED = threading.Event()  # by Ctrl-C, whose exception is lost where it meets a callback from C
RETRIES = 2  # of a cell whose worker was lost or met an unforeseen error


@dataclass(frozen=True)
class Share:
    """What one cell gets of a node."""

    cpus: float
    gpus: float
    node_cpus: float  # all there are of the largest node it fits on
    slots: int  # how many trainings run at once

    def needs(self, kind: Kind) -> dict[str, float]:
        """A measurement runs alone on its node: what runs beside it would be measured too. A baseline needs no GPU."""
        cpus = self.node_cpus if kind == "measurement" else self.cpus
        return {"cpu": cpus, "gpu": 0.0 if kind == "baseline" else self.gpus}


def run(plan: Plan, cells: Sequence[Cell], share: Share, progress: Progress) -> None:
    """Runs the cells within `attached`; `progress` sees what becomes of each."""
    common = common_tags(plan.launch)
    tags = {cell.id: common | plan.tags_of(cell.id) for cell in cells}
    job = make_job(plan.launch, share, {cell.id: cell for cell in cells}, tags)
    with progress:
        for kind in KINDS:
            ready = [cell.id for cell in cells if cell.kind == kind and not _hopeless(cell, progress)]
            if ready:
                config = tune.TuneConfig(reuse_actors=True)
                fit(kind, job, share.needs(kind), config, Watcher(progress), {"cell": tune.grid_search(ready)})


def fit(
    name: str,
    job: Job,
    needs: dict[str, float],
    config: tune.TuneConfig,
    watcher: "Watcher",
    space: dict[str, Any] | None = None,
) -> None:
    """Runs a Tuner to its end; what it keeps on the disk is removed."""
    folder = job.storage / "tune"
    trainable = tune.with_resources(tune.with_parameters(run_cell, job=job), needs)
    kept = tune.RunConfig(
        name=name,
        storage_path=str(folder),
        verbose=0,
        failure_config=tune.FailureConfig(max_failures=RETRIES),
        callbacks=[watcher],
    )
    try:
        tune.Tuner(trainable, param_space=space, tune_config=config, run_config=kept).fit()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_job(launch: Launch, share: Share, cells: dict[str, Cell], tags: dict[str, dict[str, str]]) -> Job:
    """What the workers of a launch are told."""
    cpus = launch.resources.cpus_per_cell
    return Job(cells, tags, launch.tracking_uri, launch.storage, cpus, share.gpus > 0, launch.test_every)


def common_tags(launch: Launch) -> dict[str, str]:
    """Of every run of the launch."""
    return {"preset": launch.preset, "data": launch.data, "code_digest": code_digest()}


def _hopeless(cell: Cell, progress: Progress) -> bool:
    """Whether a test lacks its weights because their training failed; it has then failed as well."""
    if cell.trained is None or cell.trained.id not in progress.failed:
        return False
    progress.started(cell.id)
    progress.ended(cell.id, f"the training of its weights failed ({cell.trained.id})")
    return True


def _interrupt(number: int, frame: FrameType | None) -> None:
    INTERRUPTED.set()
    raise KeyboardInterrupt


class Watcher(tune.Callback):
    """Tells the progress what Tune's trials do."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune keeps its callbacks for a restoration that never comes."""
        return {}

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        if INTERRUPTED.is_set():
            raise KeyboardInterrupt

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self.progress.started(trial.config["cell"])

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        if "top1" in result:
            self.progress.result(trial.config["cell"], result["top1"], result.get("epoch"))

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self.progress.ended(trial.config["cell"], trial.last_result.get("fault"))

    def on_trial_recover(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self.progress.interrupted(trial.config["cell"])

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self.progress.ended(trial.config["cell"], str(trial.get_error()))


@contextmanager
def attached(launch: Launch) -> Iterator[Share]:
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
        yield _share(launch)
    finally:
        ray.shutdown()


def _share(launch: Launch) -> Share:
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
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
    return Share(cpus, gpus, max(fitting), slots)


def _slots(node: dict[str, float], cpus: float, gpus: float) -> int:
    """How many trainings a node takes at once."""
    by_cpus = int(node.get("CPU", 0) / cpus)
    return min(by_cpus, int(node.get("GPU", 0) / gpus)) if gpus else by_cpus
