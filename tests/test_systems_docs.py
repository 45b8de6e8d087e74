"""The worked example of docs/systems.md: a system of one's own, in one file, trains and has its table."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
from mlflow import MlflowClient

from d3d.bench.database import sqlite_uri
from d3d.bench.record.schema import EXPERIMENT, Metric, Tag

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "systems.md").read_text("utf-8")
MOST_LINES = 40


def test_a_system_of_ones_own_trains_and_is_tabulated(tmp_path: Path) -> None:
    (source,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(source.splitlines()) <= MOST_LINES
    (tmp_path / "joint_means.py").write_text(source)
    (tmp_path / "d3d").mkdir()
    (tmp_path / "d3d" / "__init__.py").write_text("raise ImportError('another version of this project')")
    (command,) = re.findall(r"python orchestrate\.py (ablation=full model\.system=.*)", PAGE)
    (tmp_path / "mine.yaml").write_text(
        "title: t\nsection: s\ncommand: c\ncost: c\nrows:\n- label: mine\n- label: graph\n  settings: {model: stgcn}\n"
    )
    arguments = [*shlex.split(command)[1:], "ablation=mine.yaml", "preset=smoke", "resources.cpus=1", "storage=results"]
    done = subprocess.run(
        [sys.executable, ROOT / "orchestrate.py", *arguments], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    frame = pd.read_csv(tmp_path / "results" / "tables" / "latest" / "mine.csv")
    assert frame.row.tolist() == ["mine", "graph"] and frame.top1_mean.notna().all()
    client = MlflowClient(sqlite_uri(tmp_path / "results" / "mlflow.db"))
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], f"tags.{Tag.KIND} = 'cell'")
    mine, graph = sorted(runs, key=lambda run: run.data.params["model.system"], reverse=True)
    assert mine.data.params["model.system"] == "joint_means:JointMeans"
    assert mine.data.metrics[Metric.PARAMETERS] == (4 * 13 + 1) * 128 + (128 + 1) * 15
    assert mine.data.tags[Tag.MODALITY] == graph.data.tags[Tag.MODALITY] == "P"
    assert 0 < mine.data.metrics[Metric.GMACS] < graph.data.metrics[Metric.GMACS]
