"""The ids of real configurations: every preset with every ablation of the project, on clips of a fixed digest.

    python -m tests.bench.plan.golden

writes the ids that golden_ids.json does not have yet. An id that is there stays: recorded results carry it. Delete
the file first only where SCHEMA was increased on purpose.
"""

import itertools
import json
from pathlib import Path

import numpy as np

from d3d.bench.declare.ablations import options
from d3d.bench.declare.compose import ablation_groups, compose
from d3d.bench.plan.cell import make_cell
from d3d.data.clip import Dataset
from d3d.data.skeleton import PENN_ACTION

FILE = Path(__file__).with_name("golden_ids.json")
CLASSES = tuple(f"action {label}" for label in range(15))
DATA = {
    "synthetic": ("data=synthetic",),
    "penn_action": ("data=penn_action", "data.root=/there", "data.frames=rendered"),
}

Ids = dict[str, dict[str, str]]


def ids() -> Ids:
    """Preset, data and ablation → row → the id of its cell with seed 0."""
    found: Ids = {}
    for preset in options("preset"):
        for group, (data, arguments) in itertools.product(ablation_groups(), DATA.items()):
            launch = compose([f"ablation={group}", f"preset={preset}", *arguments])
            clips = Dataset(data, CLASSES, PENN_ACTION, (), (), "da7a", _unread)
            for ablation in launch.ablations:
                configs = {row.label: launch.configure(row) for row in ablation.rows if not row.fuse}
                cells = {
                    label: make_cell(label, config, None if config.measurement.module else clips)
                    for label, config in configs.items()
                }
                found[f"{preset}, {data}, {ablation.name}"] = {label: cell.id for label, cell in cells.items()}
    return found


def golden() -> Ids:
    """The ids in golden_ids.json."""
    kept: Ids = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}
    return kept


def _unread(*_: object) -> np.ndarray:
    raise AssertionError("an id needs no frames")


if __name__ == "__main__":
    kept, now = golden(), ids()
    merged = {group: rows | kept.get(group, {}) for group, rows in now.items()}
    FILE.write_text(json.dumps(merged, indent=1, ensure_ascii=False) + "\n", "utf-8")
