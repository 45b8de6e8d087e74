import io
from collections.abc import Callable

import pytest
from rich.console import Console

from d3d.bench.plan.planning import Plan
from d3d.bench.run.failures import Failure
from d3d.bench.run.progress import INTERVAL, Progress

FAILURE = Failure("unforeseen", "Traceback\n  somewhere\nValueError: no\n")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def progress(plan: Callable[..., Plan], clock: Clock) -> Progress:
    """Four cells of 5 epochs, two finished before, and output that is not a terminal."""
    cells = plan("ablation=full", "training.epochs=5", "seeds=4").cells
    return Progress(cells, 2, Console(file=io.StringIO()), clock)


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    """The lines that have been printed since the last call."""
    return lambda: capsys.readouterr().out.splitlines()


def test_cells_are_counted_where_they_are(progress: Progress, lines: Callable[[], list[str]]) -> None:
    first, second, third, _ = progress.waiting
    assert progress.counts() == "2/6 done, 0 running, 4 waiting"
    progress.started(first)
    progress.started(second)
    progress.started(third)
    progress.result(first, 0.25, 1)
    progress.ended(first)
    progress.ended(second, FAILURE)
    progress.interrupted(third, Failure("worker", "its process died"))
    assert progress.counts() == "3/6 done, 0 running, 2 waiting, 1 failed"
    assert progress.failed == {second: FAILURE}
    assert lines()[-1] == "full: full model, seed 2: will be continued: its process died"


def test_a_line_says_what_ended_how_and_when(progress: Progress, clock: Clock, lines: Callable[[], list[str]]) -> None:
    first, second, *_ = progress.waiting
    progress.started(first)
    progress.started(second)
    clock.now = 40.0
    progress.result(first, 0.5, 5)
    clock.now = 42.0
    lines()
    progress.ended(first)
    progress.ended(second, FAILURE)
    assert lines() == [
        "full: full model, seed 0: epoch 5/5, 50.0 %, 42 s (3/6 done, 1 running, 2 waiting)",
        "full: full model, seed 1: failed, ValueError: no (3/6 done, 0 running, 2 waiting, 1 failed)",
    ]


def test_tests_and_measurements_have_no_epochs(
    plan: Callable[..., Plan], clock: Clock, lines: Callable[[], list[str]]
) -> None:
    training, test, *_ = plan("ablation=joint_noise").cells
    measurement = plan("ablation=complexity").cells[0]
    progress = Progress([test, measurement], 0, Console(file=io.StringIO()), clock)
    progress.started(test.id)
    progress.started(measurement.id)
    assert progress.line().endswith(f"{test.label}: testing; {measurement.label}: measuring")
    clock.now = 1.0
    progress.result(test.id, 0.25)
    progress.ended(test.id)
    progress.ended(measurement.id)
    assert lines() == [
        f"{test.label}: 25.0 %, 1 s (1/2 done, 1 running, 0 waiting)",
        f"{measurement.label}: done, 1 s (2/2 done, 0 running, 0 waiting)",
    ]
    assert progress.seconds_left() is None
    assert (training.epochs, test.epochs, measurement.epochs) == (1, 0, 0)


def test_lines_come_at_intervals_while_nothing_ends(
    progress: Progress, clock: Clock, lines: Callable[[], list[str]]
) -> None:
    cell = next(iter(progress.waiting))
    progress.started(cell)
    progress.result(cell, 0.1, 1)
    assert not lines()
    clock.now += INTERVAL
    progress.result(cell, 0.2, 2)
    assert [line.rpartition(": ")[2] for line in lines()] == ["epoch 2/5, 20.0 %"]


def test_the_time_left_follows_the_pace_of_the_epochs(progress: Progress, clock: Clock) -> None:
    first, second, *_ = progress.waiting
    progress.started(first)
    progress.started(second)
    clock.now = 100.0  # a slow start is not the pace
    progress.result(first, 0.1, 1)
    assert progress.seconds_left() is None
    clock.now = 103.0
    progress.result(first, None, 2)  # an epoch that is not tested is one of them
    assert progress.line().endswith(f"epoch 2/5, 10.0 %; {progress.running[second]}")
    assert progress.seconds_left() == pytest.approx((3 + 5 + 2 * 5) * 3 / 2), "18 epochs, two at a time"


def test_a_terminal_gets_a_table_that_goes_away_and_lines_that_stay(
    plan: Callable[..., Plan], clock: Clock, lines: Callable[[], list[str]]
) -> None:
    cells = plan("ablation=full", "training.epochs=5", "seeds=2").cells
    console = Console(file=io.StringIO(), force_terminal=True, width=100, highlight=False, color_system=None)
    progress = Progress(cells, 0, console, clock)
    with progress:
        progress.started(cells[0].id)
        progress.result(cells[0].id, 0.4, 3)
        with console.capture() as shown:
            console.print(progress.table())
        progress.ended(cells[0].id)
    assert "0/2 done, 1 running, 1 waiting" in shown.get()
    assert "full: full model, seed 0" in shown.get()
    assert "3/5" in shown.get()
    assert "40.0 %" in shown.get()
    assert "seed 1" not in shown.get(), "it waits"
    file = console.file
    assert isinstance(file, io.StringIO)
    assert "seed 0: epoch 3/5, 40.0 %, 0 s (1/2 done" in file.getvalue(), "above the table"
    clock.now = 2 * INTERVAL
    progress.started(cells[1].id)
    progress.result(cells[1].id, 0.4, 1)
    assert not lines(), "the table has shown it"
