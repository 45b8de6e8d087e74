import re
import sys
from collections.abc import Callable
from dataclasses import replace
from logging import getLogger
from pathlib import Path

import pytest

from d3d.bench.declare.launch import Launch, Output
from d3d.bench.run.launch_log import LAUNCH, RESULT, libraries_heard, log_of, logged
from d3d.errors import ConfigError
from tests.bench.conftest import launch_of


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    return launch_of(tmp_path / "storage", "ablation=full")


def speak() -> None:
    LAUNCH.debug("a detail")
    LAUNCH.info("50 % done")
    LAUNCH.warning("wrong")
    LAUNCH.log(RESULT, "the end")


def kept(launch: Launch) -> list[str]:
    """The lines of the log without their times, which every line has."""
    lines = log_of(launch).read_text("utf-8").splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d  ", line) for line in lines)
    return [line[27:] for line in lines]


@pytest.mark.parametrize(
    ("output", "printed"),
    [
        ("quiet", ["wrong", "the end"]),
        ("normal", ["50 % done", "wrong", "the end"]),
        ("verbose", ["a detail", "50 % done", "wrong", "the end"]),
    ],
)
def test_all_is_kept_and_as_much_printed_as_was_asked_for(
    output: Output, printed: list[str], launch: Launch, capsys: pytest.CaptureFixture[str]
) -> None:
    with logged(replace(launch, output=output), "d3d ablation=full"):
        speak()
    assert capsys.readouterr().out.splitlines() == printed
    assert kept(launch) == ["$ d3d ablation=full", "a detail", "50 % done", "wrong", "the end"]
    LAUNCH.info("after it")
    assert capsys.readouterr().out == "after it\n"
    with logged(launch, "d3d ablation=full"):
        pass
    assert kept(launch)[5:] == ["$ d3d ablation=full"], "it is appended"


def test_nothing_that_controls_a_terminal_and_no_password_is_kept(launch: Launch) -> None:
    with logged(launch, "d3d tracking.uri=http://me:secret@host \udcff"):
        LAUNCH.info("\x1b[1mbold\x1b[0m\x07\nhttp://me:secret@host/")
    assert kept(launch) == ["$ d3d tracking.uri=http://***@host \\udcff", "bold\\x07", "http://***@host/"]


@pytest.mark.parametrize(
    ("error", "last"),
    [
        (ConfigError("seeds=x: no"), "error: seeds=x: no"),
        (KeyboardInterrupt(), "interrupted"),
        (ZeroDivisionError("by none"), "ZeroDivisionError: by none"),
    ],
)
def test_how_a_launch_ended_is_kept(error: BaseException, last: str, launch: Launch) -> None:
    with pytest.raises(type(error)), logged(launch, "d3d"):
        raise error
    assert kept(launch)[-1] == last


def _fill(path: Path) -> None:
    path.symlink_to("/dev/full")


@pytest.mark.parametrize("spoil", [Path.mkdir, _fill], ids=["a folder is in the way", "a link, which is not followed"])
def test_no_launch_fails_for_its_log(
    spoil: Callable[[Path], None], launch: Launch, capsys: pytest.CaptureFixture[str]
) -> None:
    log_of(launch).parent.mkdir(parents=True)
    spoil(log_of(launch))
    with logged(launch, "d3d"):
        speak()
    printed = capsys.readouterr().out.splitlines()
    assert printed[:3] == ["50 % done", "wrong", "the end"]
    assert printed[3].startswith(f"note: {log_of(launch)}: a part of the log is missing (")


def test_no_launch_fails_for_a_full_disk(
    launch: Launch, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("d3d.bench.run.launch_log.APPEND", 1)  # os.O_WRONLY, which follows the link
    log_of(launch).parent.mkdir(parents=True)
    _fill(log_of(launch))
    with logged(launch, "d3d"):
        speak()
    assert "a part of the log is missing (No space left on device)" in capsys.readouterr().out


def test_what_libraries_print_is_said_where_it_is_asked_for(launch: Launch, capsys: pytest.CaptureFixture[str]) -> None:
    with logged(launch, "d3d"), libraries_heard(launch):
        print("as always")
    loud = replace(launch, output="verbose")
    with logged(loud, "d3d"), libraries_heard(loud):
        print("\x1b[36m(pid=1)\x1b[0m from a worker")
        print("to standard error", file=sys.stderr)
    said = capsys.readouterr()
    assert said.out.splitlines() == ["as always", "(pid=1) from a worker", "to standard error"]
    assert not said.err
    assert kept(launch) == ["$ d3d", "$ d3d", "(pid=1) from a worker", "to standard error"]
    assert not getLogger("d3d.launch").propagate
