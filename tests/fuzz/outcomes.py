"""What may become of any input: success, or this project's own error, in one line that names what is at fault."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from hypothesis import HealthCheck, Phase, settings

from d3d.errors import D3DError

FENCE = 120  # seconds, which no input takes unless it hangs


class Hang(BaseException):
    """An input that would not end; no `except Exception` stops it."""


class Outcomes:
    """How many inputs succeeded and how many were refused; anything else that happens to one is raised."""

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
    """So many, the same in every run, of which nothing is kept on the disk."""
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
    signal.alarm(FENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _hang(number: int, frame: FrameType | None) -> None:
    raise Hang
