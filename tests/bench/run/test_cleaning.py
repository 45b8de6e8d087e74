from pathlib import Path

import pytest

from d3d.bench.run.cleaning import run_clean, size_text, spare_files
from d3d.command import main
from d3d.training.checkpoint import FILE, PREVIOUS
from tests.report.fake_record import new_record


def cell(storage: Path, id: str, *names: str) -> None:
    for name in names:
        path = storage / "cells" / id / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(1000))


def files(storage: Path) -> set[str]:
    return {str(path.relative_to(storage)) for path in (storage / "cells").rglob("*") if path.is_file()}


@pytest.fixture
def used(empty_database: Path, tmp_path: Path) -> Path:
    """A storage folder with a finished cell, a failed one, one that was never recorded, and a file of somebody else."""
    record = new_record(empty_database, tmp_path / "results")
    record.finish("00aa")
    record.finish("00bb", status="FAILED")
    for id in ("00aa", "00bb", "00cc"):
        cell(record.storage, id, FILE, PREVIOUS)
    cell(record.storage, "00bb", f"{FILE}.4711")
    cell(record.storage, "00aa", "mine.txt")
    return record.storage


KEPT = {f"{id}/{name}" for id in ("00bb", "00cc") for name in (FILE, PREVIOUS)} | {"00aa/mine.txt"}


def test_only_what_no_result_needs_is_removed(used: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_clean([f"storage={used}", "yes=true"]) == 0
    assert files(used) == {f"cells/{each}" for each in KEPT | {f"00aa/{FILE}"}}
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[:2]] == [["1.0", "kB"], ["1.0", "kB"]]
    assert lines[2] == "removed; 2.0 kB are free"
    assert run_clean([f"storage={used}", "yes=true"]) == 0
    assert capsys.readouterr().out == f"{used}: nothing to remove\n"


def test_weights_go_only_where_that_was_asked_for(used: Path) -> None:
    assert run_clean([f"storage={used}", "weights=true", "yes=true"]) == 0
    assert files(used) == {f"cells/{each}" for each in KEPT}


def test_where_nobody_can_say_yes_nothing_is_removed(used: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(used)
    assert run_clean([f"storage={used}"]) == 0
    assert files(used) == before
    assert capsys.readouterr().out.splitlines()[-1] == "nothing was removed; yes=true removes these files"


def test_links_are_left_alone(used: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    cell(elsewhere, "00aa", PREVIOUS)
    (used / "cells" / "00aa" / PREVIOUS).unlink()
    (used / "cells" / "00aa" / PREVIOUS).symlink_to(elsewhere / "cells" / "00aa" / PREVIOUS)
    (used / "cells" / "00dd").symlink_to(elsewhere / "cells" / "00aa")
    assert not [each for each in spare_files(used, frozenset({"00aa", "00dd"}), weights=False) if "last" in each.what]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "storage= is missing; name the folder to clean, such as storage=results"),
        (["storage=nowhere"], "nowhere: has no checkpoints; name a folder that a launch has written to"),
        (["storage=here"], "there is no record; name the one of this folder with tracking.uri="),
        (["storage=here", "weights=maybe"], "weights=maybe: must be true or false"),
        (["storage=here", "all=true"], "all=true: unknown key"),
    ],
)
def test_what_cannot_be_cleaned_is_said_in_a_line(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cell(tmp_path / "here", "00aa", PREVIOUS)
    monkeypatch.chdir(tmp_path)
    assert main(["clean", *arguments]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and said in line
    assert files(tmp_path / "here") == {f"cells/00aa/{PREVIOUS}"}


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (99_400, "99.4 kB"),
        (99_900, "100 kB"),
        (2_345_678_901, "2.3 GB"),
    ],
)
def test_sizes_are_short(size: int, text: str) -> None:
    assert size_text(size) == text
