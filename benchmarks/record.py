"""How long the tables take where the record is large.

    python -m benchmarks.record [RUNS]

Fills a temporary folder with a record of 10 000 finished runs, among them three seeds of every ablation of the project,
then times `python orchestrate.py tables`, all artefacts in a process of their own, what a launch of Figure 7a asks of
the record, and beside them one plain search over every run. The runs are written to MLflow's SQLite tables directly:
through its client they would take an hour.
"""

import json
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow import MlflowClient

from d3d.bench.declare.ablations import Ablation, ablations
from d3d.bench.record import tracking
from d3d.bench.record.run_files import ANYWHERE
from d3d.bench.record.schema import EXPERIMENT

ROOT = Path(__file__).parents[1]
SEEDS, CLIPS, CLASSES, EPOCHS = 3, 240, 15, 12
HOUR = 3_600_000
METRICS = ("train_loss", "train_top1", "eval_loss", "eval_top1", "learning_rate", "clips_per_second", "peak_memory_mib")
MEASURED = ("flops", "seconds", "memory_mib", "score_pairs", "printed")


def main(runs: int) -> None:
    """Make the record, build from it, ask it, search it; print the times."""
    with TemporaryDirectory() as folder:
        storage = Path(folder) / "results"
        fill(storage, runs)
        start = time.perf_counter()
        command = [sys.executable, "orchestrate.py", "tables", f"storage={storage}"]
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        tables = time.perf_counter() - start
        start = time.perf_counter()
        found = search(storage)
        searched = time.perf_counter() - start
    files = sum(line.startswith(str(storage)) for line in done.stdout.splitlines())
    record, cells = tracking.Record(f"sqlite:///{storage / 'mlflow.db'}"), [f"stride_grid-{i}" for i in range(48)]
    start = time.perf_counter()
    record.finished(cells)
    launch = time.perf_counter() - start
    print(f"python orchestrate.py tables: {tables:.1f} s, {files} files from a record of {found} finished runs")
    print(f"which of {len(cells)} cells are finished, as a launch asks three times: {launch:.1f} s")
    print(f"one search over all of them: {searched:.1f} s; ratio {tables / searched:.2f}")


def fill(storage: Path, runs: int) -> None:
    """A record with a launch of every ablation, and other finished cells up to `runs`."""
    storage.mkdir(parents=True)
    client = MlflowClient(f"sqlite:///{storage / 'mlflow.db'}")
    experiment = client.create_experiment(EXPERIMENT, artifact_location=ANYWHERE)
    with closing(sqlite3.connect(storage / "mlflow.db")) as database:
        made = Runs(database, int(experiment), storage / "artifacts")
        for ablation in ablations().values():
            launch(made, ablation)
        while made.cells < runs:
            made.cell(f"other{made.cells}", f"ablation.other{made.cells // 100}", {})
        database.commit()


def launch(made: "Runs", ablation: Ablation) -> None:
    """The finished cells of an ablation, and its report run."""
    points: list[dict[str, Any]] = []
    for row in ablation.rows:
        for seed in range(SEEDS):
            id = f"{ablation.name}-{len(points)}"
            points.append({"row": row.label, "axes": row.settings, "seed": seed, "cell": id})
            made.cell(id, f"ablation.{ablation.name}", row.settings)
    plan = {
        "ablation": ablation.name,
        "artefacts": list(ablation.artefacts),
        "title": ablation.title,
        "section": ablation.section,
        "claims": list(ablation.claims),
        "preset": "quick",
        "data": "penn_action, rendered",
        "split": "test",
        "data_digest": "d" * 16,
        "frames": 12,
        "command": ablation.command,
        "reference": ablation.rows[0].label,
        "points": points,
    }
    made.report(ablation.name, plan)


class Runs:
    """Writes finished runs, one after the other."""

    def __init__(self, database: sqlite3.Connection, experiment: int, artifacts: Path) -> None:
        self.database, self.experiment, self.artifacts = database, experiment, artifacts
        self.count = self.cells = 0
        self.random = random.Random(0)

    def cell(self, id: str, serves: str, settings: dict[str, Any]) -> None:
        """A training with its predictions, or the measurement that its settings ask for."""
        self.cells += 1
        tags = {"kind": "cell", "cell": id, serves: "true", "seed": "0", "preset": "quick", "device": "cpu"}
        if "measurement.module" in settings:
            self._run(tags, {name: self.random.random() for name in MEASURED}, "")
            return
        right = [self.random.random() < 0.8 for _ in range(CLIPS)]
        lines = (f"{i:04d},{i % CLASSES},{(i + (not mark)) % CLASSES}\n" for i, mark in enumerate(right))
        path = self._run(tags, dict.fromkeys(METRICS, 0.5) | {"top1": sum(right) / CLIPS}, "")
        (path / "predictions.csv").write_text("clip,label,predicted\n" + "".join(lines))

    def report(self, name: str, plan: dict[str, Any]) -> None:
        """The report run of a launch."""
        tags = {
            "kind": "report",
            "launch": name,
            "ablation": name,
            "preset": "quick",
            "data": plan["data"],
            "split": plan["split"],
        }
        (self._run(tags, {}, name) / "plan.json").write_text(json.dumps(plan))

    def _run(self, tags: dict[str, str], metrics: dict[str, float], name: str) -> Path:
        """Returns the folder of its artefacts."""
        self.count += 1
        run, start = f"{self.count:032x}", self.count * HOUR
        folder = self.artifacts / run / "artifacts"
        folder.mkdir(parents=True)
        files = f"{ANYWHERE}{run}/artifacts"
        row = (run, name, "UNKNOWN", "", "", "", "FINISHED", start, start + 40_000, "", "active", files)
        self._insert("runs", [(*row, self.experiment, None)])
        digests = {"code_digest": "c" * 16, "data_digest": "d" * 16}
        self._insert("tags", [(key, value, run) for key, value in (tags | digests).items()])
        self._insert("params", [(f"model.key{i}", str(i), run) for i in range(40)])
        self._insert("latest_metrics", [(key, value, start, EPOCHS, 0, run) for key, value in metrics.items()])
        self._insert("metrics", list(self._history(metrics, run, start)))
        return folder

    def _history(self, metrics: dict[str, float], run: str, start: int) -> Iterator[tuple[Any, ...]]:
        for key, value in metrics.items():
            yield from ((key, value, start + epoch, run, epoch, 0) for epoch in range(EPOCHS))

    def _insert(self, table: str, rows: list[tuple[Any, ...]]) -> None:
        if rows:
            places = ", ".join("?" * len(rows[0]))
            self.database.executemany(f"insert into {table} values ({places})", rows)


def search(storage: Path) -> int:
    """Every finished run, as MLflow's client gives them; how many there are."""
    client = MlflowClient(f"sqlite:///{storage / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    found, page = 0, None
    while True:
        part = client.search_runs([experiment.experiment_id], "tags.kind = 'cell'", page_token=page)
        found, page = found + len(part), part.token
        if not page:
            return found


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
