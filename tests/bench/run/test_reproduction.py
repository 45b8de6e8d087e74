from collections.abc import Callable, Mapping
from pathlib import Path
from shutil import copytree

import pytest
from mlflow.entities import Run
from rich.console import Console

from d3d.bench.plan.planning import Plan
from d3d.bench.record.tracking import Record, finished_cells, prepare
from d3d.bench.run.execute import Execution
from d3d.bench.run.progress import Ended
from d3d.command import main
from d3d.data.clip import Dataset
from d3d.prediction import Prediction

RIGHT = [Prediction("0001", 1, 1, probabilities=(0.25, 0.75)), Prediction("0002", 0, 0, probabilities=(0.5, 0.5))]
WRONG = [RIGHT[0], Prediction("0002", 0, 1, probabilities=(0.25, 0.75))]
RECORDED = {"code_digest": "c0de", "preset": "smoke", "device": "cpu", "environment.threads": "1"}


@pytest.fixture
def finds(monkeypatch: pytest.MonkeyPatch, dataset: Dataset) -> list[list[Prediction]]:
    """What the cells of launches predict, which take no time: the last of these."""
    predictions = [RIGHT]

    def execute(plan: Plan, finished: Mapping[str, Run], console: Console) -> Execution:
        record = prepare(plan.launch.tracking_uri, plan.launch.storage)
        with record.reports(plan):
            for cell in plan.unfinished(plan.counted(finished)):
                tags = {**RECORDED, "code_digest": plan.code_of(cell).digest, "environment.threads": "2"}
                record.begin(cell, tags).finish(predictions[-1])
        return Execution(plan, record, Ended(), finished_cells(plan))

    monkeypatch.setattr("d3d.bench.run.execute.execute", execute)
    monkeypatch.setattr("d3d.bench.plan.planning.ablations", dict)  # what others share takes a second to count
    monkeypatch.setattr("d3d.bench.plan.recorded_cell.open_dataset", lambda data, generated: dataset)
    monkeypatch.setattr("d3d.bench.plan.estimate.seconds_per_clip", lambda config, dataset, threads: 0.1)
    return predictions


def test_a_cell_is_run_anew_with_what_it_needs_and_compared(
    finds: list[list[Prediction]],
    plan: Callable[..., Plan],
    record: Record,
    empty_record: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    test = plan("ablation=test_frames").cells[-1]
    for cell in test.with_needs:
        record.begin(cell, RECORDED).finish(RIGHT)
    before = {run.info.run_id for run in record.cells()}
    asked = ["run", f"cell={test.id}", f"recorded.storage={tmp_path}"]
    assert main([*asked, "dry_run=true"]) == 0
    anew = tmp_path / "reproduced" / test.id
    assert not anew.exists()
    for folder in (anew, tmp_path / "elsewhere"):
        copytree(empty_record, folder)  # MLflow takes seconds to make its tables

    assert main(asked) == 0
    said = capsys.readouterr().out
    assert "1 to train, 1 to test" in said
    last = "the same: top-1 100.00 % and all 2 predictions, with the same probabilities to the last bit"
    assert said.splitlines()[-1] == last
    assert last in (anew / "logs" / "reproduction.log").read_text("utf-8")
    assert {run.info.run_id for run in record.cells()} == before
    assert len(Record(f"sqlite:///{anew / 'mlflow.db'}").cells()) == 2

    finds.append(WRONG)
    assert main([*asked, f"storage={tmp_path / 'elsewhere'}", "-q"]) == 1
    lines = capsys.readouterr().out.splitlines()
    place = lines.index("not the same: top-1 50.00 %, recorded 100.00 %; 1 of 2 predictions are others")
    assert [line.split()[0] for line in lines[place + 1 :]] == ["differs", "digest", "threads"]
    assert lines[-1].split() == ["threads", "1", "2"]


def test_what_cannot_be_compared_or_would_be_overwritten_is_refused_in_a_line(
    finds: list[list[Prediction]],
    plan: Callable[..., Plan],
    record: Record,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    measured = plan("ablation=complexity").cells[0]
    record.begin(measured, RECORDED).end({"seconds": 1.0})
    at = f"recorded.storage={tmp_path}"
    for arguments, words in (
        ([f"cell={measured.id}", at], "is a measurement and has no predictions to compare"),
        (["cell=c1", at], "has no such cell"),
        (["cell=c1", at, f"storage={tmp_path}"], "has the recorded cell, which is not overwritten"),
        (["cell=c1", f"recorded.storage={tmp_path / 'none'}"], "recorded.storage=DIR"),
        (["cell=c1", "ablation=full"], "ablation=full: unknown key"),
        (["cell="], "cell=: give it a value"),
    ):
        assert main(["run", *arguments]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ") and words in line
