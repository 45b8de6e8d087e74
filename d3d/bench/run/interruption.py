"""Ctrl-C, SIGTERM and a terminal that goes away (SIGHUP) end a launch alike: in order, and only once."""

import signal
import threading
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = threading.Event()  # set by the first signal: its exception is lost if it arrives in a callback from C


def listen() -> None:
    """Makes each of the signals raise KeyboardInterrupt, except those that are ignored, as nohup does with SIGHUP.

    Call it again after a library has set handlers of its own.
    """
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    if not INTERRUPTED.is_set():  # a closed terminal may send more than one; none may cut short how the launch ends
        INTERRUPTED.set()
        raise KeyboardInterrupt
