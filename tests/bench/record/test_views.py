import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient

from d3d.bench.plan.planning import Plan
from d3d.bench.record.pages import first_view
from d3d.bench.record.tracking import Record
from d3d.bench.record.views import NOTE, PREFIX, SHARED, newest_view, note_of, views_of
from tests.report.fake_record import new_record

KEYS = ["model.joint_attention", "model.temporal_attention"]
BUNDLE = Path(mlflow.__file__).parent / "server" / "js" / "build" / "static" / "js"


def test_the_installed_page_knows_all_that_a_view_says() -> None:
    scripts = "".join(path.read_text("utf-8") for path in BUNDLE.glob("*.js"))
    known = {f'"{PREFIX}"', f'"{SHARED}"', "createdAt", "updatedAt", "groupByKeys", "groupByData", "aggregateFunction"}
    states = {f'"{key}"' for view in views_of("modules", "quick", "synthetic", KEYS) for key in view.state}
    assert [each for each in sorted(known | states) if each not in scripts] == []


def test_a_view_finds_the_cells_of_its_ablation_alone(empty_database: Path, tmp_path: Path) -> None:
    record = new_record(empty_database, tmp_path / "results")
    own: dict[str, Any] = {
        "preset": "quick",
        "data": "synthetic, files",
        "ablation.modules": "true",
        "row": "modules: full",
    }
    wanted = {record.finish("c1", **own), record.finish("c2", **own)}
    for change in ({"preset": "small"}, {"data": "penn_action, rendered"}, {"kind": "report"}):
        record.finish("c3", **{**own, **change})
    record.finish("c4", **{key: value for key, value in own.items() if not key.startswith("ablation")})
    for view in views_of("modules", "quick", "synthetic, files", KEYS):
        found = record.client.search_runs([record.experiment], view.state["searchFilter"])
        assert {run.info.run_id for run in found} == wanted


def test_the_keys_that_an_ablation_varies_are_columns() -> None:
    cells, means = views_of("modules", "quick", "synthetic", KEYS)
    columns = ["metrics.`top1`", "tags.`row`", "tags.`seed`", *(f"params.`{key}`" for key in KEYS)]
    assert cells.state["selectedColumns"] == means.state["selectedColumns"] == columns
    assert means.state["groupBy"]["groupByKeys"] == [{"mode": "tag", "groupByData": "row"}]
    assert "groupBy" not in cells.state


@pytest.mark.parametrize("name", ["Übung", "n" * 200])
def test_any_ablation_has_tags_that_mlflow_takes(name: str) -> None:
    other = views_of(f"{name}2", "quick", "synthetic", KEYS)
    views = views_of(name, "quick", "d" * 255, [f"model.{number:050}" for number in range(200)])
    assert len({view.tag for view in (*views, *other)}) == 4
    assert all(len(view.tag) <= 250 and len(view.value(10**13, None)) <= 5000 for view in views)


def test_a_view_that_is_saved_again_keeps_when_it_was_created() -> None:
    view, _ = views_of("modules", "quick", "synthetic", KEYS)
    first = view.value(1000, None)
    again = json.loads(view.value(2000, first))
    assert (again["createdAt"], again["updatedAt"]) == (1000, 2000)
    assert json.loads(again["state"]) == view.state
    assert json.loads(view.value(3000, "not a view"))["createdAt"] == 3000


def test_the_page_begins_with_the_view_that_was_saved_last(empty_database: Path, tmp_path: Path) -> None:
    record = new_record(empty_database, tmp_path / "results")
    start = f"/#/experiments/{record.experiment}/runs?workflowType=machine_learning"
    assert first_view(record.storage) == start
    keys: dict[str, str] = {}
    for time, ablation in ((2000, "tokens"), (1000, "modules")):
        for view in views_of(ablation, "quick", "synthetic", KEYS):
            record.client.set_experiment_tag(record.experiment, view.tag, view.value(time, None))
            keys.setdefault(ablation, view.key)
    record.client.set_experiment_tag(record.experiment, f"{PREFIX}mine", json.dumps({"createdAt": 9000}))
    assert first_view(record.storage) == f"{start}&{SHARED}={keys['tokens']}"
    assert newest_view({f"{PREFIX}mine": "{}"}) is None


def test_the_note_of_a_launch_has_as_many_whole_lines_as_mlflow_takes() -> None:
    assert note_of([]) == "" and note_of(["# A table\n", "# Another\n"]) == "# A table\n\n# Another\n"
    lines = [f"| {number} | {'x' * 90} |\n" for number in range(200)]
    cut = note_of(["".join(lines)])
    assert len(cut) <= 8000 and cut.endswith("the whole is under `tables`")
    assert set(cut.splitlines(keepends=True)[:-2]) <= set(lines) and len(cut) > 7800


def test_a_launch_saves_the_views_of_its_ablations_and_a_note(
    plan: Callable[..., Plan], empty_database: Path, tmp_path: Path
) -> None:
    record = new_record(empty_database, tmp_path / "results")
    uri = f"sqlite:///{record.storage / 'mlflow.db'}"
    record.client.set_experiment_tag(record.experiment, "other", "kept")
    planned = plan("ablation=modules")
    with Record(uri).reports(planned):
        pass
    tags = MlflowClient(uri).get_experiment(record.experiment).tags
    views = views_of("modules", planned.launch.preset, planned.launch.data, planned.launch.ablations[0].axes)
    assert {view.tag for view in views} == {tag for tag in tags if tag.startswith(PREFIX)}
    assert "Saved views" in tags[NOTE] and tags["other"] == "kept"
