"""What a launch says: on the terminal as much of it as was asked for, and in a file all of it, with times.

    LAUNCH.info("3 cells to train")

Levels of `LAUNCH`, a logger of Python: `debug` for what only `-v` prints, `info`, `warning` for what is wrong, and
RESULT for what is said at the end. `-q` prints the last two.
"""

import io
import os
import re
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from datetime import datetime
from logging import DEBUG, ERROR, INFO, WARNING, Handler, LogRecord, StreamHandler, getLogger
from pathlib import Path
from textwrap import shorten
from types import TracebackType
from typing import TextIO

from d3d.bench.declare.launch import Launch, Output
from d3d.errors import D3DError
from d3d.redaction import redacted
from d3d.text import printable

FOLDER = "logs"  # in the storage folder
RESULT = WARNING + 5
LEAST: dict[Output, int] = {"quiet": WARNING, "normal": INFO, "verbose": DEBUG}  # the levels that are printed
APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK  # a FIFO is not waited for
CONTROL = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])")  # sequences that control a terminal

LAUNCH = getLogger("d3d.launch")
LAUNCH.propagate = False
LAUNCH.setLevel(DEBUG)


class _Terminal(Handler):
    """Prints on standard output, above the live table where there is one."""

    stream: TextIO | None = None  # None: what standard output is at that time

    def emit(self, record: LogRecord) -> None:
        print(record.getMessage(), file=self.stream or sys.stdout, flush=True)


class _File(Handler):
    """Appends lines to a file. Nothing that happens to the file ends a launch: `fault` tells why lines are missing."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.fault: OSError | None = None

    def emit(self, record: LogRecord) -> None:
        self.keep(record.getMessage())

    def keep(self, text: str) -> None:
        """Appends the lines of a text, each with the time, without what controls a terminal and without secrets."""
        now = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        lines = CONTROL.sub("", redacted(text)).splitlines()
        kept = "".join(f"{now}  {printable(line)}\n" for line in lines)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self.path, APPEND, 0o644)
            try:
                os.write(file, kept.encode("utf-8", "replace"))
            finally:
                os.close(file)
        except OSError as error:
            self.fault = error

    def keep_end(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        """Keeps the error that ended a launch, if one did; whoever catches it prints it."""
        if isinstance(error, D3DError):
            self.keep(f"error: {error}")
        elif isinstance(error, KeyboardInterrupt):
            self.keep("interrupted")
        elif error is not None:
            self.keep("".join(traceback.format_exception(error)))


_TERMINAL = _Terminal(INFO)
LAUNCH.addHandler(_TERMINAL)


def log_of(launch: Launch) -> Path:
    """The file of a launch's log. The launches of an ablation in a storage folder share it."""
    return launch.storage / FOLDER / f"{launch.name}.log"


@contextmanager
def logged(launch: Launch, command: str) -> Iterator[None]:
    """The context of a launch: what it says is printed as `launch.output` asks, and kept.

    `command` is what the user typed.
    """
    file = _File(log_of(launch))
    LAUNCH.addHandler(file)
    _TERMINAL.setLevel(LEAST[launch.output])
    with ExitStack() as stack:
        stack.callback(_TERMINAL.setLevel, INFO)
        stack.callback(LAUNCH.removeHandler, file)
        stack.push(file.keep_end)
        file.keep(f"$ {command}")
        yield
        if file.fault:
            LAUNCH.warning(f"note: {file.path}: a part of the log is missing ({file.fault.strerror})")


@contextmanager
def libraries_heard(launch: Launch) -> Iterator[None]:
    """With `-v`, a context in which what libraries and workers print is a part of what the launch says."""
    if launch.output != "verbose":
        yield
        return
    heard = _Heard()
    for handler in getLogger("ray").handlers:  # Ray's has been given standard error when Ray was imported
        if isinstance(handler, StreamHandler) and handler.stream is sys.stderr:
            handler.setStream(heard)
    getLogger("ray.tune").setLevel(ERROR)  # it warns of files that are not written, and names a folder that is removed
    _TERMINAL.stream = sys.stdout
    try:
        with redirect_stdout(heard), redirect_stderr(heard):
            yield
    finally:
        _TERMINAL.stream = None


def keep_logs_of_ray(launch: Launch) -> None:
    """With `-v`, copies what this launch's own Ray and its workers have logged in the temporary folder."""
    if launch.output != "verbose" or launch.cluster.address is not None:
        return
    place = log_of(launch).with_suffix(".ray")
    try:
        shutil.copytree(Path(tempfile.gettempdir(), "ray", "session_latest", "logs"), place, dirs_exist_ok=True)
        LAUNCH.debug(f"what Ray's processes and the workers have logged: {place}")
    except OSError as error:  # shutil's error, which lists all files, is one too
        LAUNCH.warning(f"note: {place}: not all of Ray's logs could be kept ({shorten(str(error), 200)})")


class _Heard(io.TextIOBase):
    """A stream each line of which the launch says."""

    def __init__(self) -> None:
        self.begun = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self.begun = (self.begun + text).split("\n")
        for line in lines:
            LAUNCH.debug(CONTROL.sub("", line))
        return len(text)
