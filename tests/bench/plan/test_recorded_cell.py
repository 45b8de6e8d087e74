from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from d3d.bench.plan.cell import Cell
from d3d.bench.plan.planning import Plan
from d3d.bench.plan.recorded_cell import RecordedCells
from d3d.bench.record.tracking import Record
from d3d.config import DataConfig
from d3d.data.clip import Dataset
from d3d.errors import D3DError
from d3d.prediction import Prediction

TAGS = {"code_digest": "c0de"}


@pytest.fixture
def cells(
    plan: Callable[..., Plan], record: Record, tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> RecordedCells:
    """Cells of a record, on a dataset whose folds have digests of their own."""

    def open_dataset(data: DataConfig, generated: Path) -> Dataset:
        return replace(dataset, digest=f"da7a{'' if data.fold is None else data.fold}")

    for module in ("planning", "recorded_cell"):
        monkeypatch.setattr(f"d3d.bench.plan.{module}.open_dataset", open_dataset)
    monkeypatch.setattr("d3d.bench.plan.planning.ablations", dict)  # what others share takes a second to count
    return RecordedCells(record, tmp_path, {})


def finish(record: Record, cells: Sequence[Cell]) -> None:
    for cell in cells:
        run = record.begin(cell, TAGS)
        run.finish([Prediction("0001", 1, 1)]) if cell.kind.predicts else run.end({"reconstruction_loss": 1.0})


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("training", ["ablation=full", "model=stgcn", "augmentation.zoom=1e-1", "seeds=[7]"]),
        ("training", ["ablation=cast_directions"]),
        ("test", ["ablation=test_frames"]),
        ("fusion", ["ablation=cast_exchange"]),
        ("baseline", ["ablation=baselines"]),
        ("folds", ["ablation=full", "data.split=validation", "data.fold=[0,2]"]),
    ],
)
def test_a_recorded_cell_is_planned_as_it_was(
    kind: str, arguments: list[str], cells: RecordedCells, plan: Callable[..., Plan]
) -> None:
    planned = [cell for cell in plan(*arguments).cells if cell.kind_name == kind][-1]
    finish(cells.record, list(planned.with_needs))
    assert cells.cell(planned.id) == planned
    assert cells.cell(planned.id).row == planned.row


def test_what_cannot_be_planned_as_it_was_is_refused_with_what_to_do(
    cells: RecordedCells, plan: Callable[..., Plan], record: Record
) -> None:
    first, second, third = plan("ablation=full", "seeds=3").cells
    for id in (first.id, "x' or 1"):
        with pytest.raises(D3DError, match=r"has no such cell. The CSVs in tables/"):
            cells.cell(id)
    record.begin(first, TAGS)
    with pytest.raises(D3DError, match=r"is not finished; `status` says how to go on"):
        cells.cell(first.id)
    with pytest.raises(D3DError, match=f"did you mean {first.id}"):
        cells.cell(f"{first.id[:-1]}g")
    finish(record, [first, second, third])
    runs = record.finished([first.id, second.id, third.id])
    record.client.set_tag(runs[first.id].info.run_id, "data_digest", "0the4")
    with pytest.raises(D3DError, match=r"its data are others now: digest da7a, recorded 0the4; name the recorded ones"):
        cells.cell(first.id)
    record.client.set_tag(runs[second.id].info.run_id, "cell", "0" * 16)
    with pytest.raises(D3DError, match=rf"another computation in this one \({second.id}\)"):
        cells.cell("0" * 16)
    record.client.log_param(runs[third.id].info.run_id, "model.forgotten", "1")
    with pytest.raises(D3DError, match=r"cannot read its parameters \('model.forgotten'\); run it with the version"):
        cells.cell(third.id)


def test_code_of_a_users_own_is_imported_only_where_it_is_named(
    cells: RecordedCells, plan: Callable[..., Plan], record: Record
) -> None:
    [cell] = plan("ablation=full").cells
    own = replace(cell, config=replace(cell.config, model=replace(cell.config.model, system="os:system")))
    finish(record, [own])
    with pytest.raises(D3DError, match=r"code of a user's own; to import and run it add model.system=os:system"):
        cells.cell(cell.id)
