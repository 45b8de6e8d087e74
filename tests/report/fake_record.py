"""A record as a launch leaves it, made through MLflow's client."""

import json
import time
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from d3d.bench.record.provenance import current_code, kind_of, part_of
from d3d.bench.record.run_files import ANYWHERE
from d3d.bench.record.schema import EXPERIMENT, Launch, Point

FRAMES, CLIPS, CLASSES = 12, 120, 15
GRID = [(w, s) for w in (4, 6, 8, 10) for s in (1, 2, 3, 4, 5, 6, 8, 10) if s <= w]
COMMAND = "python orchestrate.py ablation=stride_grid preset=quick data=synthetic"


def cell_of(window: int, stride: int, seed: int = 0) -> str:
    """The cell of one point of Figure 7a: strides of at least T − window are one computation."""
    return f"{zlib.crc32(f'{window} {min(stride, FRAMES - window)} {seed}'.encode()):016x}"


def top1_of(window: int, stride: int, seed: int = 0) -> float:
    """The fraction of the clips a training gets right: most at half the window, a clip more with each seed."""
    return (90 - 4 * abs(min(stride, FRAMES - window) - min(window // 2, FRAMES - window)) + seed) / CLIPS


def label_of(window: int, stride: int) -> str:
    return f"temporal window {window}, temporal stride {stride}"


def row_cell(label: str, seed: int = 0) -> str:
    """The cell of a named row."""
    return f"{zlib.crc32(f'{label} {seed}'.encode()):016x}"


def point(row: str, cell: str, seed: int = 0, axes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A point of a plan."""
    return {"row": row, "axes": dict(axes or {}), "seed": seed, "cell": cell}


def tuned(points: list[dict[str, Any]], **studies: dict[str, Any]) -> dict[str, Any]:
    """The part of a plan that a search adds; a study of 30 trials for each row, changed as said."""
    whole = {"study": "s", "trials": 30, "pruned": 12, "failed": 1, "epochs": 410, "validation_top1": 91.25}
    whole["settings"] = {"training.learning_rate": 0.00312345, "model.depth": 2}
    return {"search": "optuna", "points": points, "studies": {row: whole | changes for row, changes in studies.items()}}


def asking(*cells: str) -> Launch:
    """A launch of those cells, one a row."""
    points = tuple(Point(id, {}, 0, id) for id in cells)
    return Launch("depth", ("depth",), "", "", (), "quick", "synthetic", "da7a", 12, points, COMMAND)


def wait_a_millisecond() -> None:
    """MLflow's clock ticks in milliseconds."""
    now = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 == now:
        pass


@dataclass
class FakeRecord:
    """Writes what the launch writes; every argument may be made wrong."""

    storage: Path
    client: MlflowClient
    experiment: str

    def made(self, file: str, launch: str = "*") -> Path:
        """A table or figure in its launch's folder; of any launch, where one alone has it."""
        [path] = (self.storage / "tables").glob(f"*-{launch}/{file}")
        return path

    @property
    def latest(self) -> dict[str, bytes]:
        """What there is under the names that stay."""
        return {path.name: path.read_bytes() for path in (self.storage / "tables" / "latest").glob("*")}

    def file(self, run: str, name: str) -> Path:
        """A file of a run."""
        path = self.storage / "artifacts" / run / "artifacts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def finish(
        self,
        cell: str,
        top1: float = 0.75,
        status: str = "FINISHED",
        clips: int = CLIPS,
        right: Iterable[int] | None = None,
        metrics: Mapping[str, float] | None = None,
        serves: str = "",
        takes: int = 0,
        names: bool = False,
        verbs: float | None = None,
        **tags: str,
    ) -> str:
        """A finished cell, with `top1` of its test clips right, or the clips of the numbers in `right`; with `metrics`,
        a measurement. `serves` is an ablation that asks for it; `takes` how many clips a take has, 0 where the record
        is from before takes were kept; `verbs` the fraction of clips with the verb right, None where labels have none;
        `names` says whether it has the names of actions, and probabilities, of which later clips have less.
        Returns the run's id."""
        tags = {"kind": "cell", "cell": cell, "data_digest": "da7a", **tags}
        tags.setdefault("code_digest", current_code()[part_of(kind_of(tags), "d3d")].digest)
        if serves:
            tags[f"ablation.{serves}"] = "true"
        run: str = self.client.create_run(self.experiment, run_name=cell).info.run_id
        values = dict(metrics or {})
        if status == "FINISHED" and metrics is None:
            chosen = set(range(round(top1 * clips)) if right is None else right)
            values["top1"] = len(chosen) / clips
            rows = [f"{i:04d},{i % CLASSES},{(i + (i not in chosen)) % CLASSES}" for i in range(clips)]
            header = "clip,label,predicted"
            if takes:
                header, rows = f"{header},take", [f"{each},t{i // takes}" for i, each in enumerate(rows)]
            if names:
                rows = [f"{each},act {each.split(',')[1]},act {each.split(',')[2]}" for each in rows]
                header = f"{header},action,predicted_action"
                chances = [f"{i:04d},{','.join([str(1 / (i + 2))] * CLASSES)}" for i in range(clips)]
                lines = [f"clip,{','.join(map(str, range(CLASSES)))}", *chances]
                self.file(run, "probabilities.csv").write_text("\n".join(lines) + "\n")
            if verbs is not None:
                values["verb_top1"] = round(verbs * clips) / clips
                header = f"{header},verb,predicted_verb"
                rows = [f"{each},1,{int(i < round(verbs * clips))}" for i, each in enumerate(rows)]
            self.file(run, "predictions.csv").write_text("\n".join([header, *rows]) + "\n")
        self.client.log_batch(
            run,
            metrics=[Metric(key, value, 0, 0) for key, value in values.items()],
            params=[Param("training.epochs", "20"), Param("training.frames", str(FRAMES))],
            tags=[RunTag(key, value) for key, value in tags.items()],
        )
        self.client.set_terminated(run, status)
        return run

    def baselines(self, top1: Mapping[str, float], launch: str = "ba5e", clips: int = CLIPS, **changes: Any) -> str:
        """A launch of the baselines by method, with what each chose; `changes` go into its plan."""
        points = []
        for method, fraction in top1.items():
            cell = f"{launch} {method}"
            run = self.finish(cell, fraction, clips=clips)
            self.client.log_param(run, "baseline.method", method)
            self.client.log_metric(run, "validation_top1", 0.8125)
            if method != "nearest neighbour":
                self.client.log_metric(run, "alpha", 10)
            points.append(point(method, cell, axes={"baseline.method": method}))
        plan = {"ablation": "baselines", "artefacts": ["baselines"], "title": "Accuracy without deep learning"}
        return self.launch(points, launch, **plan | changes)

    def launch(self, points: list[dict[str, Any]], launch: str = "1a", **changes: Any) -> str:
        """The report run of a launch over such points; `changes` go into its plan. Returns the run's id."""
        plan = {
            "ablation": "depth",
            "artefacts": ["depth"],
            "title": "How many blocks",
            "section": "3",
            "claims": [],
            "preset": "quick",
            "data": "synthetic, files",
            "data_digest": "da7a",
            "seeds": sorted({each["seed"] for each in points}),
            "frames": FRAMES,
            "command": COMMAND,
            "reference": None,
            "points": points,
        } | changes
        said = ("ablation", "preset", "data", "split")
        tags = {"kind": "report", "launch": launch} | {key: plan[key] for key in said if key in plan}
        run: str = self.client.create_run(self.experiment, tags=tags).info.run_id
        self.file(run, "plan.json").write_text(json.dumps(plan))
        self.client.set_terminated(run)
        return run

    def plan(self, launch: str = "1a", points: Iterable[tuple[int, int]] = GRID, seeds: int = 1, **changes: Any) -> str:
        """A launch of Figure 7a over (window, stride) points."""
        asked = [
            point(label_of(w, s), cell_of(w, s, k), k, {"model.temporal_window": w, "model.temporal_stride": s})
            for w, s in points
            for k in range(seeds)
        ]
        return self.launch(asked, launch, **({"ablation": "stride_grid", "artefacts": ["figure7a"]} | changes))

    def finish_grid(self, seeds: int = 1, leave_out: Iterable[str] = ()) -> None:
        """Every cell of the grid but those left out, with the accuracy of `top1_of`."""
        for cell, top1 in {cell_of(*each, k): top1_of(*each, k) for each in GRID for k in range(seeds)}.items():
            if cell not in leave_out:
                self.finish(cell, top1, serves="stride_grid")

    def rows(
        self,
        rows: Mapping[str, float | None],
        seeds: int = 1,
        axes: Mapping[str, Mapping[str, Any]] | None = None,
        **changes: Any,
    ) -> str:
        """A launch of named rows with their top-1, None where it is not finished, a clip more with each seed."""
        points = []
        for label, top1 in rows.items():
            for seed in range(seeds):
                cell = row_cell(label, seed)
                points.append(point(label, cell, seed, (axes or {}).get(label)))
                if top1 is not None:
                    self.finish(cell, top1 + seed / CLIPS)
        return self.launch(points, **changes)


def new_record(empty_database: Path, storage: Path) -> FakeRecord:
    """A record in a new storage folder, which begins as a copy of a database without an experiment."""
    storage.mkdir()
    copyfile(empty_database, storage / "mlflow.db")
    client = MlflowClient(f"sqlite:///{storage / 'mlflow.db'}")
    return FakeRecord(storage, client, client.create_experiment(EXPERIMENT, ANYWHERE))
