import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from d3d.attention_maps import NUMBERS, write_numbers
from d3d.bench.record.provenance import current_code
from d3d.bench.record.schema import EXPERIMENT, Tag, clips_tested
from d3d.errors import RecordError
from d3d.report.record import Record, folder_of
from d3d.report.rows import rows_of
from d3d.worst_clips import CAPTION, SIDE, write_pictures
from tests.report.fake_record import CLIPS, COMMAND, FakeRecord, asking, cell_of, point, tuned, wait_a_millisecond

TODAY = current_code()["training of d3d"].digest


def test_no_record_is_an_error_and_makes_none(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"mlflow\.db: there is no record.*storage="):
        Record(tmp_path / "results")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("content", "said"), [(b"", "there is no record"), (b"not a database" * 99, "not a database")])
def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "mlflow.db"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=said):
        Record(tmp_path)
    assert path.read_bytes() == content


def test_a_database_that_cannot_be_read_is_said_in_a_line(tmp_path: Path) -> None:
    content = b"SQLite format 3\0" + bytes(range(256)) * 40
    (tmp_path / "mlflow.db").write_bytes(content)
    with pytest.raises(RecordError, match=r"mlflow\.db: .*database.*name another record") as error:
        Record(tmp_path)
    assert "\n" not in str(error.value)
    assert (tmp_path / "mlflow.db").read_bytes() == content


def test_reading_a_record_leaves_the_locks_of_a_launch_in_the_same_process_as_they_are(record: FakeRecord) -> None:
    """Without them another process takes itself for the last one, and removes what the launch has written."""
    record.plan("1a")
    path = record.storage / "mlflow.db"
    with closing(sqlite3.connect(path)) as launch:
        launch.execute("PRAGMA journal_mode=WAL")
        launch.execute("create table written (number)")
        launch.commit()
        Record(record.storage)
        other = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('select * from written'); c.close()"
        subprocess.run([sys.executable, "-c", other, str(path)], check=True)
        assert path.with_name("mlflow.db-wal").exists()
        launch.execute("insert into written values (1)")
        launch.commit()
    subprocess.run([sys.executable, "-c", other, str(path)], check=True)
    with closing(sqlite3.connect(path)) as later:
        assert later.execute("select number from written").fetchall() == [(1,)]


def test_a_database_without_the_experiment(empty_database: Path) -> None:
    with pytest.raises(RecordError, match=EXPERIMENT):
        Record(empty_database.parent)


def test_a_tracking_uri_stands_for_the_storage_folder(record: FakeRecord, tmp_path: Path) -> None:
    record.plan("1a")
    elsewhere = Record(tmp_path / "nothing here", f"sqlite:///{record.storage / 'mlflow.db'}")
    assert elsewhere.launches()[0].id == "1a"


def test_a_launch_is_its_plan(record: FakeRecord) -> None:
    record.plan("1a", [(8, 4), (8, 5)], seeds=2)
    (launch,) = Record(record.storage).launches()
    assert (launch.id, launch.preset, launch.frames, launch.command) == ("1a", "quick", 12, COMMAND)
    assert [point.seed for point in launch.points] == [0, 1, 0, 1]
    assert launch.points[0].axes == {"model.temporal_window": 8, "model.temporal_stride": 4}
    assert launch.cells == (cell_of(8, 4, 0), cell_of(8, 4, 1))  # strides 4 and 5 are one computation


def test_the_newest_launch_is_the_one_run_last(record: FakeRecord) -> None:
    first = record.plan("1a")
    wait_a_millisecond()
    record.plan("2b")
    assert Record(record.storage).launches()[0].id == "2b"
    wait_a_millisecond()
    record.client.set_terminated(first)  # its command was run again
    assert Record(record.storage).launches()[0].id == "1a"


def test_the_newest_of_each_ablation_and_data_counts(record: FakeRecord) -> None:
    launches: dict[str, dict[str, Any]] = {
        "1a": {},
        "2b": {"data": "penn_action, rendered"},
        "3c": {"ablation": "modules", "artefacts": ["table4"]},
        "4d": {},
    }
    for launch, changes in launches.items():
        record.plan(launch, [(4, 2)], **changes)
        wait_a_millisecond()
    assert [launch.id for launch in Record(record.storage).launches()] == ["4d", "3c", "2b"]


@pytest.mark.parametrize("said", [True, False])
def test_launches_on_different_splits_do_not_hide_each_other(record: FakeRecord, said: bool) -> None:
    """Not in old records either, whose plans do not say the split: the parameters of their cells do."""
    record.finish("c1")
    run = record.finish("c2", status="KILLED")
    record.client.log_param(run, "data.split", "validation")
    splits = {"1a": "test", "2b": "validation"}
    names = {"1a": "synthetic, files", "2b": "synthetic, files, validation split"}
    for launch, cell in (("1a", "c1"), ("2b", "c2")):
        plan = {"data": names[launch], "split": splits[launch]} if said else {"data": "synthetic, files"}
        record.launch([point("a", "gone"), point("b", cell)], launch, **plan)
        wait_a_millisecond()
    found = Record(record.storage).launches()
    assert [(each.id, each.split, each.data) for each in found] == [
        ("2b", "validation", names["2b"]),
        ("1a", "test", names["1a"]),
    ]


def test_a_launch_by_name(record: FakeRecord) -> None:
    record.plan("1a")
    record.plan("2b")
    assert [launch.id for launch in Record(record.storage).launches("1a")] == ["1a"]
    with pytest.raises(RecordError, match=r"launch=3c: not in .*(1a, 2b|2b, 1a)"):
        Record(record.storage).launches("3c")


def test_a_plan_that_is_not_one_is_left_out_unless_it_is_asked_for(record: FakeRecord) -> None:
    record.plan("0f")
    wait_a_millisecond()
    run = record.plan("1a", frames="twelve")
    wait_a_millisecond()
    record.launch([], "2b")
    read = Record(record.storage)
    assert [launch.id for launch in read.launches()] == ["2b", "0f"], "the last that can be read counts"
    assert read.skipped.keys() == {run}
    assert f"{run} of 1a: plan.json, frames" in read.skipped[run]
    with pytest.raises(RecordError, match=r"1a: plan\.json, frames"):
        read.launches("1a")


def test_a_plan_that_is_gone_is_left_out(record: FakeRecord) -> None:
    record.plan("1a")
    next(record.storage.rglob("plan.json")).unlink()
    read = Record(record.storage)
    assert read.launches() == ()
    assert "plan.json cannot be read" in "".join(read.skipped.values())


def test_a_launchs_folder_is_its_own_and_can_be_made(record: FakeRecord) -> None:
    launch = replace(asking("c1"), ablation="../x y", data="pyskl, Übung/1, files", id="1a")
    assert folder_of(launch) == "..-x-y-quick-pyskl-bung-1-files-1a"
    assert folder_of(replace(launch, id="2b")) != folder_of(launch)
    long = folder_of(replace(launch, data="d" * 1000))
    assert len(long) < 255 and long.endswith("-1a")


def test_a_plan_with_a_search(record: FakeRecord) -> None:
    record.launch([point("a", "c1")], "1a", tuned=tuned([point("a", "t1"), point("b", "c1")], a={}))
    (launch,) = Record(record.storage).launches()
    assert launch.tuned is not None
    assert launch.tuned.studies["a"].settings == {"training.learning_rate": 0.00312345, "model.depth": 2}
    assert launch.cells == ("c1", "t1")


def test_a_finished_cell(record: FakeRecord) -> None:
    run = record.finish("c1", 0.75)
    cell = Record(record.storage).cells(asking("c1", "c2"))["c1"]
    assert (cell.run_id, cell.metric("top1"), cell.code_digest, cell.finished_runs) == (run, 0.75, TODAY, 1)
    assert cell.params["training.epochs"] == "20"
    assert (sum(cell.correct.values()), len(cell.correct)) == (90, CLIPS)


@pytest.mark.parametrize("status", ["FAILED", "KILLED", "RUNNING"])
def test_only_a_finished_run_counts(record: FakeRecord, status: str) -> None:
    record.finish("c1", status=status)
    assert Record(record.storage).cells(asking("c1")) == {}


def test_a_top1_that_its_predictions_contradict(record: FakeRecord) -> None:
    run = record.finish("c1", 0.75)
    record.client.log_metric(run, "top1", 0.8)
    with pytest.raises(RecordError, match=rf"{run} of c1.*0\.8000.*90 of {CLIPS}"):
        _ = Record(record.storage).cells(asking("c1"))["c1"].correct


@pytest.mark.parametrize(
    "text",
    [
        "clip,label,predicted\n",
        "clip,label,predicted\n0001,1\n",
        "clip,label\n0001,1\n",
        "clip,label,predicted\n0001,1,1\n0001,1,1\n",
    ],
)
def test_predictions_that_are_none(record: FakeRecord, text: str) -> None:
    run = record.finish("c1")
    record.file(run, "predictions.csv").write_text(text)
    with pytest.raises(RecordError, match=rf"{run} of c1: predictions\.csv"):
        _ = Record(record.storage).cells(asking("c1"))["c1"].predictions


def test_predictions_that_are_gone(record: FakeRecord) -> None:
    run = record.finish("c1")
    next(record.storage.rglob("predictions.csv")).unlink()
    with pytest.raises(RecordError, match=rf"{run} of c1: predictions\.csv cannot be read"):
        _ = Record(record.storage).cells(asking("c1"))["c1"].predictions


def test_a_finished_run_without_its_result(record: FakeRecord) -> None:
    run = record.finish("c1", metrics={"flops": 1.0})
    cell = Record(record.storage).cells(asking("c1"))["c1"]
    with pytest.raises(RecordError, match=rf"{run} of c1: top1 is not recorded"):
        cell.metric("top1")


def test_a_cell_run_that_does_not_say_its_code(record: FakeRecord) -> None:
    run = record.finish("c1")
    record.client.delete_tag(run, "code_digest")
    with pytest.raises(RecordError, match=rf"{run} of c1: code_digest is not recorded"):
        Record(record.storage).cells(asking("c1"))


@pytest.mark.parametrize("others", [0, 12])
def test_a_cell_is_found_by_its_ablation_or_by_its_id(record: FakeRecord, others: int) -> None:
    """By the ablation's tag in one query; one by one where the tag is on more runs than that pays for."""
    for index in range(others):
        record.finish(f"other{index}", serves="depth")
    record.finish("c1", 0.5, serves="depth")
    record.finish("c2", 0.6, serves="tokens")
    cells = Record(record.storage).cells(replace(asking("c1"), ablation="depth"))
    assert list(cells) == ["c1"]
    both = Record(record.storage).cells(replace(asking("c1", "c2", "c3"), ablation="depth"))
    assert {id: cell.metric("top1") for id, cell in both.items()} == {"c1": 0.5, "c2": 0.6}


def test_reading_changes_nothing(record: FakeRecord) -> None:
    record.plan("1a")
    record.finish("c1")
    before = (record.storage / "mlflow.db").read_bytes()
    read = Record(record.storage)
    assert read.launches()
    assert read.cells(asking("c1"))["c1"].correct
    assert (record.storage / "mlflow.db").read_bytes() == before


def test_predictions_for_a_part_of_the_clips_are_refused_though_their_top1_is_right(record: FakeRecord) -> None:
    whole = record.finish("c1", right=range(0, CLIPS, 2))
    lines = record.file(whole, "predictions.csv").read_text().splitlines(keepends=True)
    tested = clips_tested(Record(record.storage).cells(asking("c1"))["c1"].predictions)
    record.client.set_tag(whole, Tag.TESTED, tested)
    assert len(Record(record.storage).cells(asking("c1"))["c1"].correct) == CLIPS
    record.file(whole, "predictions.csv").write_text("".join(lines[: 1 + CLIPS // 2]))
    with pytest.raises(RecordError, match=f"has {CLIPS // 2} clips, .*was tested on {CLIPS} clips, "):
        _ = Record(record.storage).cells(asking("c1"))["c1"].correct
    record.client.delete_tag(whole, Tag.TESTED)
    assert len(Record(record.storage).cells(asking("c1"))["c1"].correct) == CLIPS // 2, "an older record"


def test_joined_folds_name_their_cells_and_the_fold_of_each_clip(record: FakeRecord) -> None:
    folds = [f"{number:016x}" for number in (1, 2)]
    for id in folds:
        record.finish(id, 0.5, clips=4)
    record.finish("a", folds="+".join(folds), trained="+".join(folds), clips=2, right=[0])
    record.launch([point("full", "a")], "1a")
    opened = Record(record.storage)
    [launch] = opened.launches()
    [joined] = opened.cells(launch).values()
    assert (joined.kind, joined.folds, joined.weights) == ("folds", tuple(folds), "+".join(folds))
    assert [fold.id for fold in opened.each_fold(joined)] == folds
    assert opened.each_fold(opened.each_fold(joined)[0]) == opened.each_fold(joined)[:1], "a fold has none"
    with pytest.raises(RecordError, match="0000: names no fold"):
        _ = joined.predictions
    predictions = record.file(joined.run_id, "predictions.csv")
    predictions.write_text("clip,label,predicted,take\nfold 1: a,0,0,a\nfold 2: a,0,1,a\n")
    assert rows_of(launch, opened.cells(launch), False)[0].of_folds == {1: 100, 2: 0}
    numbers = {"a": dict.fromkeys(NUMBERS, 0.5)}
    for fold in opened.each_fold(joined):
        record.file(fold.run_id, "attention.csv").write_text(write_numbers(numbers))
    assert opened.attention(joined) == {"fold 1: a": numbers["a"], "fold 2: a": numbers["a"]}
    assert opened.pictures(joined) == {}, "none were kept"
    picture = {"a": Image.new("RGB", (SIDE, SIDE + CAPTION))}
    record.file(opened.each_fold(joined)[1].run_id, "worst_clips.jpg").write_bytes(write_pictures(picture))
    assert list(opened.pictures(joined)) == ["fold 2: a"]
    record.file(opened.each_fold(joined)[1].run_id, "worst_clips.jpg").write_bytes(b"")
    with pytest.raises(RecordError, match=rf"of {folds[1]}: worst_clips\.jpg: "):
        opened.pictures(joined)
