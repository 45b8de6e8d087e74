import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from d3d.bench.plan.planning import Plan, Report
from d3d.bench.record.schema import write_plan
from d3d.bench.run.summary import describe
from d3d.bench.search.study_storage import FILE
from d3d.bench.search.tuned_rows import with_tuned_rows
from tests.bench.search.launches import Launches
from tests.systems import d3d_model


def plan_of(report: Report) -> dict[str, Any]:
    """Its plan.json."""
    written: dict[str, Any] = json.loads(write_plan(report.recorded))
    return written


def test_the_plan_tells_the_tables_what_the_search_came_to(launches: Callable[..., Launches]) -> None:
    launch = launches("seeds=2", trials=4)
    [before] = launch.planned().reports
    assert plan_of(before)["tuned"] == {
        "search": "search",
        "points": [],
        "studies": {
            row: {
                "study": f"two: {row}, smoke, synthetic, files, search",
                "trials": 0, "pruned": 0, "failed": 0, "epochs": 0, "validation_top1": None, "settings": None,
            }
            for row in ("narrow", "wide")
        },
    }  # fmt: skip
    said = describe(launch.planned(), {})
    assert "search search: 2 studies of 4 trials, 0 done, 8 to run: at most about" in said
    assert "then at most 4 trainings with the settings they find" in said
    done = launch.carry_out()
    [after] = done.reports
    assert after.id == before.id
    assert after.id != launch.planned("search.trials=5").reports[0].id != launch.planned("search.name=b").reports[0].id
    tuned = plan_of(after)["tuned"]
    assert [(point["row"], point["seed"]) for point in tuned["points"]] == [
        ("narrow", 0), ("wide", 0), ("narrow", 1), ("wide", 1),
    ]  # fmt: skip
    cells = {cell.id: cell for cell in done.cells}
    for point in tuned["points"]:
        study, config = tuned["studies"][point["row"]], cells[point["cell"]].config
        assert study["settings"] == {
            "training.learning_rate": config.training.learning_rate,
            "model.norm": d3d_model(config).norm,
        }
        assert (config.data.split, config.seed) == ("test", point["seed"])
        assert d3d_model(config).temporal_window == point["axes"]["model.temporal_window"]
        assert done.tags_of(point["cell"]) == {"ablation.two": "true", "tuned": study["study"]}
        assert 0 < study["validation_top1"] < 100
    assert plan_of(launch.planned("search.trials=5").reports[0])["tuned"]["points"] == [], "it is not over yet"


def test_without_a_search_nothing_is_tuned(plan: Callable[..., Plan], tmp_path: Path) -> None:
    [report] = with_tuned_rows(plan("ablation=modules")).reports
    assert report.recorded.tuned is None
    assert not (tmp_path / FILE).exists()
