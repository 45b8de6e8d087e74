"""The command `status`: every launch of the record, how far it is, and how to go on with it."""

import sys
from collections.abc import Iterator, Sequence

from d3d.bench.declare.usages import STATUS
from d3d.bench.record.access import record_errors_explained
from d3d.errors import D3DError
from d3d.key_values import key_values
from d3d.report import STORAGE, where_recorded
from d3d.report.progress import Progress, progress
from d3d.report.record import Record
from d3d.text import aligned, printable
from d3d.typed_path import typed_path


def main(arguments: Sequence[str]) -> int:
    """Runs `status`. Returns the exit status: 0, or 2 if the record cannot be read."""
    if {"-h", "--help"} & set(arguments):
        print(STATUS)
        return 0
    try:
        values = key_values(arguments, STATUS.keys)
        storage = typed_path("storage", values.get("storage", STORAGE))
        record = Record(storage, values.get("tracking.uri"))
        with record_errors_explained(record.uri):
            launches = progress(record)
    except D3DError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for line in record.skipped.values():
        print(f"note: {printable(line)}", file=sys.stderr)
    for line in _lines(launches, where_recorded(storage, record.uri)):
        print(printable(line))
    return 0


def _lines(launches: Sequence[Progress], where: str) -> Iterator[str]:
    """A heading, a line for each launch and for each reason of failures, and the commands that go on.

    `where` is the end of a command that records where this record is now.
    """
    header = ("launch", "last run", "cells", "ablation", "preset", "data")
    yield from aligned([header, *map(_row, launches)])
    for each in launches:
        for reason, count in each.reasons.items():
            yield f"{each.launch.id}: {count} failed: {reason}"
    for command in dict.fromkeys(each.launch.portable_command for each in launches if not each.complete):
        yield f"to continue: {command}{where}"


def _row(each: Progress) -> tuple[str, ...]:
    launch = each.launch
    others = (f", {each.cells[outcome]} {outcome}" for outcome in ("failed", "begun") if each.cells[outcome])
    cells = f"{each.cells['finished']} of {each.total}{''.join(others)}"
    return launch.id, f"{each.used:%Y-%m-%d %H:%M}", cells, launch.ablation, launch.preset, launch.data
