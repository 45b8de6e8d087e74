import re
from pathlib import Path

import pytest

from d3d.report.status import main
from tests.report.fake_record import COMMAND, FakeRecord, point

COLUMNS = ["launch", "last run", "cells", "ablation", "preset", "data"]


def status(record: FakeRecord, capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert main([f"storage={record.storage}"]) == 0
    return capsys.readouterr().out.splitlines()


def test_every_launch_has_a_line_the_newest_first(record: FakeRecord, capsys: pytest.CaptureFixture[str]) -> None:
    record.rows({"a": 0.9, "b": 0.5}, seeds=2, launch="1a")
    record.rows({"c": 0.9}, launch="2b", ablation="other", artefacts=["other"])
    record.rows({"a": 0.9}, launch="3c")  # of an ablation that was launched before
    header, *lines = status(record, capsys)
    assert re.split(r"\s{2,}", header) == COLUMNS
    assert [line.split()[0] for line in lines] == ["3c", "2b", "1a"]
    assert re.split(r"\s{2,}", lines[1])[2:] == ["1 of 1", "other", "quick", "synthetic, files"]
    assert " 4 of 4 " in lines[2]


def test_what_failed_and_what_has_begun_is_counted_and_the_rest_has_its_command(
    record: FakeRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    record.finish("00aa")
    record.finish("00bb", status="FAILED", reason="clip 7 cannot be read")
    record.finish("00cc", status="FAILED", reason="clip 7 cannot be read")
    record.finish("00dd", status="RUNNING")
    record.launch([point("a", cell) for cell in ("00aa", "00bb", "00cc", "00dd", "00ee")])
    _, line, *said = status(record, capsys)
    assert "1 of 5, 2 failed, 1 begun" in line
    assert said == ["1a: 2 failed: clip 7 cannot be read", f"to continue: {COMMAND} storage={record.storage}"]


def test_a_cell_that_finished_once_stays_finished_and_is_counted_once(
    record: FakeRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    record.finish("00aa")
    record.finish("00aa", status="FAILED", reason="the worker was lost")
    record.finish("00bb", status="FAILED", reason="the worker was lost")
    record.finish("00bb")
    record.launch([point("a", "00aa"), point("b", "00bb"), point("the same as b", "00bb")])
    _, line = status(record, capsys)
    assert " 2 of 2 " in line


def test_a_launch_that_cannot_be_read_is_named(record: FakeRecord, capsys: pytest.CaptureFixture[str]) -> None:
    record.rows({"a": 0.9}, launch="1a")
    broken = record.rows({"b": 0.9}, launch="2b")
    record.file(broken, "plan.json").write_text("{}")
    assert main([f"storage={record.storage}"]) == 0
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["1a"]
    assert err.startswith("note: run ") and "plan.json" in err


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("launch=1a", "launch=1a: unknown key; did you mean "),
        ("storage=", "storage=: give it a value, or leave it out"),
        ("modules", "modules: unknown key; did you mean "),
        ("storage=nowhere", "there is no record; launch an ablation"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_line(
    argument: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([argument]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and said in line


def test_nothing_is_written(record: FakeRecord, capsys: pytest.CaptureFixture[str]) -> None:
    record.rows({"a": 0.9})
    before = {path: path.read_bytes() for path in record.storage.rglob("*") if path.is_file()}
    status(record, capsys)
    assert {path: path.read_bytes() for path in record.storage.rglob("*") if path.is_file()} == before
