"""The command `compare`: how much better one result of the record is than another, and in what the two differ."""

import sys
from collections.abc import Iterator, Sequence

from d3d.bench.declare.usages import COMPARE
from d3d.bench.record.access import record_errors_explained
from d3d.errors import ConfigError, D3DError
from d3d.key_values import key_values
from d3d.report import STORAGE
from d3d.report.contrast.contrast import Contrast, contrast
from d3d.report.contrast.selected import Selected, select
from d3d.report.record import Record
from d3d.report.rows import MISSING, Row, accuracy_text, interval_text
from d3d.report.statistics.wording import p_text, signed
from d3d.text import aligned, printable
from d3d.typed_path import typed_path

MOST_CLIPS = 5  # named of those that one side alone has right


def main(arguments: Sequence[str]) -> int:
    """Runs `compare`. Returns the exit status: 0, or 2 if the two cannot be compared."""
    if {"-h", "--help"} & set(arguments):
        print(COMPARE)
        return 0
    try:
        left, right = _selected(arguments)
        lines = list(_lines(left, right, contrast(left, right)))
    except D3DError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for line in lines:
        print(printable(line))
    return 0


def _selected(arguments: Sequence[str]) -> tuple[Selected, Selected]:
    """What A and B name. Raises ConfigError or RecordError."""
    keys = [argument for argument in arguments if "=" in argument and "/" not in argument.partition("=")[0]]
    names = [argument for argument in arguments if argument not in keys]
    if len(names) != 2:
        given = " ".join(names) or "nothing"
        raise ConfigError(f"compare {given}: name two results, such as `compare modules/full modules/no_joint`")
    values = key_values(keys, COMPARE.keys)
    storage = typed_path("storage", values.get("storage", STORAGE))
    record = Record(storage, values.get("tracking.uri"))
    other = record
    if {"other.storage", "other.tracking.uri"} & values.keys():
        folder = typed_path("other.storage", values["other.storage"]) if "other.storage" in values else storage
        other = Record(folder, values.get("other.tracking.uri"))
    with record_errors_explained(record.uri):
        left = select(record, names[0])
    with record_errors_explained(other.uri):
        return left, select(other, names[1])


def _lines(left: Selected, right: Selected, contrasts: Sequence[Contrast]) -> Iterator[str]:
    yield f"A: {left.name}" + ("" if left.whole else f", {_described(contrasts[0].left)}")
    yield f"B: {right.name}" + ("" if right.whole else f", {_described(contrasts[0].right)}")
    yield ""
    yield from aligned([("row", "A", "B", "A − B", "95 % interval", "p"), *map(_row, contrasts)])
    yield from _untested(contrasts)
    corrected = "; p is corrected for all rows (Holm)" * (len([each for each in contrasts if not each.reason]) > 1)
    yield f"top-1 in %, A − B in points with its 95 % interval, on {contrasts[0].clips} clips{corrected}"
    if left.whole:
        yield from _only(left, right)
    else:
        yield from _clips(contrasts[0])
    yield ""
    yield from _changes(contrasts)


def _described(row: Row) -> str:
    seeds = len(row.counted)
    return f"{row.label}, {seeds} seed{'s' * (seeds != 1)}" if row.random else row.label


def _untested(contrasts: Sequence[Contrast]) -> Iterator[str]:
    """Why rows were not tested, and which, if it is not all of them."""
    for reason in dict.fromkeys(each.reason for each in contrasts if each.reason):
        rows = [each.left.label for each in contrasts if each.reason == reason]
        yield f"not tested: {reason}" + ("" if len(rows) == len(contrasts) else f" ({'; '.join(rows)})")


def _row(each: Contrast) -> tuple[str, ...]:
    same = each.left.label == each.right.label
    label = each.left.label if same else f"{each.left.label} − {each.right.label}"
    numbers = accuracy_text(each.left), accuracy_text(each.right)
    value = MISSING if each.estimate is None else signed(each.estimate.value)
    if each.estimate is None or each.p_value is None:
        return label, *numbers, value, MISSING, MISSING
    low, high = each.estimate.interval()
    return label, *numbers, value, f"{signed(low)} to {signed(high)}", p_text(each.p_value)


def _clips(each: Contrast) -> Iterator[str]:
    """Which clips the two have right, and how sure each accuracy is."""
    found = each.outcomes
    yield f"95 % interval of A {interval_text(each.left)}, of B {interval_text(each.right)}"
    yield (
        f"of the clips both have {100 * found.both:.1f} % right, A alone {100 * found.left:.1f} %, "
        f"B alone {100 * found.right:.1f} %, neither {100 * found.neither:.1f} %"
    )
    for name, clips in (("A", found.only_left), ("B", found.only_right)):
        if clips:
            rest = f" and {len(clips) - MOST_CLIPS} more" * (len(clips) > MOST_CLIPS)
            yield f"{name} alone, in every seed: {', '.join(clips[:MOST_CLIPS])}{rest}"


def _only(left: Selected, right: Selected) -> Iterator[str]:
    """The rows that one of two launches alone has."""
    for name, one, other in (("A", left, right), ("B", right, left)):
        labels = {row.label for row in other.rows}
        if alone := [row.label for row in one.rows if row.label not in labels]:
            yield f"{name} alone: {'; '.join(alone)}"


def _changes(contrasts: Sequence[Contrast]) -> Iterator[str]:
    """What differs between A and B, and is the same difference in all rows."""
    first, *others = [each.changed.items() for each in contrasts]
    common = [item for item in first if all(item in other for other in others)]
    if not common:
        yield "A and B differ in no configuration key, and in no condition that was recorded"
        return
    yield from aligned([("differs", "A", "B"), *((name, *values) for name, values in common)])
