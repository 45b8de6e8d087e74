"""What the command `compare` was asked to compare: a cell, a row of a launch, or all rows of a launch."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from d3d.bench.record.schema import Launch
from d3d.errors import ConfigError, RecordError
from d3d.report.record import Record
from d3d.report.rows import Row, rows_of


@dataclass(frozen=True)
class Selected:
    """Rows of one record with at least one finished cell."""

    name: str  # as it was asked for
    rows: tuple[Row, ...]
    whole: bool  # whether it is a launch with all its rows


def select(record: Record, name: str) -> Selected:
    """Finds what is asked for in a record.

    Args:
        record: where it is looked up.
        name: the id of a launch, or the name of an ablation, which stands for its newest launch; either followed by
            `/ROW`, the label of one of its rows; or the id of a cell.

    Rows without a finished cell are left out, and a row with some of its seeds has these. Raises ConfigError where
    there is nothing of that name, RecordError where none of it is finished.
    """
    start, slash, label = name.partition("/")
    launches = [launch for launch, _ in record.every_launch]
    launch = next((each for each in launches if start in (each.id, each.ablation)), None)
    if launch:
        return _of_launch(record, launch, name, label if slash else None)
    if cell := record.cell(name):
        seed = int(cell.params.get("seed", 0))
        return Selected(name, (Row(f"cell {cell.id}", {}, {seed: cell.id}, {seed: cell}, partial=True),), whole=False)
    if state := record.states().get(name):
        raise RecordError(f"{name}: this cell is not finished ({state.reason or state.status}); launch it again first")
    known = dict.fromkeys(each.ablation for each in launches)
    nearest = get_close_matches(start, known, 1)
    near = f"; did you mean {nearest[0]}?" if nearest else ""
    there = f"ablations with a launch: {', '.join(known) or 'none'}; `status` lists the ids of launches"
    raise ConfigError(f"{name}: neither a launch, nor an ablation, nor a cell of {record.uri}{near}; {there}")


def _of_launch(record: Record, launch: Launch, name: str, label: str | None) -> Selected:
    rows = rows_of(launch, record.cells(launch), partial=True)
    if label is not None:
        labels = [row.label for row in rows]
        if label not in labels:
            nearest = get_close_matches(label, labels, 1)
            near = f"did you mean {nearest[0]}? There" if nearest else "there"
            raise ConfigError(f"{name}: launch {launch.id} has no row {label}; {near} are: {_listed(labels)}")
        rows = tuple(row for row in rows if row.label == label)
    if not any(row.cells for row in rows):
        raise RecordError(f"{name}: none of its cells is finished; to go on: {launch.portable_command}")
    return Selected(name, tuple(row for row in rows if row.cells), whole=label is None and len(rows) > 1)


def _listed(labels: Sequence[str]) -> str:
    return "; ".join(labels)
