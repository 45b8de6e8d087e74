"""The allowed outcomes of any input: success, or an error of this project, in one line that names the fault."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from hypothesis import HealthCheck, Phase, settings

from d3d.errors import D3DError

TIME_LIMIT = 120  # seconds; an input that takes longer hangs


class Hang(BaseException):
    """An input took too long; a BaseException, so that no `except Exception` catches it."""


class Outcomes:
    """Counts the inputs that succeeded and that were refused; any other error is raised."""

    def __init__(self) -> None:
        self.succeeded = 0
        self.refused = 0

    def of(self, feed: Callable[[], object], *names: str) -> bool:
        """Whether an input succeeds. Where it is refused, one of the names must be in the message."""
        try:
            with _fence():
                feed()
        except D3DError as error:
            message = str(error)
            assert message.isprintable() and message, ascii(message)
            assert any(name in message for name in names), message
            self.refused += 1
            return False
        self.succeeded += 1
        return True


def inputs(count: int) -> settings:
    """Settings for this many examples, the same in every run, with no database on the disk."""
    return settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


@contextmanager
def _fence() -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, _hang)
    signal.alarm(TIME_LIMIT)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _hang(number: int, frame: FrameType | None) -> None:
    raise Hang
