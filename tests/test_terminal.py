import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from d3d.terminal import console

PROJECT = Path(__file__).parents[1]
PRINTS = """
import sys
from d3d.terminal import make_output_last, output_fault
make_output_last()
for number in range(20000):
    print(number, "−×é\\udcff")
print("−×é", file=sys.stderr)
fault = output_fault()
print("went on", fault and fault.errno, file=sys.stderr)
"""


def printing(command: str, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    """Prints many lines, and then says on standard error that it went on; `command` says where to."""
    return subprocess.run(
        ["bash", "-c", command, sys.executable, PRINTS],
        cwd=PROJECT, env=os.environ | environment, capture_output=True,
    )  # fmt: skip


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_an_encoding_lacks_is_replaced(encoding: str) -> None:
    done = printing('"$0" -c "$1"', PYTHONIOENCODING=encoding)
    assert done.returncode == 0
    assert done.stderr.endswith(b"went on None\n")
    expected = "−×é".encode(encoding, "replace").decode(encoding)
    assert done.stdout.decode(encoding).splitlines()[-1] == f"19999 {expected}?"


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ('"$0" -c "$1" | head -n 1 > /dev/null', "None"),
        ('"$0" -c "$1" >&-', "None"),
        ('"$0" -c "$1" <&- >&-', "None"),
        ('"$0" -c "$1" > /dev/full', "28"),
    ],
)
def test_nothing_that_happens_to_the_output_ends_a_command(command: str, fault: str) -> None:
    done = printing(f"set -o pipefail; {command}")
    assert done.returncode == 0
    assert done.stderr.decode().splitlines() == ["−×é", f"went on {fault}"]


def test_a_closed_stream_is_not_taken_for_another_file(tmp_path: Path) -> None:
    code = "from d3d.terminal import make_output_last; make_output_last(); f = open('kept', 'w'); print('lost')"
    subprocess.run(
        ["bash", "-c", '"$0" -c "$1" >&- 2>&-', sys.executable, code],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(PROJECT)}, check=True,
    )  # fmt: skip
    assert (tmp_path / "kept").read_text() == ""


@pytest.mark.parametrize(("term", "terminal"), [("xterm", True), ("dumb", False)])
def test_only_what_can_move_a_cursor_is_a_terminal(term: str, terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", term)
    master, slave = pty.openpty()
    try:
        with os.fdopen(slave, "w") as file:
            monkeypatch.setattr("sys.stdout", file)
            assert console().is_terminal == terminal
            monkeypatch.undo()
    finally:
        os.close(master)


def test_a_variable_makes_no_terminal_and_no_column_too_narrow(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"FORCE_COLOR": "1", "TTY_COMPATIBLE": "1", "COLUMNS": "20"}.items():
        monkeypatch.setenv(name, value)
    assert not console().is_terminal
    assert console().width == 20
    console(least=80).print("[b]" + "x" * 77)
    assert capsys.readouterr().out == "[b]" + "x" * 77 + "\n"
