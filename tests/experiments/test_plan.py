import json
from collections.abc import Callable

import pytest

from d3d.data.clip import Dataset
from d3d.errors import DataError
from experiments.plan import Plan


def test_the_grid_of_25_points_is_16_trainings(plan: Callable[..., Plan]) -> None:
    grid = plan("ablation=stride_grid")
    assert len(grid.points) == 25
    assert len(grid.cells) == len({cell.id for cell in grid.cells}) == 16
    assert {point.cell for point in grid.points} == {cell.id for cell in grid.cells}


def test_each_seed_has_its_own_cells(plan: Callable[..., Plan]) -> None:
    grid = plan("ablation=stride_grid", "seeds=[0,5]")
    assert (len(grid.points), len(grid.cells)) == (50, 32)
    assert {cell.config.seed for cell in grid.cells} == {0, 5}
    assert grid.cells[0].label == "temporal window 4, temporal stride 1, seed 0"


def test_what_depends_on_the_data_is_the_datasets(plan: Callable[..., Plan], dataset: Dataset) -> None:
    model = plan("ablation=full").cells[0].config.model
    assert (model.classes, model.joints) == (len(dataset.classes), len(dataset.joint_names))


def test_cells_do_not_depend_on_the_order_of_arguments(plan: Callable[..., Plan]) -> None:
    arguments = ["ablation=stride_grid", "training.epochs=3", "model.width=8", "seeds=2"]
    first, second = plan(*arguments), plan(*reversed(arguments))
    assert [cell.id for cell in first.cells] == [cell.id for cell in second.cells]
    assert first.id == second.id


def test_a_launch_is_another_one_where_its_cells_are(plan: Callable[..., Plan]) -> None:
    asked = ["ablation=stride_grid", "ablation=full", "ablation=full seeds=2", "ablation=full training.epochs=3"]
    assert len({plan(*arguments.split()).id for arguments in asked}) == len(asked)


def test_cells_that_other_ablations_ask_for_are_counted(plan: Callable[..., Plan]) -> None:
    assert plan("ablation=stride_grid").shared == {"full": 1}
    assert plan("ablation=full", "seeds=2").shared == {"stride_grid": 2}
    assert plan("ablation=full", "model.temporal_window=5").shared == {}


def test_plan_json_holds_the_points_as_asked_for(plan: Callable[..., Plan]) -> None:
    grid = plan("ablation=stride_grid", "data.flip=false")
    written = json.loads(json.dumps(grid.as_json()))
    assert written["points"][-1]["axes"] == {"model.temporal_window": 10, "model.temporal_stride": 10}
    assert written["points"][-1]["cell"] == written["points"][-2]["cell"], "strides 8 and 10 are one training"
    assert written["artefact"] == "figure7a"
    assert written["frames"] == 12
    assert written["command"].startswith("python orchestrate.py preset=smoke ablation=stride_grid data.flip=false")


def test_more_frames_than_the_clips_have_are_refused(plan: Callable[..., Plan]) -> None:
    assert plan("ablation=full", "training.frames=18").cells
    with pytest.raises(DataError, match=r"training\.frames=19"):
        plan("ablation=full", "training.frames=19")
