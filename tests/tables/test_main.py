import subprocess
import sys
from pathlib import Path

import pytest

import tables
from tables.__main__ import main
from tests.tables.fake_record import COMMAND, GRID, FakeRecord, cell_of


def test_without_names_all_that_the_record_can_make_is_built(
    record: FakeRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    record.finish_grid()
    record.plan()
    assert main([f"storage={record.storage}"]) == 0
    out, err = capsys.readouterr()
    paths = [Path(line) for line in out.splitlines()]
    assert [path.suffix for path in paths] == [".csv", ".md", ".png", ".pdf"]
    assert all(path.is_file() for path in paths)
    assert err == ""


def test_missing_cells_fail_one_line_each_unless_partial(
    record: FakeRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    record.finish_grid(leave_out=[cell_of(4, 1), cell_of(4, 2)])
    record.plan()
    assert main(["figure7a", f"storage={record.storage}"]) == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 4
    assert len(err.splitlines()) == 2
    assert all(line.startswith("missing: window 4, stride") and line.endswith(COMMAND) for line in err.splitlines())
    assert main(["figure7a", f"storage={record.storage}", "partial=true"]) == 0


def test_notes_are_printed_and_are_no_failure(record: FakeRecord, capsys: pytest.CaptureFixture[str]) -> None:
    record.finish(cell_of(4, 2))
    record.finish(cell_of(4, 2))
    record.plan(points=[(4, 2)])
    assert main([f"storage={record.storage}"]) == 0
    assert capsys.readouterr().err.startswith(f"note: cell {cell_of(4, 2)}: 2 finished runs")


def test_launch_names_an_older_one(record: FakeRecord) -> None:
    record.finish_grid()
    record.plan("1a", points=GRID[:3])
    record.plan("2b")
    assert main([f"storage={record.storage}", "launch=1a"]) == 0
    assert len((record.storage / "tables" / "figure7a.csv").read_text().splitlines()) == 1 + 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["figure7"], "error: figure7: no such artefact; did you mean figure7a? There are: figure7a"),
        (["storag=x"], "error: storag=x: no such key; did you mean storage?"),
        (["partial=yes"], "error: partial=yes: must be true or false"),
        (["launch="], "error: launch=: give it a value"),
        (["storage=nowhere"], "nowhere/mlflow.db: there is no record"),
    ],
)
def test_what_a_user_can_mend_is_one_line_and_status_2(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert len(err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_record_without_the_artefact(record: FakeRecord, capsys: pytest.CaptureFixture[str]) -> None:
    record.plan("1a", changes={"artefact": "table4"})
    assert main(["figure7a", f"storage={record.storage}"]) == 2
    assert "error: figure7a: no launch makes it" in capsys.readouterr().err
    assert main([f"storage={record.storage}"]) == 2
    assert "no launch makes it" in capsys.readouterr().err


def test_help_lists_artefacts_and_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("figure7a", "storage=", "launch=", "partial=", "tracking.uri="))


def test_no_library_speaks(record: FakeRecord) -> None:
    record.finish_grid()
    record.plan()
    command = [sys.executable, "-m", "tables", "figure7a", f"storage={record.storage}"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(tables.__file__).parents[1])
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 4
