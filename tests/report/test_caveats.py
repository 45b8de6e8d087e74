from dataclasses import replace

import pytest

from d3d.bench.record.provenance import current_code
from d3d.report.caveats import caveats
from d3d.report.record import Record
from tests.report.fake_record import FakeRecord, asking, wait_a_millisecond

TODAY = current_code()["training of d3d"].digest


def test_clips_that_were_left_out_are_named() -> None:
    assert caveats(asking("c1"), {}) == ()
    few = replace(asking("c1"), left_out=("a", "b"))
    assert caveats(few, {}) == ("2 clips are left out, because of missing frames or damage: a, b",)
    many = replace(few, left_out=tuple(map(str, range(30))))
    assert caveats(many, {})[0].startswith("30 clips") and caveats(many, {})[0].endswith("18, 19 and 10 more")


def test_the_newest_of_two_finished_runs_counts_and_is_named(record: FakeRecord) -> None:
    record.plan("1a")
    record.finish("c1", 0.5)
    wait_a_millisecond()
    newest = record.finish("c1", 0.6)
    read = Record(record.storage)
    cells = read.cells(asking("c1"))
    assert cells["c1"].metric("top1") == 0.6
    (note,) = caveats(read.launches()[0], cells)
    assert note == "finished more than once, the newest run counts: c1 (2 runs)"
    assert cells["c1"].run_id == newest


def test_results_of_different_code_are_named(record: FakeRecord) -> None:
    record.plan("1a")
    record.finish("c1")
    record.finish("c2")
    record.finish("c3", code_digest="beef")
    read = Record(record.storage)
    launch = read.launches()[0]
    assert caveats(launch, read.cells(asking("c1", "c2"))) == ()
    mixed, other = caveats(launch, read.cells(asking("c1", "c2", "c3")))
    assert all(part in mixed for part in ("mixed code: 2 versions", "beef (c3)", f"{TODAY} (c1, c2)"))
    assert other == "1 of 3 cells were made by other code than today's"


def test_a_cell_trained_by_two_versions_of_the_code_is_named(record: FakeRecord) -> None:
    record.plan("1a")
    record.finish("c1", code_digest="beef+c0de")
    read = Record(record.storage)
    mixed, other = caveats(read.launches()[0], read.cells(asking("c1")))
    assert "beef+c0de (c1)" in mixed
    assert other == "1 of 1 cells were made by other code than today's"


def test_results_of_equivalent_code_are_as_good_as_todays(record: FakeRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    today = current_code()["training of d3d"]
    monkeypatch.setitem(current_code(), "training of d3d", replace(today, equivalent=today.equivalent | {"beef"}))
    record.plan("1a")
    record.finish("c1", code_digest="beef")
    record.finish("c2", code_digest=f"beef+{today.digest}")
    record.finish("c3")
    read = Record(record.storage)
    assert caveats(read.launches()[0], read.cells(asking("c1", "c2", "c3"))) == ()


def test_cells_of_different_processors_are_counted_by_processor(record: FakeRecord) -> None:
    record.plan("1a")
    old, both = "2.10.0+cpu", "2.10.0+cpu + 2.11.0+cpu"
    conditions = {"c1": ("Xeon", old), "c2": ("Xeon", old), "c3": ("EPYC", old), "c4": ("EPYC", both)}
    for cell, (processor, torch) in conditions.items():
        run = record.finish(cell)
        record.client.set_tag(run, "environment.processor", processor)
        record.client.set_tag(run, "environment.torch", torch)
    record.finish("c5")  # before it was recorded
    read = Record(record.storage)
    launch = read.launches()[0]
    assert caveats(launch, read.cells(asking("c1", "c2", "c5"))) == ()
    assert caveats(launch, read.cells(asking("c1", "c2", "c3"))) == ("mixed processors: EPYC (1 cell), Xeon (2 cells)",)
    (note,) = caveats(launch, read.cells(asking("c4")))
    assert note == "mixed versions of PyTorch: 2.10.0+cpu + 2.11.0+cpu (1 cell)"


def test_each_kind_of_cell_has_code_of_its_own(record: FakeRecord) -> None:
    record.plan("1a")
    record.finish("c1")
    record.finish("c2", baseline="ridge")
    record.finish("c3", trained="c1")
    record.finish("c4", metrics={"flops": 1.0}, measurement="joint")
    read = Record(record.storage)
    cells = read.cells(asking("c1", "c2", "c3", "c4"))
    assert [cell.kind for cell in cells.values()] == ["training", "baseline", "test", "measurement"]
    assert len({cell.code_digest for cell in cells.values()}) == 3
    assert caveats(read.launches()[0], cells) == ()


def test_results_on_other_data_than_planned_are_named(record: FakeRecord) -> None:
    record.plan("1a", data_digest="da7a+f00d")
    record.finish("c1")
    record.finish("c2", data_digest="f00d")
    record.finish("c3", data_digest="dead")
    read = Record(record.storage)
    launch = read.launches()[0]
    assert caveats(launch, read.cells(asking("c1", "c2"))) == ()
    (note,) = caveats(launch, read.cells(asking("c1", "c2", "c3")))
    assert "da7a+f00d, not dead (c3)" in note
