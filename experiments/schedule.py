"""Ray Tune runs the cells: one trial each, on a Ray of this launch's own or on a cluster that was named.

Tune's own checkpoints are not used and nothing is restored from its folder, which is removed at the end: a cell is
continued from the checkpoint under its id.
"""

import logging
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ray
from ray import tune
from ray.exceptions import RayError
from ray.tune.experiment import Trial

from d3d.digest import code_digest
from d3d.errors import ScheduleError
from experiments.compose import Launch
from experiments.environment import SETTINGS
from experiments.machine import gpus_per_cell
from experiments.plan import Cell, Plan
from experiments.progress import Progress
from experiments.worker import Job, train_cell

SHARED_MEMORY = 80 * 2**20  # bytes, the least Ray takes: cells share nothing through it
RETRIES = 2  # of a cell whose worker was lost or met an unforeseen error


def run(plan: Plan, cells: Sequence[Cell], progress: Progress) -> None:
    """Trains the cells; `progress` sees what becomes of each. Raises ScheduleError."""
    launch = plan.launch
    with _ray(launch):
        needs = _needs(launch)
        job = Job(
            cells={cell.id: cell for cell in cells},
            tags={
                f"ablation.{launch.ablation.name}": "true",
                "preset": launch.preset,
                "data": launch.data,
                "code_digest": code_digest(),
            },
            tracking_uri=launch.tracking_uri,
            storage=launch.storage,
            cpus=launch.resources.cpus_per_cell,
            gpu=needs["gpu"] > 0,
        )
        tuner = tune.Tuner(
            tune.with_resources(tune.with_parameters(train_cell, job=job), needs),
            param_space={"cell": tune.grid_search([cell.id for cell in cells])},
            tune_config=tune.TuneConfig(reuse_actors=True),
            run_config=tune.RunConfig(
                name=plan.id,
                storage_path=str(launch.storage / "tune"),
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=RETRIES),
                callbacks=[Watcher(progress)],
            ),
        )
        try:
            with progress:
                tuner.fit()
        finally:
            shutil.rmtree(launch.storage / "tune", ignore_errors=True)


class Watcher(tune.Callback):
    """Tells the progress what Tune's trials do."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune keeps its callbacks for a restoration that never comes."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self.progress.started(trial.config["cell"])

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        if "epoch" in result:
            self.progress.epoch(trial.config["cell"], result["epoch"], result["top1"])

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self.progress.ended(trial.config["cell"], trial.last_result.get("fault"))

    def on_trial_recover(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self.progress.interrupted(trial.config["cell"])

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self.progress.ended(trial.config["cell"], str(trial.get_error()))


@contextmanager
def _ray(launch: Launch) -> Iterator[None]:
    """Within it Ray is there, without a word."""
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
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C; Ray's own handler aborts the process
    try:
        yield
    finally:
        ray.shutdown()


def _needs(launch: Launch) -> dict[str, float]:
    """What one training takes. Raises ScheduleError where no node has as much."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    cpus, gpus = float(launch.resources.cpus_per_cell), launch.resources.gpus_per_cell
    if launch.cluster.address is None:
        gpus = gpus_per_cell(gpus)
    elif gpus is None:
        gpus = float(any("GPU" in node for node in nodes))
    if not any(node.get("CPU", 0) >= cpus and node.get("GPU", 0) >= gpus for node in nodes):
        there = "; ".join(f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes)
        raise ScheduleError(
            f"resources.cpus_per_cell={cpus:g}, resources.gpus_per_cell={gpus:g}: no node has both; nodes have {there}"
        )
    return {"cpu": cpus, "gpu": gpus}
