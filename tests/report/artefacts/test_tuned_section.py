"""What a search adds to tables and figures."""

from typing import Any

import pandas as pd
import pytest

from d3d import report
from d3d.report.artefacts.registry import PROVENANCE
from tests.report.fake_record import CLIPS, COMMAND, FakeRecord, cell_of, label_of, point, tuned

ROWS = {"full": 0.9, "no_joint": 0.8, "no_temporal": 0.7}
CLAIMS = ["full > no_joint", "full > no_temporal"]
COLUMNS = ["seeds", "mean", "std", "low", "high", "trials", "epochs", "cells"]


def launch(record: FakeRecord, tuned_top1: dict[str, float | None], studies: dict[str, Any], **changes: Any) -> None:
    """The rows of one recipe, and beside them the rows tuned, three seeds each; None is a cell that is not finished."""
    points = []
    for label, top1 in tuned_top1.items():
        for seed in range(3):
            points.append(point(label, f"tuned {label} {seed}", seed))
            if top1 is not None:
                record.finish(f"tuned {label} {seed}", top1)
    plan = {"claims": CLAIMS, "reference": "full", "tuned": tuned(points, **studies)}
    record.rows(ROWS, seeds=3, **plan | changes)


def read(record: FakeRecord, name: str = "depth", launch: str = "*") -> tuple[str, pd.DataFrame]:
    frame = pd.read_csv(record.made(f"{name}.csv", launch), dtype={"tuned_cells": str})
    return record.made(f"{name}.md", launch).read_text("utf-8"), frame


def test_tuned_rows_stand_beside_those_of_the_same_recipe_with_the_budget(record: FakeRecord) -> None:
    launch(record, {"full": 0.9, "no_joint": 0.9, "no_temporal": 0.6}, {label: {} for label in ROWS})
    built = report.build([], record.storage)
    assert built.missing == ()
    text, frame = read(record)
    interval = "95 % interval (other trainings, other clips)"
    header = f"| row | same recipe | {interval} | less full | p | tuned | {interval} | budget |"
    assert header in text
    (line,) = (line for line in text.splitlines() if line.startswith("| no_joint | "))
    entries = [entry.strip() for entry in line.strip("|").split("|")]
    assert entries[1] == "80.83 ± 0.83" and entries[3].startswith("−10.00 (−") and entries[5] == "**90.00 ± 0.00**"
    assert r"row & same recipe & tuned & claims \tabularnewline" in record.made("depth_tabular.tex").read_text()
    assert "same recipe, full > no joint" in record.made("depth.txt").read_text("utf-8")
    assert entries[7] == "30 trials (12 pruned, 1 failed), 410 epochs"
    assert list(frame.columns[-8 - len(PROVENANCE) : -len(PROVENANCE)]) == [f"tuned_{name}" for name in COLUMNS]
    row = frame.set_index("row").loc["no_temporal"]
    assert (row.tuned_seeds, row.tuned_mean, row.tuned_trials, row.tuned_epochs) == (3, 60.0, 30, 410)
    assert row.tuned_cells == "tuned no_temporal 0 tuned no_temporal 1 tuned no_temporal 2"
    assert (
        "- no_joint, tuned: training.learning_rate = 0.003123, model.depth = 2; 91.25 on the validation split." in text
    )
    assert "search optuna" in text and "test clips were not looked at" in text


def test_claims_are_judged_twice_each_in_a_family_of_its_own(record: FakeRecord) -> None:
    launch(record, {"full": 0.9, "no_joint": 0.9, "no_temporal": 0.6}, {label: {} for label in ROWS})
    built = report.build([], record.storage)
    assert [str(tally) for tally in built.verdicts] == [
        "depth, same recipe: of 2 claims 2 hold",
        "depth, tuned: of 2 claims 1 holds, 1 inconclusive",
    ]
    same, _, both = read(record)[0].partition("## Verdict")[2].partition("### Tuned")
    assert "### Same recipe" in same
    assert "| full > no_joint | holds |" in same
    assert "| full > no_joint | inconclusive | 1.0000 | full 90.00; no_joint 90.00 | 3 |" in both
    assert "Measured ordering: full = no_joint > no_temporal." in both
    tex = record.made("depth.tex").read_text()
    assert r"\textit{Same recipe}" in tex and r"\textit{Tuned}" in tex


def test_a_search_of_a_launch_on_the_validation_split_says_that_it_looked(record: FakeRecord) -> None:
    launch(record, {"full": 0.9}, {"full": {}}, split="validation", data="synthetic, files, validation split")
    report.build([], record.storage)
    text, _ = read(record)
    assert "the clips of that same split, which the search has seen" in text and "test clips" not in text.split("##")[0]


def test_without_a_search_there_is_one_verdict_and_no_column(record: FakeRecord) -> None:
    record.rows(ROWS, seeds=3, claims=CLAIMS, reference="full")
    built = report.build([], record.storage)
    text, frame = read(record)
    assert not [name for name in frame.columns if name.startswith("tuned")]
    assert "uned" not in text and "| row | measured |" in text and "###" not in text
    assert [str(tally) for tally in built.verdicts] == ["depth: of 2 claims 2 hold"]


def test_what_is_not_tuned_yet_is_missing_with_the_command(record: FakeRecord) -> None:
    unfinished = {"trials": 3, "pruned": 0, "failed": 0, "epochs": 6, "validation_top1": None, "settings": None}
    launch(record, {"full": 0.9, "no_joint": None}, {"full": {}, "no_joint": {}, "no_temporal": unfinished})
    built = report.build([], record.storage)
    run = f"run: {COMMAND} storage={record.storage}"
    assert built.missing == (
        f"no_temporal, tuned: its study is unfinished (3 trials, 6 epochs); {run}",
        "no_joint, tuned, seeds 0, 1, 2: not finished (cells tuned no_joint 0 tuned no_joint 1 tuned no_joint 2); "
        f"{run}",
    )
    text, frame = read(record)
    assert f"- — not tuned yet: no_temporal; no_joint. To fill: `{COMMAND}`" in text
    assert "| — | — | 3 trials, 6 epochs |" in text
    assert frame.set_index("row").tuned_mean.isna().to_dict() == {"full": False, "no_joint": True, "no_temporal": True}
    assert str(built.verdicts[1]) == "depth, tuned: of 2 claims 2 not tested"


def test_a_row_without_a_study_has_nothing_tuned_and_lacks_nothing(record: FakeRecord) -> None:
    """A test of trained weights: nothing of it can be tuned."""
    launch(record, {"full": 0.9, "no_joint": 0.9}, {"full": {}, "no_joint": {}})
    assert report.build([], record.storage).missing == ()
    text, frame = read(record)
    assert frame.set_index("row").loc["no_temporal", "tuned_trials":"tuned_cells"].isna().all()
    assert "|  |  |  |" in text


def test_partial_takes_the_tuned_seeds_that_are_there(record: FakeRecord) -> None:
    record.finish("t0", 0.5)
    points = [point("full", "t0", 0), point("full", "t1", 1)]
    record.rows({"full": 0.9}, seeds=2, tuned=tuned(points, full={}))
    assert len(report.build([], record.storage).missing) == 1
    assert read(record)[1].tuned_mean.isna().all()
    report.build([], record.storage, partial=True)
    assert list(read(record)[1].tuned_mean) == [50.0]


@pytest.mark.parametrize(("name", "ablation"), [("figure7a", "stride_grid"), ("figure7b", "frames")])
def test_a_curve_has_its_tuned_points_in_the_file_and_in_the_plot(record: FakeRecord, name: str, ablation: str) -> None:
    axes = {"model.temporal_window": 4, "model.temporal_stride": 2, "training.frames": 12}
    record.finish(cell_of(4, 2), 0.5)
    asked = [point(label_of(4, 2), cell_of(4, 2), axes=axes)]
    record.launch(asked, "1a", ablation=ablation, artefacts=[name])
    report.build([name], record.storage)
    plain = record.made(f"{name}.png").read_bytes()
    record.finish("t", 0.6)
    more = tuned([point(label_of(4, 2), "t", axes=axes)], **{label_of(4, 2): {}})
    record.launch(asked, "2b", ablation=ablation, artefacts=[name], tuned=more)
    report.build([name], record.storage, launch="2b")
    text, frame = read(record, name, "2b")
    assert list(frame.tuned_mean) == [60.0]
    assert record.made(f"{name}.png", "2b").read_bytes() != plain
    assert "tuned: training.learning_rate" in text
    assert round(0.6 * CLIPS) / CLIPS == 0.6
