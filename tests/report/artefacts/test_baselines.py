"""The accuracies of the classical baselines are noted below every table of accuracies."""

from typing import Any

import pytest

from d3d import report
from d3d.report.artefacts.baselines import baseline_accuracies
from d3d.report.record import Record
from tests.report.fake_record import CLIPS, COMMAND, FakeRecord, cell_of, point

TOP1 = {"ridge": 0.5, "kernel ridge": 0.75, "nearest neighbour": 0.6}
SAID = (
    "- Without deep learning, from the joints of 12 frames alone: ridge 50.00 (95 % interval 41.19 to 58.81); "
    "kernel ridge 75.00 (95 % interval 66.56 to 81.89); nearest neighbour 60.00 (95 % interval 51.06 to 68.32).\n"
)
UNKNOWN = "The accuracy without deep learning is not known for these clips"


def text(record: FakeRecord, name: str) -> str:
    return record.made(f"{name}.md").read_text("utf-8")


def notes(document: str) -> str:
    return document.partition("## Verdict")[0]


def test_a_table_and_a_figure_end_their_notes_with_the_baselines(record: FakeRecord) -> None:
    record.baselines(TOP1)
    record.rows({"full": 0.9})
    record.finish(cell_of(4, 2))
    record.plan("7a", points=[(4, 2)])
    report.build([], record.storage)
    for name in ("depth", "figure7a"):
        assert notes(text(record, name)).rstrip("\n").endswith(SAID.rstrip("\n"))
    tex = record.made("depth.tex").read_text()
    assert "kernel ridge 75.00" in tex


def test_where_there_are_none_a_note_gives_the_command(record: FakeRecord) -> None:
    command = f"{COMMAND} search=optuna search.trials=9 seeds=3 training.epochs=2"
    record.rows({"full": 0.9}, command=command)
    report.build([], record.storage)
    way = "python orchestrate.py ablation=baselines preset=quick data=synthetic training.epochs=2"
    assert f"- {UNKNOWN}; to measure it: `{way}`\n" in notes(text(record, "depth"))


@pytest.mark.parametrize(
    ("changes", "suits"),
    [
        ({}, True),
        ({"data_digest": "f00d"}, False),
        ({"data_digest": "f00d+da7a"}, True),
        ({"frames": 8}, False),
        ({"preset": "small"}, True),
    ],
)
def test_baselines_are_of_the_same_clips_and_frames(record: FakeRecord, changes: dict[str, Any], suits: bool) -> None:
    record.baselines(TOP1, **changes)
    record.rows({"full": 0.9})
    report.build(["depth"], record.storage)
    assert (SAID in text(record, "depth")) == suits
    assert (UNKNOWN in text(record, "depth")) != suits


def test_baselines_count_whichever_launch_is_asked_for(record: FakeRecord) -> None:
    record.baselines(TOP1)
    record.rows({"full": 0.9}, launch="2b")
    report.build(["depth"], record.storage, launch="2b")
    assert SAID in text(record, "depth")


def test_only_what_is_finished_is_said(record: FakeRecord) -> None:
    record.launch([point("ridge", "c1")], "ba5e", ablation="baselines", artefacts=["baselines"])
    record.rows({"full": 0.9}, launch="2b")
    report.build(["depth"], record.storage)
    assert UNKNOWN in text(record, "depth")


def test_the_table_of_the_baselines_says_what_each_chose(record: FakeRecord) -> None:
    record.baselines(TOP1)
    built = report.build([], record.storage)
    assert built.missing == ()
    said = text(record, "baselines")
    assert f"T = 12, {CLIPS} test clips." in said, "neither epochs nor seeds"
    assert "One seed" not in said and UNKNOWN not in said and "Without deep learning" not in said
    assert "- ridge, alpha = 10: 81.25 in cross-validation of the training clips.\n" in said
    assert "- nearest neighbour: 81.25 in cross-validation of the training clips.\n" in said


def test_the_best_is_drawn(record: FakeRecord) -> None:
    record.finish(cell_of(4, 2))
    record.plan("7a", points=[(4, 2)])
    report.build(["figure7a"], record.storage)
    without = record.made("figure7a.png").read_bytes()
    record.baselines(TOP1)
    baselines = baseline_accuracies(Record(record.storage), Record(record.storage).launches("7a")[0])
    assert baselines and baselines.best and baselines.best.label == "kernel ridge"
    report.build(["figure7a"], record.storage)
    assert record.made("figure7a.png").read_bytes() != without


def test_a_comparison_has_them_of_each_data(record: FakeRecord) -> None:
    record.baselines(TOP1, data="penn_action, files")
    record.rows({"full": 0.9}, launch="2b", data="penn_action, files", artefacts=["table3"])
    report.build(["table3"], record.storage)
    assert "- penn_action, files: Without deep learning" in notes(text(record, "table3"))
