import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

WAITS = """
import signal, sys
from d3d.bench.run.interruption import listen
listen()
try:
    print("ready", flush=True)
    sys.stdin.read(1)
    print("went on")
except KeyboardInterrupt:
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        signal.raise_signal(number)
    print("ended in order")
"""


def after(number: signal.Signals, *, ignored: bool = False) -> str:
    """What a process says that gets a signal; it may have been started with the signal ignored."""
    process = subprocess.Popen(
        [sys.executable, "-c", WAITS],
        cwd=Path(__file__).parents[3], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_IGN if ignored else signal.SIG_DFL),
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    os.kill(process.pid, number)
    out, _ = process.communicate("x" if ignored else None)
    assert process.returncode == 0
    return out.strip()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_launch_is_ended_once_and_further_signals_do_not_cut_that_short(number: signal.Signals) -> None:
    assert after(number) == "ended in order"


def test_a_launch_under_nohup_outlives_its_terminal() -> None:
    assert after(signal.SIGHUP, ignored=True) == "went on"
