import subprocess
import sys
from pathlib import Path

import pytest

from d3d import report
from d3d.report.command import main
from tests.report.conftest import ENDS, PICTURES
from tests.report.fake_record import COMMAND, FakeRecord, cell_of, point

pytestmark = pytest.mark.usefixtures("unrendered")


def test_without_names_all_that_the_record_can_make_is_built(
    record: FakeRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    record.finish(cell_of(4, 2))
    record.plan(points=[(4, 2)])
    record.launch([point("a", cell_of(4, 2))], "2b")
    assert main([f"storage={record.storage}"]) == 0
    out, err = capsys.readouterr()
    *paths, latest = map(Path, out.splitlines())
    assert [path.name for path in paths] == [
        *(f"figure7a{end}" for end in (*ENDS, *PICTURES)),
        *(f"depth{end}" for end in ENDS),
    ]
    assert all(path.is_file() for path in paths)
    assert str(latest) == f"complete tables and figures, under fixed names: {record.storage / 'tables' / 'latest'}"
    assert err == ""


def test_missing_cells_fail_one_line_each_unless_partial(
    record: FakeRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    record.finish(cell_of(4, 3))
    record.plan(points=[(4, 1), (4, 2), (4, 3)])
    assert main(["figure7a", f"storage={record.storage}"]) == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == len([*ENDS, *PICTURES])
    assert len(err.splitlines()) == 2
    assert all(
        line.startswith("missing: temporal window 4, temporal stride")
        and line.endswith(f"{COMMAND} storage={record.storage}")
        for line in err.splitlines()
    )
    assert main(["figure7a", f"storage={record.storage}", "partial=true"]) == 0


def test_claims_are_counted_in_a_line_of_each_artefact(record: FakeRecord, capsys: pytest.CaptureFixture[str]) -> None:
    rows, claims = {"a": 0.9, "b": 0.5, "c": 0.9}, ["a > b", "b > a", "c > b", "a > c"]
    record.rows(rows, seeds=3, launch="2b", claims=claims)
    record.rows({"d": 0.9}, launch="3c", ablation="other", artefacts=["other"])
    assert main([f"storage={record.storage}"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if str(record.storage) not in line]
    assert lines == ["depth: of 4 claims 2 hold, 1 fails, 1 inconclusive"]


def test_a_damaged_launch_is_named_and_stands_in_nobodys_way(
    record: FakeRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    record.finish(cell_of(4, 2))
    record.plan(points=[(4, 2)])
    record.launch([point("a", "c1")], "2b", frames="twelve")
    assert main([f"storage={record.storage}"]) == 0
    assert capsys.readouterr().err.startswith("note: a launch is left out: run ")
    assert main(["depth", f"storage={record.storage}"]) == 2
    assert "of 2b: plan.json, frames" in capsys.readouterr().err
    assert main([f"storage={record.storage}", "launch=2b"]) == 2


def test_notes_are_printed_and_are_no_failure(record: FakeRecord, capsys: pytest.CaptureFixture[str]) -> None:
    record.finish(cell_of(4, 2))
    record.finish(cell_of(4, 2))
    record.plan(points=[(4, 2)])
    assert main([f"storage={record.storage}"]) == 0
    assert capsys.readouterr().err.startswith("note: finished more than once")


def test_launch_names_an_older_one(record: FakeRecord) -> None:
    record.plan("1a", points=[(4, 1), (4, 2), (4, 3)])
    record.plan("2b", points=[(4, 1)])
    assert main([f"storage={record.storage}", "launch=1a"]) == 1
    assert len(record.made("figure7a.csv", "1a").read_text().splitlines()) == 1 + 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["storag=x"], "error: storag=x: unknown key; did you mean storage?"),
        (["partial=yes"], "error: partial=yes: must be true or false"),
        (["launch="], "error: launch=: give it a value"),
        (["storage=nowhere"], "nowhere/mlflow.db: there is no record"),
    ],
)
def test_a_user_error_is_one_line_and_status_2(
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


def test_a_name_that_the_record_cannot_make(record: FakeRecord, capsys: pytest.CaptureFixture[str]) -> None:
    record.launch([point("a", "c1")])
    for name, message in {
        "figure7a": "error: figure7a: no launch makes it in ",
        "figure7": "error: figure7: no such artefact; did you mean figure7b? There are: table1,",
        "dept": "did you mean depth?",
    }.items():
        assert main([name, f"storage={record.storage}"]) == 2
        assert message in capsys.readouterr().err
    assert not (record.storage / "tables").exists()


def test_a_record_without_a_launch(record: FakeRecord, capsys: pytest.CaptureFixture[str]) -> None:
    record.finish("c1")
    assert main([f"storage={record.storage}"]) == 2
    assert "no launch in it makes a table" in capsys.readouterr().err


def test_help_lists_artefacts_and_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(word in out for word in (*report.ARTEFACTS, "storage=", "launch=", "partial=", "tracking.uri="))


def test_no_library_speaks(record: FakeRecord) -> None:
    record.finish(cell_of(4, 2))
    record.plan(points=[(4, 2)])
    command = [sys.executable, "-m", "tables", "figure7a", f"storage={record.storage}"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(report.__file__).parents[2])
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == len([*ENDS, *PICTURES]) + 1
