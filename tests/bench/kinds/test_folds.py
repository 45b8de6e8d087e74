from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from d3d.bench.kinds.registry import BASELINE, FOLDS, FUSION, TEST, TRAINING
from d3d.bench.plan.cell import Cell
from d3d.bench.plan.planning import Plan, make_plan
from d3d.bench.record.provenance import current_code, kind_of
from d3d.bench.record.tracking import Record
from d3d.bench.run.worker import Job, run_cell
from d3d.config import DataConfig
from d3d.data.clip import Dataset
from d3d.errors import ConfigError, DataError
from d3d.prediction import Prediction
from tests.bench.conftest import finished_in, launch_of

THREE = ("data=pyskl", "data.annotations=a.pkl", "data.splits=[train*,test*]", "data.fold=[3,1,2]")
FIRST = (*THREE[:3], "data.fold=1")

ROWS = """
title: t
section: s
command: c
cost: c
rows:
- label: full
- label: at 4 frames
  settings: {evaluation.frames: 4}
- label: fused
  fuse: [full, at 4 frames]
- label: ridge
  settings: {baseline.method: ridge}
"""


@pytest.fixture
def mine(tmp_path: Path) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(ROWS)
    return f"ablation={path}"


@pytest.fixture
def planned(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Plan]:
    """Plans the launch of a command line on a dataset whose digest is that of the fold, beside no other ablations."""

    def opened(config: DataConfig, cache: Path) -> Dataset:
        return replace(dataset, name=config.name, digest=f"{config.splits[1]} {config.folds or ''}")

    monkeypatch.setattr("d3d.bench.plan.planning.open_dataset", opened)
    monkeypatch.setattr("d3d.bench.plan.planning.ablations", dict)  # which takes most of the time of a plan
    return lambda *arguments: make_plan(launch_of(tmp_path, *arguments))


def of(plan: Plan, row: str, seed: int = 0) -> Cell:
    """The cell that has the result of a row."""
    [report] = plan.reports
    [id] = [point.cell for point in report.points if (point.row, point.seed) == (row, seed)]
    return next(cell for cell in plan.cells if cell.id == id)


def test_a_row_has_one_result_a_seed_from_a_cell_of_each_fold(planned: Callable[..., Plan]) -> None:
    plan = planned("ablation=full", "seeds=2", *THREE)
    assert [cell.kind for cell in plan.cells] == [TRAINING] * 6 + [FOLDS] * 2
    digests = [f"test{fold} " for fold in (1, 2, 3) for _ in range(2)]
    assert [cell.data_digest for cell in plan.cells[:6]] == digests, "one dataset after the other"
    joined = of(plan, "full model", 1)
    assert joined.label == "full: full model, seed 1"
    assert [need.label for need in joined.needs] == [f"full: full model, fold {fold}, seed 1" for fold in (1, 2, 3)]
    assert [need.config.data.splits for need in joined.needs] == [(f"train{n}", f"test{n}") for n in (1, 2, 3)]
    [report] = plan.reports
    assert report.reference == "full model"
    assert report.recorded.folds == (1, 2, 3)
    assert report.recorded.data == "pyskl, a, test, files, folds 1, 2, 3"
    again = planned("ablation=full", "seeds=2", *THREE[:3], "data.fold=[1,2,3]")
    assert {cell.id for cell in again.cells} == {cell.id for cell in plan.cells}, "folds have no order"


def test_a_fold_is_the_same_cell_in_every_launch(planned: Callable[..., Plan], mine: str) -> None:
    plan, first, named = (planned(mine, *data) for data in (THREE, FIRST, (*THREE[:2], "data.splits=[train1,test1]")))
    assert {cell.id for cell in first.cells} == {cell.id for cell in named.cells} < {cell.id for cell in plan.cells}
    assert [cell.config for cell in first.cells] == [cell.config for cell in named.cells], "so is its checkpoint"
    assert first.launch.data == named.launch.data == "pyskl, a, test1, files"
    assert FOLDS not in {cell.kind for cell in first.cells}
    assert first.reports[0].recorded.folds == ()


def test_every_kind_of_row_is_joined_over_its_folds(planned: Callable[..., Plan], mine: str) -> None:
    plan = planned(mine, "seeds=2", *THREE)
    kinds = {"full": TRAINING, "at 4 frames": TEST, "fused": FUSION, "ridge": BASELINE}
    for row, kind in kinds.items():
        joined = of(plan, row)
        assert joined.kind is FOLDS and {need.kind for need in joined.needs} == {kind}
        assert plan.cells.index(joined) > max(plan.cells.index(need) for need in joined.needs)
    trainings = of(plan, "full").needs
    assert [test.needs[0].id for test in of(plan, "at 4 frames").needs] == [each.id for each in trainings]
    assert [fusion.needs[0].id for fusion in of(plan, "fused").needs] == [each.id for each in trainings]
    assert of(plan, "ridge").label == "mine: ridge", "it has no seeds"
    tags = [of(plan, row).kind.tags(of(plan, row)) for row in ("full", "at 4 frames")]
    assert tags[0]["trained"] == tags[1]["trained"] == "+".join(each.id for each in trainings), "seeds are paired"
    assert tags[0]["folds"] != tags[1]["folds"]
    assert {kind_of(each) for each in tags} == {"folds"}


def test_the_training_clips_have_folds_too(planned: Callable[..., Plan]) -> None:
    plan = planned("ablation=full", "data.split=validation", "data.fold=[1,2]")
    joined = of(plan, "full model")
    assert [need.config.data.fold for need in joined.needs] == [1, 2]
    assert plan.launch.data == "synthetic, files, folds 1, 2, validation split"


def test_measurements_have_no_folds(planned: Callable[..., Plan]) -> None:
    once, folds = planned("ablation=complexity"), planned("ablation=complexity", *THREE)
    assert [cell.id for cell in folds.cells] == [cell.id for cell in once.cells]


def test_a_search_is_of_one_fold(planned: Callable[..., Plan]) -> None:
    asked = ("ablation=full", "search=nearby")
    with pytest.raises(ConfigError, match=r"search=nearby: data.fold=\[1, 2, 3\]: .* name one fold, data.fold=1$"):
        planned(*asked, *THREE)
    ids = [[study.id for study in planned(*asked, *THREE[:3], f"data.fold={n}").studies] for n in (1, [1], 2)]
    assert ids[0] == ids[1] != ids[2]


def test_folds_of_other_classes_are_refused(
    planned: Callable[..., Plan], dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(config: DataConfig, cache: Path) -> Dataset:
        return replace(dataset, classes=dataset.classes[: 14 + (config.splits[0] == "train1")])

    monkeypatch.setattr("d3d.bench.plan.planning.open_dataset", opened)
    with pytest.raises(DataError, match=r"fold 1 has 15, fold 2 has 14, fold 3 has 14 .*; name .* data.classes=15"):
        planned("ablation=full", *THREE)


def test_what_several_folds_say_of_a_clip_is_of_one_take(
    planned: Callable[..., Plan], record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, Any]] = []
    monkeypatch.setattr("ray.tune.report", told.append)
    plan = planned("ablation=full", *THREE)
    *trainings, joined = plan.cells
    said = [
        [Prediction("a", 0, 0, "film", (0.75, 0.25)), Prediction("b", 1, 0, "", (0.5, 0.25))],
        [Prediction("b", 1, 1, "", (0.25, 0.5))],
        [Prediction("c", 1, 1, "film", (0.25, 0.5)), Prediction("a", 0, 0, "film", (0.5, 0.25))],
    ]
    code = current_code()["training of d3d"].digest
    for cell, predictions, moved in zip(trainings, said, (1.0, 2.0, 6.0), strict=True):
        tags = {"code_digest": code, "environment.torch": "2"}
        record.begin(cell, tags).finish(predictions, {"moved_t": moved, "alpha": moved})
    own = {"code_digest": current_code()["folds"].digest, "environment.torch": "2"}
    job = Job({joined.id: joined}, {joined.id: own}, record.uri, plan.launch.storage, 1, gpu=False, test_every=1)
    run_cell({"cell": joined.id}, job)
    assert told == [{"top1": 0.8}], "over all five tests"
    expected = [
        ("fold 1: a", "film"),
        ("fold 1: b", "b"),
        ("fold 2: b", "b"),
        ("fold 3: c", "film"),
        ("fold 3: a", "film"),
    ]
    found = record.predictions(joined.id)
    assert [(each.clip, each.take) for each in found] == expected
    assert found[2].probabilities == (0.25, 0.5), "kept, so that it can be fused"
    run = finished_in(record)[joined.id]
    assert (run.data.metrics["top1"], run.data.metrics["moved_t"]) == (0.8, 3.0)
    assert "alpha" not in run.data.metrics, "a mean of what was chosen is nothing that was chosen"
    assert run.data.params["data.fold"] == "(3, 1, 2)"
    assert current_code()["folds"].made(run.data.tags["code_digest"]), "of current code, like its folds"
