"""Builds a figure of attention in further clips, those that the figures of the same attention before it do not show."""

from collections.abc import Sequence
from pathlib import Path

from d3d.bench.record.schema import Launch
from d3d.report import Built, Document
from d3d.report.artefacts.attention import SHOWN
from d3d.report.artefacts.attention_plot import chosen, clips_said, draw
from d3d.report.artefacts.files import write
from d3d.report.artefacts.registry import PROVENANCE, Artefact
from d3d.report.caveats import caveats
from d3d.report.document.blocks import Block, Grid, Notes, Text
from d3d.report.document.writers import csv_bytes
from d3d.report.made_by import command_of, made_by, provenance
from d3d.report.record import Record
from d3d.report.rows import missing_lines, missing_note, rows_of, setting, unfinished

COLUMNS = ("clip", "action", "predicted")
BEFORE = {"deformable": "Figure 5", "joint": "Figure 6"}


def build(record: Record, artefact: Artefact, launches: Sequence[Launch], folder: Path, partial: bool) -> Built:
    """Writes the figure of the newest launch, of the maps of its first row and seed.

    Where the test kept the maps of no further clip, nothing is written, and a note says so.

    Args:
        record: The record to read the cells from.
        artefact: The figure to build.
        launches: Launches that ask for the figure, newest first.
        folder: Where the files go.
        partial: Whether a row with only some of its seeds finished counts.

    Raises RecordError if the record contradicts itself.
    """
    launch = launches[0]
    cells = record.cells(launch)
    rows = rows_of(launch, cells, partial)
    missing = missing_lines(rows, launch.portable_command)
    shown = next((cell for row in rows for cell in row.counted.values()), None)
    lines: list[tuple[str, ...]] = []
    images: dict[str, bytes] = {}
    said: list[str] = []
    made: dict[str, str] = {}
    if shown:
        maps = record.maps(shown)
        numbers = chosen(maps, artefact.after)
        if not numbers:
            note = f"{artefact.title}: not drawn, because the test kept the maps of only {len(maps.clips)} clips"
            return Built({}, missing, (note,))
        lines = [tuple(str(names[each]) for names in (maps.clips, maps.actions, maps.predicted)) for each in numbers]
        images = draw(maps, artefact.module, artefact.after)
        said = [clips_said(maps, artefact.module, artefact.after)] if images else []
        made = provenance(launch, [shown])
    notes = caveats(launch, cells)
    blocks: list[Block] = [
        Text(f"Where the model looks in further clips: {setting(launch, rows)}. {made_by(launch)}"),
        Text(
            f"{SHOWN[artefact.module]} {BEFORE[artefact.module]} has what is claimed of it, judged over all test clips."
        ),
        Grid(COLUMNS, tuple(lines), "lll"),
        Notes((*missing_note(rows, command_of(launch)), *notes)),
    ]
    caption = (SHOWN[artefact.module], *said, f"Measured: {setting(launch, rows)}.", *unfinished(rows))
    document = Document(artefact.name, artefact.title, blocks, (launch,), {}, caption, images.get(".png"))
    table = [dict(zip(COLUMNS, line, strict=True)) | made for line in lines]
    files = write(document, folder, csv_bytes([*COLUMNS, *PROVENANCE], table), images)
    return Built(files, missing, notes, documents=(document,))
