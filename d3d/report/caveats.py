"""What a reader of numbers has to know about the cells that they come from."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from d3d.bench.record.conditions import SEPARATOR, SEVERAL
from d3d.bench.record.provenance import current_code
from d3d.bench.record.schema import Launch
from d3d.left_out import left_out_text
from d3d.report.record import Cell


def caveats(launch: Launch, cells: Mapping[str, Cell]) -> tuple[str, ...]:
    """What a reader of numbers from these cells has to know, one line each, so that nothing is averaged silently.

    The lines name clips that were left out, cells that were finished more than once, and cells of different code,
    environments or data.
    """
    notes = [left_out_text(launch.left_out)] if launch.left_out else []
    repeated = [f"{cell.id} ({cell.finished_runs} runs)" for cell in cells.values() if cell.finished_runs > 1]
    if repeated:
        notes.append(f"finished more than once, the newest run counts: {', '.join(repeated)}")
    notes += _code_caveats(list(cells.values()))
    notes += _mixed_conditions(list(cells.values()))
    planned = launch.data_digest.split("+")
    others = [cell for cell in cells.values() if cell.data_digest not in planned]
    if others:
        notes.append(f"mixed data: the plan is of {launch.data_digest}, not {_members(others, 'data_digest')}")
    return tuple(notes)


def _code_caveats(cells: Sequence[Cell]) -> list[str]:
    """Lines on cells made by different versions of the code, and on cells not made by the current one."""
    codes, notes = current_code(), []
    cells = [cell for cell in cells if cell.code in codes]  # a user's own system may not be importable here
    for part in dict.fromkeys(cell.code for cell in cells):
        own, today = [cell for cell in cells if cell.code == part], codes[part]
        digests = {digest for cell in own for digest in cell.code_digest.split("+")}
        versions = {today.digest if digest in today.equivalent else digest for digest in digests}
        if len(versions) > 1:
            members = _members(own, "code_digest")
            notes.append(f"mixed code: {len(versions)} versions of d3d/ made these cells: {members}")
    stale = sum(not codes[cell.code].made(cell.code_digest) for cell in cells)
    if stale:
        notes.append(f"{stale} of {len(cells)} cells were made by other code than today's")
    return notes


def _mixed_conditions(cells: Sequence[Cell]) -> list[str]:
    """A line for each condition that differs between cells; cells from before it was recorded are not counted."""
    notes = []
    for name, several in SEVERAL.items():
        counts = Counter(cell.environment[name] for cell in cells if name in cell.environment)
        if len(counts) > 1 or any(SEPARATOR in value for value in counts):
            each = [f"{value} ({count} cell{'s' * (count > 1)})" for value, count in sorted(counts.items())]
            notes.append(f"mixed {several}: {', '.join(each)}")
    return notes


def _members(cells: Iterable[Cell], attribute: str) -> str:
    """Each value of an attribute with the cells that have it, in words."""
    members: dict[str, list[str]] = {}
    for cell in cells:
        members.setdefault(getattr(cell, attribute), []).append(cell.id)
    return "; ".join(f"{digest} ({', '.join(ids)})" for digest, ids in sorted(members.items()))
