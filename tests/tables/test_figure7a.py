import math
import subprocess
import sys
from pathlib import Path

import matplotlib
import pandas as pd
import pytest

import tables
from d3d.errors import RecordError
from tables.statistics import wilson_interval
from tests.tables.fake_record import CLIPS, COMMAND, GRID, FakeRecord, cell_of, top1_of

COLUMNS = ["window", "stride", "seeds", "top1_mean", "top1_std", "top1_low", "top1_high", "clips", "cells"]
NUMBERS = COLUMNS[3:8]


def read_csv(storage: Path) -> pd.DataFrame:
    return pd.read_csv(storage / "tables" / "figure7a.csv", dtype={"cells": str})


def test_one_row_per_window_and_stride(record: FakeRecord) -> None:
    record.finish_grid()
    record.plan(points=GRID[::-1])
    built = tables.build(["figure7a"], record.storage)
    assert [path.name for path in built.paths] == ["figure7a.csv", "figure7a.md", "figure7a.png", "figure7a.pdf"]
    assert (built.missing, built.notes) == ((), ())
    frame = read_csv(record.storage)
    assert list(frame.columns) == COLUMNS
    assert list(zip(frame.window, frame.stride, strict=True)) == GRID
    assert len(frame) == 25
    for row, (window, stride) in zip(frame.itertuples(), GRID, strict=True):
        correct = round(top1_of(window, stride) * CLIPS)
        low, high = wilson_interval([correct], CLIPS)
        assert row.top1_mean == pytest.approx(100 * correct / CLIPS, abs=0.005)
        assert (row.top1_low, row.top1_high) == pytest.approx((100 * low, 100 * high), abs=0.005)
        assert (row.seeds, row.clips, row.cells) == (1, CLIPS, cell_of(window, stride))
    assert frame.top1_std.isna().all()


def test_numbers_have_two_decimals_and_counts_none(record: FakeRecord) -> None:
    record.finish(cell_of(4, 2), 0.75)
    record.plan(points=[(4, 2)])
    tables.build(["figure7a"], record.storage)
    text = (record.storage / "tables" / "figure7a.csv").read_text()
    assert text.splitlines()[1] == f"4,2,1,75.00,,66.56,81.89,120,{cell_of(4, 2)}"


def test_seeds_are_averaged(record: FakeRecord) -> None:
    for seed, top1 in enumerate((0.5, 0.55, 0.75)):
        record.finish(cell_of(6, 3, seed), top1)
    record.plan(points=[(6, 3)], seeds=3)
    tables.build(["figure7a"], record.storage)
    (row,) = read_csv(record.storage).itertuples()
    assert (row.seeds, row.clips) == (3, CLIPS)
    assert row.top1_mean == 60.0
    assert row.top1_std == pytest.approx(math.sqrt((10**2 + 5**2 + 15**2) / 2), abs=0.005)
    assert row.cells == " ".join(cell_of(6, 3, seed) for seed in range(3))


def test_a_missing_cell_is_empty_in_every_row_it_answers_and_named_once(record: FakeRecord) -> None:
    gone = cell_of(8, 4)
    record.finish_grid(leave_out=[gone])
    record.plan()
    built = tables.build(["figure7a"], record.storage)
    (line,) = built.missing
    assert line.startswith("window 8, stride 4/5/6/8, seed 0")
    assert gone in line
    assert line.endswith(COMMAND)
    frame = read_csv(record.storage)
    empty = frame[frame.cells == gone]
    assert list(empty.stride) == [4, 5, 6, 8]
    assert empty[NUMBERS].isna().all(axis=None)
    assert (empty.seeds == 0).all()
    assert frame[frame.cells != gone].top1_mean.notna().all()
    assert line in (record.storage / "tables" / "figure7a.md").read_text()


def test_a_missing_seed_empties_its_row_unless_a_partial_table_is_asked_for(record: FakeRecord) -> None:
    record.finish(cell_of(4, 2, 0), 0.5)
    record.finish(cell_of(4, 2, 2), 0.6)
    record.plan(points=[(4, 2)], seeds=3)
    built = tables.build(["figure7a"], record.storage)
    frame = read_csv(record.storage)
    assert list(frame.seeds) == [2]
    assert frame[NUMBERS].isna().all(axis=None)
    partial = tables.build(["figure7a"], record.storage, partial=True)
    (row,) = read_csv(record.storage).itertuples()
    assert (row.seeds, row.top1_mean) == (2, 55.0)
    assert len(built.missing) == 1
    assert partial.missing == built.missing


def test_nothing_finished_still_writes_every_file(record: FakeRecord) -> None:
    record.plan()
    built = tables.build(["figure7a"], record.storage)
    assert len(built.missing) == len({cell_of(*point) for point in GRID})
    assert all(path.stat().st_size for path in built.paths)
    assert read_csv(record.storage)[NUMBERS].isna().all(axis=None)


def test_doubts_reach_the_reader(record: FakeRecord) -> None:
    record.finish(cell_of(4, 1))
    record.finish(cell_of(4, 2), code_digest="beef")
    record.plan(points=[(4, 1), (4, 2)])
    built = tables.build(["figure7a"], record.storage)
    (note,) = built.notes
    assert "beef" in note
    assert note in (record.storage / "tables" / "figure7a.md").read_text()


def test_seeds_tested_on_different_clips_are_refused_and_nothing_is_written(record: FakeRecord) -> None:
    record.finish(cell_of(4, 2, 0))
    record.finish(cell_of(4, 2, 1), clips=60)
    record.plan(points=[(4, 2)], seeds=2)
    with pytest.raises(RecordError, match="different clips"):
        tables.build(["figure7a"], record.storage)
    assert not (record.storage / "tables").exists()


def test_a_plan_without_the_figures_axes_is_refused(record: FakeRecord) -> None:
    record.plan("1a", changes={"points": [{"axes": {"model.temporal_window": 4}, "seed": 0, "cell": "c1"}]})
    with pytest.raises(RecordError, match=r"launch=1a: model\.temporal_stride=None"):
        tables.build(["figure7a"], record.storage)


def test_the_best_stride_is_marked_and_the_claim_judged(record: FakeRecord) -> None:
    for (window, stride), correct in {
        (4, 1): 80, (4, 2): 90, (4, 4): 70,  # best at half
        (6, 1): 110, (6, 3): 60, (6, 6): 50,  # best elsewhere, by far
        (8, 2): 92, (8, 4): 90, # best elsewhere, by two clips; stride 8 is stride 4's training
        (10, 5): 90,
    }.items():  # fmt: skip
        record.finish(cell_of(window, stride), correct / CLIPS)
    record.plan(points=[(4, 1), (4, 2), (4, 4), (6, 1), (6, 3), (6, 6), (8, 2), (8, 4), (8, 8), (10, 1), (10, 5)])
    tables.build(["figure7a"], record.storage)
    lines = (record.storage / "tables" / "figure7a.md").read_text().splitlines()
    assert "| 4 | 66.67 | **75.00** |  | 58.33 |  |  |  |" in lines
    assert "| 4 | 2 | 2 | 75.00 | 75.00 | holds |" in lines
    assert "| 6 | 3 | 1 | 91.67 | 50.00 | does not hold |" in lines
    assert "| 8 | 4 | 2 | 76.67 | 75.00 | within the interval |" in lines
    assert "| 10 | 5 | – | – | – | cannot be judged |" in lines
    assert any("window 8: strides 4, 8" in line for line in lines)


def test_a_tie_is_called_one(record: FakeRecord) -> None:
    record.finish_grid()
    record.plan()
    tables.build(["figure7a"], record.storage)
    text = (record.storage / "tables" / "figure7a.md").read_text()
    assert "| 8 | 4 | 4, 5, 6, 8 | 75.00 | 75.00 | tied |" in text


def test_the_same_record_gives_the_same_bytes_in_any_process(record: FakeRecord) -> None:
    record.finish_grid(seeds=2)
    record.plan(seeds=2)
    with matplotlib.rc_context({"font.size": 20, "savefig.dpi": 50}):  # a user's matplotlibrc
        here = {path: path.read_bytes() for path in tables.build(["figure7a"], record.storage).paths}
    for path in here:
        path.unlink()
    command = [sys.executable, "-m", "tables", "figure7a", f"storage={record.storage}"]
    subprocess.run(command, check=True, capture_output=True, cwd=Path(tables.__file__).parents[1])
    assert {path: path.read_bytes() for path in here} == here


def test_images_are_images_without_a_date(record: FakeRecord) -> None:
    record.finish_grid()
    record.plan()
    tables.build(["figure7a"], record.storage)
    png, pdf = ((record.storage / "tables" / f"figure7a.{kind}").read_bytes() for kind in ("png", "pdf"))
    assert png.startswith(b"\x89PNG")
    assert b"Software" not in png
    assert pdf.startswith(b"%PDF")
    assert b"CreationDate" not in pdf
