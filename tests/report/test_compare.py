import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from d3d.report.compare import main
from d3d.report.contrast.contrast import contrast
from d3d.report.contrast.selected import select
from d3d.report.record import Record
from d3d.report.statistics.wording import signed
from tests.report.fake_record import CLIPS, COMMAND, FakeRecord, point, row_cell


def row(record: FakeRecord, label: str, right: Iterable[Iterable[int]], **params: str) -> list[dict[str, object]]:
    """The points of a row whose seeds have these clips right."""
    points = []
    for seed, clips in enumerate(right):
        run = record.finish(row_cell(label, seed), right=clips)
        for key, value in (params | {"seed": str(seed)}).items():
            record.client.log_param(run, key, value)
        points.append(point(label, row_cell(label, seed), seed))
    return points


def compare(record: FakeRecord, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main([*arguments, f"storage={record.storage}"]) == 0
    return capsys.readouterr().out.splitlines()


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    [line] = err.splitlines()
    assert not out and line.startswith("error: ")
    return line


@pytest.fixture
def two_rows(record: FakeRecord) -> FakeRecord:
    """Row a has clips 0 to 89 right in each of three seeds, row b clips 10 to 69 and, in seed 2, clips 20 to 69."""
    everything = row(record, "a", [range(90)] * 3, **{"model.depth": "2", "model.heads": "4"})
    everything += row(
        record, "b", [range(10, 70), range(10, 70), range(20, 70)], **{"model.depth": "1", "model.heads": "4"}
    )
    record.launch(everything, "1a")
    return record


def test_two_rows_are_told_apart_clip_by_clip(two_rows: FakeRecord) -> None:
    read = Record(two_rows.storage)
    [found] = contrast(select(read, "depth/a"), select(read, "1a/b"))
    assert found.clips == CLIPS
    assert found.outcomes.both * CLIPS == pytest.approx(60 - 10 / 3)
    assert found.outcomes.left * CLIPS == pytest.approx(90 - 60 + 10 / 3)
    assert found.outcomes.right == pytest.approx(0)
    assert found.outcomes.neither * CLIPS == pytest.approx(CLIPS - 90)
    assert found.outcomes.only_left == tuple(f"{clip:04d}" for clip in (*range(10), *range(70, 90)))
    assert found.outcomes.only_right == ()
    assert found.estimate is not None and found.p_value is not None and found.p_value < 0.01
    assert found.estimate.value * CLIPS == pytest.approx(30 + 10 / 3)
    assert found.changed == {"model.depth": ("2", "1")}


def test_the_difference_its_clips_and_what_differs_are_printed(
    two_rows: FakeRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = compare(two_rows, capsys, "depth/a", "depth/b")
    assert lines[:3] == ["A: depth/a, a, 3 seeds", "B: depth/b, b, 3 seeds", ""]
    numbers = re.split(r"\s{2,}", lines[4])
    assert numbers[:4] == ["a − b", "75.00 ± 0.00", "47.22 ± 4.81", signed((30 + 10 / 3) / CLIPS)]
    assert "A alone, in every seed: 0000, 0001, 0002, 0003, 0004 and 25 more" in lines
    assert not any(line.startswith("B alone") for line in lines)
    assert [re.split(r"\s{2,}", line) for line in lines[-2:]] == [["differs", "A", "B"], ["model.depth", "2", "1"]]


def test_the_other_way_round_is_the_opposite(two_rows: FakeRecord) -> None:
    read = Record(two_rows.storage)
    [there] = contrast(select(read, "depth/a"), select(read, "depth/b"))
    [back] = contrast(select(read, "depth/b"), select(read, "depth/a"))
    assert there.estimate is not None and back.estimate is not None
    assert back.estimate.value == -there.estimate.value and back.p_value == pytest.approx(there.p_value)
    assert (back.outcomes.only_right, back.outcomes.right) == (there.outcomes.only_left, there.outcomes.left)


def test_two_cells_are_shown_but_not_tested(two_rows: FakeRecord, capsys: pytest.CaptureFixture[str]) -> None:
    lines = compare(two_rows, capsys, row_cell("a"), row_cell("b", 2))
    assert lines[0] == f"A: {row_cell('a')}, cell {row_cell('a')}, 1 seed"
    assert re.split(r"\s{2,}", lines[4])[1:] == ["75.00", "41.67", "+33.33", "—", "—"]
    assert lines[5] == "not tested: 1 seed, a test needs at least 3; `seeds=3` runs them"
    assert ["seeds", "0", "2"] in [re.split(r"\s{2,}", line) for line in lines]


def test_the_rows_that_two_launches_share_are_compared_with_corrected_p_values(two_rows: FakeRecord) -> None:
    points = row(two_rows, "other a", [range(5, 90)] * 3) + row(two_rows, "other b", [range(60)] * 3)
    for each in points:
        each["row"] = str(each["row"]).removeprefix("other ")
    two_rows.launch([*points, *row(two_rows, "c", [range(9)] * 3)], "2b", ablation="again")
    read = Record(two_rows.storage)
    first, second = contrast(select(read, "1a"), select(read, "2b"))
    assert (first.left.label, first.right.label, second.left.label) == ("a", "a", "b")
    alone = [contrast(select(read, f"1a/{label}"), select(read, f"2b/{label}"))[0].p_value for label in "ab"]
    assert all(p is not None for p in alone)
    smaller = min(p for p in alone if p is not None)
    assert min(p for p in (first.p_value, second.p_value) if p is not None) == pytest.approx(2 * smaller)


def test_whole_launches_say_which_rows_one_alone_has(two_rows: FakeRecord, capsys: pytest.CaptureFixture[str]) -> None:
    two_rows.launch([*row(two_rows, "c", [range(9)] * 3), point("a", row_cell("a"))], "2b", ablation="again")
    lines = compare(two_rows, capsys, "depth", "again")
    assert {"A alone: b", "B alone: c", "not tested: the same computation"} <= set(lines)


def test_a_result_of_another_record(two_rows: FakeRecord, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two_rows.storage.rename(tmp_path / "elsewhere")
    moved = [f"storage={tmp_path / 'elsewhere'}"]
    assert main(["depth/a", "depth/a", *moved, f"other.storage={tmp_path / 'elsewhere'}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[5] == "not tested: the same computation"
    assert lines[-1] == "A and B differ in no configuration key, and in no condition that was recorded"
    assert "there is no record" in refused(
        capsys, "depth/a", "depth/a", *moved, f"other.storage={tmp_path / 'nowhere'}"
    )


def test_rows_tested_on_different_clips_are_refused(two_rows: FakeRecord, capsys: pytest.CaptureFixture[str]) -> None:
    two_rows.finish("00dd", clips=20)
    said = refused(capsys, "depth/a", "00dd", f"storage={two_rows.storage}")
    assert f"depth/a was tested on {CLIPS} clips, 00dd on 20; they share 20" in said


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((), "compare nothing: name two results, such as `compare modules/full modules/no_joint`"),
        (("depth/a",), "compare depth/a: name two results"),
        (("depth/a", "depth/b", "depth/c"), "name two results"),
        (("dept/a", "depth/b"), "dept/a: neither a launch, nor an ablation, nor a cell"),
        (("dept/a", "depth/b"), "did you mean depth?"),
        (("it's", "depth/b"), "it's: neither a launch, nor an ablation, nor a cell"),
        (("depth/aa", "depth/b"), "launch 1a has no row aa; did you mean a? There are: a; b"),
        (("depth", "depth/b"), "depth is a launch, depth/b one row; name a row, depth/ROW, of: a; b"),
        (("depth/a", "00ff"), "00ff: this cell is not finished (clip 7 is damaged); launch it again first"),
        (("depth/a", "empty/x"), f"empty/x: none of its cells is finished; to go on: {COMMAND}"),
        (("depth", "other"), "depth and other have no row in common"),
        (("depth/a", "depth/b", "storag=x"), "storag=x: unknown key; did you mean storage?"),
    ],
)
def test_what_cannot_be_compared_is_said_in_a_line(
    names: tuple[str, ...], said: str, two_rows: FakeRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    two_rows.finish("00ff", status="FAILED", reason="clip 7 is damaged")
    two_rows.launch([point("x", "00ff")], "2b", ablation="empty")
    two_rows.launch(row(two_rows, "y", [range(9)]) + row(two_rows, "z", [range(8)]), "3c", ablation="other")
    assert said in refused(capsys, *names, f"storage={two_rows.storage}")


def test_nothing_is_written(two_rows: FakeRecord, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in two_rows.storage.rglob("*") if path.is_file()}
    compare(two_rows, capsys, "depth/a", "depth/b")
    assert {path: path.read_bytes() for path in two_rows.storage.rglob("*") if path.is_file()} == before
