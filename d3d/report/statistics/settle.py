"""Decides how many seeds each row of a launch with `seeds=settle` needs, and estimates it for claims still open."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from d3d.bench.declare.ablations import RECIPE, TUNED
from d3d.bench.declare.claims import Claim, parse_claim
from d3d.bench.declare.looks import looks_until
from d3d.bench.record.schema import Launch
from d3d.errors import ConfigError
from d3d.report.artefacts.registry import MODULE
from d3d.report.record import Record
from d3d.report.rows import Row, rows_of, tuned_rows
from d3d.report.statistics.verdicts import compared_labels, judge


def seeds_wanted(storage: Path, tracking_uri: str | None, launch: str) -> dict[str, dict[str, int]]:
    """See d3d/report/__init__.py."""
    found, parts = _parts(storage, tracking_uri, launch)
    if found.settle is None:
        raise ConfigError(
            f"launch={launch}: it was launched with given seeds; launch it with seeds=settle to add seeds as needed"
        )
    most = found.settle
    claims = [parse_claim(text) for text in found.claims]
    return {part: wanted_of(claims, rows, most) for part, rows in parts.items()}


def wanted_of(claims: Sequence[Claim], rows: Sequence[Row], most: int) -> dict[str, int]:
    """Row → the number of seeds it should have by now, which is that of the next look of its open claims.

    `most` is the largest number of seeds a row may have.
    """
    looks = looks_until(most)
    wanted = {row.label: looks[0].seeds if row.random else 1 for row in rows}
    for claim, verdict in zip(claims, judge(claims, rows, most), strict=True):
        taken = verdict.looks + 1 if verdict.open else verdict.looks
        look = looks[min(max(taken, 1), len(looks)) - 1]
        for label in compared_labels(claim, rows):
            if wanted[label] > 1:
                wanted[label] = max(wanted[label], look.seeds)
    return wanted


def seeds_needed(storage: Path, tracking_uri: str | None, launch: str) -> tuple[str, ...]:
    """See d3d/report/__init__.py."""
    found, parts = _parts(storage, tracking_uri, launch)
    claims = [parse_claim(text) for text in found.claims]
    lines = []
    for part, rows in parts.items():
        for verdict in judge(claims, rows, found.settle):
            if verdict.open:
                place = f"{part}, {verdict.claim}" if len(parts) > 1 else verdict.claim
                lines.append(f"{place}: {verdict.outcome}: {verdict.remark}")
    return tuple(lines)


def _parts(storage: Path, tracking_uri: str | None, launch: str) -> tuple[Launch, Mapping[str, Sequence[Row]]]:
    """A launch, and part → its rows with a top-1; the claims of each part are a separate family."""
    record = Record(storage, tracking_uri)
    (found,) = record.launches(launch)
    cells = record.cells(found)
    recipe = [row for row in rows_of(found, cells, partial=False) if row.axes.get(MODULE) is None]
    tuned = {TUNED: tuned_rows(found, cells, partial=False)} if found.tuned else {}
    return found, {RECIPE: recipe, **tuned}
