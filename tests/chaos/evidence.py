"""What a launch has recorded, in a form in which two launches can be compared."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from mlflow import MlflowClient
from mlflow.entities import Run
from safetensors import safe_open

from d3d.bench.database import sqlite_uri
from d3d.bench.record.run_files import files_of
from d3d.bench.record.schema import DATABASE, EXPERIMENT
from d3d.training.checkpoint import FILE

RESULTS = ("top1", "mean_class_accuracy", "parameters", "frozen_parameters", "gmacs")  # of a training as a whole


@dataclass(frozen=True)
class Evidence:
    """Cells by their ids, metrics by their names, artefacts by theirs."""

    statuses: dict[str, list[str]]  # id of the cell → statuses of its runs
    reports: list[str]  # the statuses of the report runs
    steps: dict[str, dict[str, list[int]]]  # cell → metric → every step that was recorded, in order
    artefacts: dict[str, str]  # name → digest of the content
    epoch: float  # median seconds of an epoch

    @property
    def epochs(self) -> int:
        """The number of distinct epochs that are recorded."""
        return sum(len(set(metrics.get("eval_top1", ()))) for metrics in self.steps.values())

    def faults(self) -> list[str]:
        """The faults: a cell that is not FINISHED exactly once, a run still RUNNING, an epoch twice or missing."""
        found = [f"{cell}: {runs}" for cell, runs in self.statuses.items() if Counter(runs)["FINISHED"] != 1]
        found += [f"{cell}: still RUNNING" for cell, runs in self.statuses.items() if "RUNNING" in runs]
        found += [f"report {number}: {status}" for number, status in enumerate(self.reports) if status != "FINISHED"]
        for cell, metrics in self.steps.items():
            trained = max(metrics.get("eval_top1", [0]))
            for name, steps in metrics.items():
                whole = [0] if name in RESULTS else list(range(1, trained + 1))
                if sorted(steps) != whole:
                    found.append(f"{cell}: {name} at {sorted(steps)}, not at {whole}")
        return found


def gather(storage: Path, uri: str | None) -> Evidence:
    """Collected from the storage folder and the record of a launch; without a URI it is the one in that folder."""
    uri = uri or sqlite_uri(storage / DATABASE)
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    cells = [run for run in runs if run.data.tags["kind"] == "cell"]
    reports = [run for run in runs if run.data.tags["kind"] == "report"]
    statuses: dict[str, list[str]] = {}
    steps: dict[str, dict[str, list[int]]] = {}
    artefacts: dict[str, str] = {}
    seconds: list[float] = []
    for run in cells:
        cell = run.data.tags["cell"]
        statuses.setdefault(cell, []).append(run.info.status)
        if run.info.status == "FINISHED":
            id = run.info.run_id
            histories = {name: client.get_metric_history(id, name) for name in run.data.metrics}
            steps[cell] = {name: [metric.step for metric in history] for name, history in histories.items()}
            moments = [metric.timestamp for metric in histories.get("eval_top1", ())]
            seconds += [(after - before) / 1000 for before, after in pairwise(moments)]
            artefacts |= _of_run(uri, run, cell)
    for run in reports:
        artefacts |= _of_run(uri, run, f"report of {run.data.tags['ablation']}", "tables")
    for path in (storage / "tables").glob("*/*"):
        artefacts[str(path.relative_to(storage))] = _digest(path)
    for path in (storage / "cells").glob(f"*/{FILE}"):
        artefacts[f"{path.parent.name}/{FILE}"] = _digest_of_tensors(path)
    return Evidence(
        statuses, [run.info.status for run in reports], steps, artefacts, median(seconds) if seconds else 0.0
    )


def differences(one: Evidence, other: Evidence) -> list[str]:
    """The artefacts that are missing in one of the two, or differ."""
    names = sorted(one.artefacts.keys() | other.artefacts.keys())
    return [name for name in names if one.artefacts.get(name) != other.artefacts.get(name)]


def _of_run(uri: str, run: Run, name: str, folder: str | None = None) -> dict[str, str]:
    """Every artefact of a run, below a folder: name → digest."""
    files = files_of(run, uri)
    with TemporaryDirectory() as place:
        listed = [file.path for file in files.list_artifacts(folder) if not file.is_dir]
        local_paths = {path: Path(files.download_artifacts(path, place)) for path in listed}  # type: ignore[no-untyped-call]
        return {f"{name}/{path}": _digest(local) for path, local in local_paths.items()}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digest_of_tensors(path: Path) -> str:
    """A digest of names, types, shapes and bytes; other parts of the file may depend on when it was written."""
    digest = hashlib.sha256()
    with safe_open(path, framework="numpy") as stored:
        for name in sorted(stored.keys()):
            tensor = stored.get_tensor(name)
            digest.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
            digest.update(tensor.tobytes())
    return digest.hexdigest()
