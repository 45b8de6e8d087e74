"""Saved views of MLflow's page: the cells of each ablation, with the keys that it varies, and the means of its rows.

MLflow 3.17 keeps a saved view as a tag of the experiment, `mlflow.sharedViewState.KEY`, whose value is an envelope of
its name, two times and the state of the page; the address `?viewStateShareKey=KEY` opens it. None of this is
documented, so tests compare it with what the installed page understands.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from d3d.bench.record.schema import ABLATION_PREFIX, CELL, Metric, Tag

PREFIX = "mlflow.sharedViewState."
LONGEST = 100  # characters of a key, without its digest
SHARED = "viewStateShareKey"  # of the address
MOST_KEYS = 20  # columns of varied keys; MLflow takes tags of at most 5000 characters
MOST_NOTE = 8000  # characters of a run's tag
CUT = "\n… the whole is under `tables`"
NOTE = "mlflow.note.content"  # of an experiment or a run: what its page says of it
EXPLANATION = """\
Every run whose tag `kind` is `cell` is one training, test or baseline; its tag `row` names the row of a table that
first asked for it, and `seed` its seed. A run of kind `report` is a launch: it has `plan.json` and, under `tables`,
what was made of it.

**Saved views** (the menu above the list of runs) has two for each ablation, preset and dataset: all cells, the best
first, with the keys that the ablation varies; and the mean of each row over its seeds. Other columns are in the menu
*Columns*; the learning curves of the runs that are shown are on the chart view.

A mean on this page has no interval and no verdict. The tables have.
"""


@dataclass(frozen=True)
class View:
    """A saved view."""

    key: str  # in its address
    name: str
    state: Mapping[str, Any]  # of the page

    @property
    def tag(self) -> str:
        """The tag of the experiment that keeps it."""
        return f"{PREFIX}{self.key}"

    def value(self, now: int, before: str | None) -> str:
        """The value of its tag, at `now` in ms since 1970; `before` is the value that it had, None if it had none."""
        created = _times(before)[0] if before else None
        envelope = {"name": self.name, "createdAt": created or now, "updatedAt": now, "state": json.dumps(self.state)}
        return json.dumps(envelope)


def views_of(ablation: str, preset: str, data: str, keys: Sequence[str]) -> tuple[View, View]:
    """The views of an ablation on a dataset: its cells, and the means of its rows. `keys` are those that it varies."""
    where = {Tag.PRESET.value: preset, Tag.DATA.value: data, f"{ABLATION_PREFIX}{ablation}": "true"}
    conditions = [f"tags.kind = '{CELL}'", *(f"tags.`{tag}` = '{value}'" for tag, value in where.items())]
    columns = [
        f"metrics.`{Metric.TOP1}`",
        f"tags.`{Tag.ROW}`",
        f"tags.`{Tag.SEED}`",
        *(f"params.`{key}`" for key in keys[:MOST_KEYS]),
    ]
    state: dict[str, Any] = {
        "searchFilter": " and ".join(conditions),
        "orderByKey": f"metrics.`{Metric.TOP1}`",
        "orderByAsc": False,
        "selectedColumns": columns,
        "columnOrder": [],
        "hideEmptyCharts": True,
    }
    means = {"aggregateFunction": "average", "groupByKeys": [{"mode": "tag", "groupByData": Tag.ROW.value}]}
    name = f"{ablation}, {preset}, {data}"
    slug, digest = re.sub(r"[^a-z0-9]+", "-", name.lower())[:LONGEST], hashlib.sha256(name.encode()).hexdigest()[:8]
    key = f"{slug}-{digest}"
    return View(key, name, state), View(f"{key}-means", f"{name}: means of rows", state | {"groupBy": means})


def newest_view(tags: Mapping[str, str]) -> str | None:
    """The key of the view with all cells that was saved last, in the tags of an experiment; None if there is none."""
    found = {tag.removeprefix(PREFIX): _times(value)[1] for tag, value in tags.items() if tag.startswith(PREFIX)}
    ours = {key: time for key, time in found.items() if f"{key}-means" in found}
    return max(ours, key=lambda key: ours[key], default=None)


def note_of(documents: Sequence[str]) -> str:
    """What the page of a launch says first: its tables in Markdown, as many whole lines as MLflow takes."""
    lines = "\n".join(documents).splitlines(keepends=True)
    kept, size = 0, len(CUT)
    while kept < len(lines) and (size := size + len(lines[kept])) <= MOST_NOTE:
        kept += 1
    return "".join(lines[:kept]) + (CUT if kept < len(lines) else "")


def _times(value: str) -> tuple[int, int]:
    """When the view of a tag was created and last saved; zero where the value is none of a view."""
    try:
        envelope = json.loads(value)
        return int(envelope["createdAt"]), int(envelope.get("updatedAt", envelope["createdAt"]))
    except (ValueError, TypeError, KeyError):
        return 0, 0
