"""What is printed, and where: on a terminal, into a file, or into a pipe whose reader has gone.

Printing never ends a command. A character that the output's encoding lacks is replaced, and what nobody can read any
more is dropped, so that a launch goes on when its terminal is closed or `| head` has read enough.
"""

import errno
import io
import os
import select
import sys
from typing import TYPE_CHECKING, TextIO

from rich.console import Console, RenderableType

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

WIDTH = 80  # characters, the least for what must not be cut off
DUMB = ("dumb", "unknown")  # values of TERM that name terminals which cannot move the cursor
NOBODY_READS = (errno.EPIPE, errno.EIO, errno.EBADF)  # the reader, or the terminal, has gone


class _LastingFile(io.FileIO):
    """The file behind a standard stream; writing to it succeeds always, and `fault` tells why something was lost."""

    fault: OSError | None = None

    def write(self, data: "ReadableBuffer") -> int:
        try:
            while (written := super().write(data)) is None:  # another process made the file non-blocking
                select.select([], [self], [])
        except OSError as error:
            if error.errno not in NOBODY_READS:
                self.fault = error
            return memoryview(data).nbytes
        return written


def make_output_last() -> None:
    """Makes standard output and standard error of this process outlive their readers and take any character."""
    _open_closed_streams()
    sys.stdout, sys.stderr = _lasting(sys.stdout), _lasting(sys.stderr)


def output_fault() -> OSError | None:
    """Why a part of standard output could not be written, for example because the disk is full; None if all was.

    Nothing counts as lost where the reader has gone.
    """
    sys.stdout.flush()
    file = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return file.fault if isinstance(file, _LastingFile) else None


def _open_closed_streams() -> None:
    """Opens standard streams that are closed: the next file would take their place, and be printed into."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  # as long as the process
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def _lasting(stream: TextIO) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):  # it is no file of the system
        return stream
    return io.TextIOWrapper(
        io.BufferedWriter(_LastingFile(stream.fileno(), "w", closefd=False)),
        encoding=stream.encoding,
        errors="replace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def console(*, least: int = 1, live: bool = True) -> Console:
    """A console on standard output that prints text as it is, without colours or markup in it.

    It is a terminal only where the output is one that can move the cursor, whatever variables such as FORCE_COLOR say.

    Args:
        least: Its width in characters where the terminal, or the variable COLUMNS, has fewer.
        live: Whether something may be shown on it that moves; otherwise it is never a terminal.
    """
    terminal = live and sys.stdout.isatty() and os.environ.get("TERM", "").lower() not in DUMB
    plain = Console(highlight=False, markup=False, emoji=False, force_terminal=terminal)
    plain.width = max(least, plain.width)
    return plain


def rendered(shown: RenderableType) -> str:
    """The text that a console would print on standard output, at least WIDTH characters wide."""
    wide = console(least=WIDTH)
    with wide.capture() as printed:
        wide.print(shown)
    return printed.get().rstrip("\n")
