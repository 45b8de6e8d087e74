"""What single records make of the tables."""

import shlex
import shutil
from typing import Any

import pandas as pd
import pytest

from d3d import report
from d3d.bench.database import sqlite_file
from d3d.bench.declare.compose import compose
from d3d.bench.record.provenance import current_code
from d3d.errors import RecordError
from d3d.report.published import Published, PublishedRow
from tests.bench.conftest import ODD
from tests.report.conftest import ENDS
from tests.report.fake_record import CLIPS, COMMAND, FakeRecord, cell_of, point, row_cell

pytestmark = pytest.mark.usefixtures("unrendered")


def read_csv(record: FakeRecord, name: str = "figure7a", launch: str = "*") -> pd.DataFrame:
    return pd.read_csv(record.made(f"{name}.csv", launch), dtype={"cells": str})


def test_numbers_have_two_decimals_and_counts_none(record: FakeRecord) -> None:
    record.finish(cell_of(4, 2), 0.75)
    record.plan(points=[(4, 2)])
    report.build(["figure7a"], record.storage)
    text = record.made("figure7a.csv").read_text()
    digest = current_code()["training of d3d"].digest
    made = f'quick,"synthetic, files",,1a,{digest}'
    assert text.splitlines()[1] == f"4,2,1,75.00,,66.56,81.89,120,{cell_of(4, 2)},{made}"


def test_a_missing_cell_is_empty_in_every_row_it_answers_and_named_once(record: FakeRecord) -> None:
    points = [(8, 3), (8, 4), (8, 5), (8, 8)]
    record.finish(cell_of(8, 3))
    record.plan(points=points)
    built = report.build(["figure7a"], record.storage)
    (line,) = built.missing
    assert line.startswith("temporal window 8, temporal stride 4 (and 2 more rows), seed 0")
    assert cell_of(8, 4) in line and line.endswith(f"{COMMAND} storage={record.storage}")
    frame = read_csv(record).set_index("stride")
    assert frame.top1_mean.isna().to_dict() == {3: False, 4: True, 5: True, 8: True}
    text = record.made("figure7a.md").read_text()
    assert "| 8 | 75.00 | — | — | — |" in text  # and no best, which the missing one may be
    assert f"To fill: `{COMMAND}`" in text


def test_a_grid_of_labels_that_have_verbs_has_a_grid_of_these_too(record: FakeRecord) -> None:
    record.finish(cell_of(4, 2), 0.5, verbs=0.75)
    record.plan(points=[(4, 2)])
    report.build(["figure7a"], record.storage)
    text = record.made("figure7a.md").read_text()
    assert "| window | stride 2 |" in text and "| 4 | **50.00** |" in text
    assert "| verb, window | stride 2 |" in text and "| 4 | 75.00 |" in text


def test_a_missing_seed_empties_its_row_unless_a_partial_table_is_asked_for(record: FakeRecord) -> None:
    record.finish(cell_of(4, 2, 0), 0.5)
    record.finish(cell_of(4, 2, 2), 0.6)
    record.plan(points=[(4, 2)], seeds=3)
    built = report.build(["figure7a"], record.storage)
    frame = read_csv(record)
    assert list(frame.seeds) == [2]
    assert frame[["top1_mean", "top1_low", "clips"]].isna().all(axis=None)
    partial = report.build(["figure7a"], record.storage, partial=True)
    (row,) = read_csv(record).itertuples()
    assert (row.seeds, row.top1_mean) == (2, 55.0)
    assert len(built.missing) == 1
    assert partial.missing == built.missing


def test_doubts_reach_the_reader(record: FakeRecord) -> None:
    record.finish(cell_of(4, 1))
    record.finish(cell_of(4, 2), code_digest="beef")
    record.plan(points=[(4, 1), (4, 2)])
    built = report.build(["figure7a"], record.storage)
    mixed, other = built.notes
    assert "beef" in mixed
    assert "1 of 2 cells were made by other code" in other
    assert all(note in record.made("figure7a.md").read_text() for note in built.notes)


def test_seeds_tested_on_different_clips_are_refused_and_nothing_is_written(record: FakeRecord) -> None:
    record.finish(cell_of(4, 2, 0))
    record.finish(cell_of(4, 2, 1), clips=60)
    record.plan(points=[(4, 2)], seeds=2)
    with pytest.raises(RecordError, match="different clips"):
        report.build(["figure7a"], record.storage)
    assert not (record.storage / "tables").exists()


def test_rows_tested_on_different_clips_have_no_p_value(record: FakeRecord) -> None:
    for seed in range(3):
        record.finish(f"a{seed}", clips=CLIPS)
        record.finish(f"b{seed}", clips=60)
    points = [point(row, f"{row}{seed}", seed) for row in "ab" for seed in range(3)]
    record.launch(points, reference="a", claims=["a > b"])
    report.build([], record.storage)
    assert read_csv(record, "depth").p_value.isna().all()
    assert (
        "| a > b | not tested | — | a 75.00; b 75.00 | a and b were tested on different clips |"
        in record.made("depth.md").read_text()
    )


def test_a_plan_without_the_figures_axes_is_refused(record: FakeRecord) -> None:
    record.launch([point("a", "c1", axes={"model.temporal_window": 4})], artefacts=["figure7a"])
    with pytest.raises(RecordError, match=r"launch=1a: model\.temporal_stride=None at row a"):
        report.build(["figure7a"], record.storage)


def test_parts_of_labels_have_columns_beside_what_is_published(
    record: FakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = {"full": PublishedRow("CAST", 72.5, verb=83.0), "late": PublishedRow("late fusion", 44.2)}
    monkeypatch.setattr("d3d.report.artefacts.measured_rows.published", lambda name: Published(rows=rows))
    for label, top1, verbs in (("full", 0.5, 0.75), ("late", 0.25, 0.5)):
        record.finish(row_cell(label), top1, verbs=verbs)
    points = [point(label, row_cell(label)) for label in (*rows, "unfinished")]
    record.launch(points, claims=["verb: full > late", "noun: full > late"])
    report.build([], record.storage)
    frame = read_csv(record, "depth").set_index("row")
    assert frame.verb_top1_mean.tolist()[:2] == [75.0, 50.0] and not any("noun" in name for name in frame.columns)
    assert frame.verb_published.isna().tolist() == [False, True, True] and frame.verb_published["full"] == 83.0
    text = record.made("depth.md").read_text()
    assert " | verb, published | verb |" in text and "| 83.0 | 75.00 |" in text and "|  | 50.00 |" in text
    assert "the data has no noun" in text and "of the verb chance is" in text
    assert "Verb: top-1 in percent of a part of the action" in text


def test_the_p_value_follows_the_numbers(record: FakeRecord) -> None:
    record.rows({"a": 0.9, "b": 0.5}, seeds=3)
    for launch, reference, claim in (("1a", "a", "a > b"), ("2b", "b", "b > a")):
        points = [point(row, row_cell(row, seed), seed) for row in "ab" for seed in range(3)]
        record.launch(points, launch, reference=reference, claims=[claim])
        report.build(["depth"], record.storage, launch=launch)
        frame = read_csv(record, "depth", launch).set_index("row")
        assert frame.loc[reference, ["to_reference", "to_reference_low", "p_value"]].isna().all()
        other = frame.drop(index=reference).iloc[0]
        assert other.p_value < 1e-6
        assert other.to_reference_low < other.to_reference < other.to_reference_high
        assert abs(other.to_reference) == 40
        text = record.made("depth.md", launch).read_text()
        assert f"| {claim} | {'holds' if claim == 'a > b' else 'fails'} |" in text


def test_a_key_that_a_row_does_not_set_is_what_its_cell_recorded(record: FakeRecord) -> None:
    run = record.finish("c1")
    recorded = {"model.norm": "post", "model.flip": False, "model.system": "stgcn", "model.weights": None}
    for key, value in recorded.items():
        record.client.log_param(run, key, value)
    settings = {"model.norm": "pre", "model.flip": True, "model": "cast", "model.weights": "x"}
    record.launch([point("a", "c1", axes={"model.joint_stride": None}), point("b", "c2", axes=settings)])
    report.build([], record.storage)
    header, finished, unfinished = record.made("depth.csv").read_text().splitlines()
    assert header.startswith("row,model.joint_stride,model.norm,model.flip,model,model.weights,seeds")
    assert finished.startswith("a,null,post,false,stgcn,null,1,")
    assert unfinished.startswith("b,,pre,true,cast,x,0,")


def test_an_artefact_that_no_file_can_be_named_as_is_refused(record: FakeRecord) -> None:
    record.launch([point("a", "c1")], artefacts=["../elsewhere"])
    with pytest.raises(RecordError, match=r"\.\./elsewhere: an artefact of the record"):
        report.build([], record.storage)


def test_an_artefact_whose_files_have_the_names_of_anothers_is_refused(record: FakeRecord) -> None:
    record.launch([point("a", "c1")], artefacts=["depth", "depth_tabular"])
    with pytest.raises(RecordError, match=r"depth_tabular: its files have the names of files of depth; launch it"):
        report.build([], record.storage)


def test_each_launch_has_a_folder_and_what_is_complete_a_copy_under_a_name_that_stays(record: FakeRecord) -> None:
    record.rows({"a": 0.9}, launch="1a", preset="small")
    record.rows({"a": 0.9, "b": 0.5}, launch="2b", data="pyskl, a/b, files")
    first = report.build([], record.storage, launch="1a")
    second = report.build([], record.storage)
    folder = record.storage / "tables"
    assert {path.parent for path in first.paths} == {folder / "depth-small-synthetic-files-1a"}
    assert {path.parent for path in second.paths} == {folder / "depth-quick-pyskl-a-b-files-2b"}
    assert first.latest == (), "it is not the newest"
    assert [path.name for path in second.latest] == [f"depth{end}" for end in ENDS]
    assert record.latest == {path.name: path.read_bytes() for path in second.paths}


@pytest.mark.parametrize("name", ["copy", *ODD])
def test_a_command_leads_to_where_the_record_is_and_a_document_nowhere(record: FakeRecord, name: str) -> None:
    places = f"'storage=\"{record.storage}\"' tracking.uri=http://ann:s3cret@host"
    record.rows({"full": None}, command=f"python orchestrate.py ablation=depth {places} model.norm=pre")
    copy = shutil.copytree(record.storage, record.storage.parent / name)
    (line,) = report.build(["depth"], copy).missing
    command = line.partition("; run: python orchestrate.py ")[2]
    launch = compose(["ablation=norm", *shlex.split(command)[2:]])
    assert launch.storage == copy
    assert sqlite_file(launch.tracking_uri) == copy / "mlflow.db"
    (text,) = (path.read_text() for path in copy.glob("tables/*/depth.md"))
    assert "To fill: `python orchestrate.py ablation=depth model.norm=pre`" in text
    assert str(record.storage) not in text
    assert "host" not in text


def test_a_launch_builds_its_own_tables_whatever_others_do_meanwhile(record: FakeRecord) -> None:
    """Another machine ran the same ablation with another preset, and ended later or has a clock that is ahead."""
    record.finish_grid()
    record.plan("1a", [(4, 1)])
    record.plan("2b", [(4, 2)], preset="small")
    theirs, own = (report.build(["figure7a"], record.storage, own=own) for own in ([], ["1a"]))
    assert "-2b" in theirs.paths[0].parent.name
    assert "-1a" in own.paths[0].parent.name
    assert record.latest["figure7a.csv"] == record.made("figure7a.csv", "1a").read_bytes()


def test_an_incomplete_artefact_replaces_no_complete_one(record: FakeRecord) -> None:
    record.rows({"a": 0.9}, launch="1a")
    assert report.build([], record.storage).missing == ()
    complete = record.latest
    record.rows({"a": 0.9, "b": None}, seeds=2, launch="2b")
    for partial in (False, True):
        built = report.build([], record.storage, partial=partial)
        assert built.missing and built.latest == ()
        assert {path.parent.name for path in built.paths} == {"depth-quick-synthetic-files-2b"}
        assert record.latest == complete


def test_what_lay_in_the_folder_before_there_were_others_stays(record: FakeRecord) -> None:
    (record.storage / "tables").mkdir()
    (record.storage / "tables" / "depth.csv").write_text("old")
    record.rows({"a": 0.9})
    report.build([], record.storage)
    assert (record.storage / "tables" / "depth.csv").read_text() == "old"


@pytest.mark.parametrize("artefact", ["table4", "table3"])
def test_a_validation_split_never_stands_in_for_the_test_clips(record: FakeRecord, artefact: str) -> None:
    """Its launch is the newest, but is built only where it is asked for."""
    data = "penn_action, rendered"
    plans: dict[str, dict[str, Any]] = {
        "1a": {"data": data, "split": "test"},
        "2b": {"data": f"{data}, validation split", "split": "validation"},
    }
    for launch, plan in plans.items():
        record.rows({f"{plan['split']} row": 0.5}, launch=launch, ablation="modules", artefacts=[artefact], **plan)
    usual = report.build([], record.storage)
    assert {path.parent.name for path in usual.paths} == {"modules-quick-penn_action-rendered-1a"}
    latest = record.latest
    assert latest == {path.name: path.read_bytes() for path in usual.paths}
    for asked in (
        report.build([], record.storage, launch="2b"),
        report.build([], record.storage, split="validation"),
    ):
        assert {path.parent.name for path in asked.paths} == {"modules-quick-penn_action-rendered-validation-split-2b"}
        assert asked.latest == () and record.latest == latest
    assert f"{CLIPS} test clips" in record.made(f"{artefact}.md", "1a").read_text()
    text = record.made(f"{artefact}.md", "2b").read_text()
    assert f"{CLIPS} validation clips" in text and "penn_action, rendered, validation split" in text
    assert "test clips" not in text.partition("## Verdict")[0]


def test_each_data_has_its_measured_row(record: FakeRecord) -> None:
    for launch, data, top1 in (("1a", "penn_action, rendered", 0.5), ("2b", "penn_action, files", 0.95)):
        record.rows({f"full on {data}": top1}, launch=launch, data=data, artefacts=["table3"])
    report.build(["table3"], record.storage)
    measured = read_csv(record, "table3").query("method == 'measured'")
    assert dict(zip(measured.data, measured.top1_mean, strict=True)) == {
        "penn_action, rendered": 50.0,
        "penn_action, files": 95.0,
    }


def test_with_one_seed_nothing_is_tested_and_the_difference_has_no_interval(record: FakeRecord) -> None:
    record.rows({"a": 0.9, "b": 0.5}, reference="a", claims=["a > b"])
    built = report.build([], record.storage)
    assert [str(tally) for tally in built.verdicts] == [
        "depth: not tested: 1 seed, a test needs at least 3; `seeds=settle` runs as many as are needed"
    ]
    frame = read_csv(record, "depth").set_index("row")
    assert frame.to_reference["b"] == -40
    assert frame[["to_reference_low", "to_reference_high", "p_value"]].isna().all(axis=None)
    text = record.made("depth.md").read_text()
    assert "| row | measured | 95 % interval (these weights, other clips) | less a | p |" in text
    assert "| b | 50.00 | 41.19 to 58.81 | −40.00 | — |" in text
    assert "| a > b | not tested | — | a 90.00; b 50.00 | 1 seed, a test needs at least 3" in text


def test_a_settle_launch_says_how_many_seeds_each_claim_took(record: FakeRecord) -> None:
    near = [0.5, 0.6, 0.7, 0.5, 0.6]
    points = [
        point(row, f"{row}{seed}", seed) for row, seeds in (("a", 3), ("b", 5), ("c", 5)) for seed in range(seeds)
    ]
    for each in points:
        shares = {"a": [0.95] * 3, "b": near, "c": near[::-1]}[each["row"]]
        record.finish(each["cell"], shares[each["seed"]])
    record.launch(points, claims=["a > b", "b > c"], settle=5)
    built = report.build([], record.storage)
    assert [str(tally) for tally in built.verdicts] == ["depth: of 2 claims 2 inconclusive"]
    text = record.made("depth.md").read_text()
    assert "Claims were tested after 3 (α = 0.005), 5 (α = 0.01) seeds" in text
    assert "| b > c | inconclusive | 1.0000 | b 58.00; c 58.00 | 5 |" in text
