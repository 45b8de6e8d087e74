"""Writes the page: one file of HTML with the verdicts, every table and figure, and how they were made.

It needs no network and no script. Its bytes depend on the record and on the code alone.
"""

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import get_args

from jinja2 import Environment, PackageLoader, StrictUndefined

from d3d.bench.record.access import record_errors_explained
from d3d.bench.record.conditions import SEVERAL
from d3d.bench.record.schema import Launch
from d3d.report import PAGE, Built, Document
from d3d.report.artefacts.row_table import value_text
from d3d.report.artefacts.verdict_section import OUTCOMES
from d3d.report.document.blocks import Block, Bold, Entry, Grid, Heading, Link, Notes, Text
from d3d.report.document.writers import write_files
from d3d.report.made_by import made_by, recipe
from d3d.report.page.readings import readings
from d3d.report.page.reference_row import reference_row, trained
from d3d.report.page.section import Gallery, Picture, Section
from d3d.report.record import Cell, Record
from d3d.report.rows import Row, rows_of
from d3d.report.statistics.verdicts import Outcome
from d3d.report.statistics.wording import p_text
from d3d.text import shown

TITLE = "Ablations: tables, figures and verdicts"


def write_page(built: Built, storage: Path, tracking_uri: str | None = None) -> Path:
    """Writes <storage>/tables/report.html.

    Args:
        built: The tables and figures to show.
        storage: The storage folder.
        tracking_uri: The record that they were built from; None is <storage>/mlflow.db.

    Raises RecordError if the record cannot be read, or if the folder cannot be written.
    """
    record = Record(storage, tracking_uri)
    with record_errors_explained(record.uri):
        content = html(TITLE, sections(record, built))
    (path,) = write_files(storage / "tables", {PAGE: content})
    return path


def sections(record: Record, built: Built) -> list[Section]:
    """The sections of the page, verdicts first."""
    launches = list({launch.id: launch for each in built.documents for launch in each.launches}.values())
    cells = {launch.id: record.cells(launch) for launch in launches}
    everything = list({cell.id: cell for each in cells.values() for cell in each.values()}.values())
    return [
        Section("Verdicts", list(_verdicts(built))),
        Section("Tables and figures", sections=[_document(each) for each in built.documents]),
        Section("Reference rows", sections=_reference_rows(record, launches)),
        Section("What was run", sections=[_launch(each, list(cells[each.id].values())) for each in launches]),
        Section("Environment", _environment(everything)),
        Section("How the papers are read", sections=_readings(everything)),
    ]


def html(title: str, content: Sequence[Section]) -> bytes:
    """The page in UTF-8. All text is escaped; text between backticks is set as code."""
    environment = Environment(
        loader=PackageLoader("d3d.report.page", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["parts"] = parts
    environment.tests |= {
        kind.__name__.lower(): lambda block, kind=kind: isinstance(block, kind)
        for kind in (Bold, Gallery, Grid, Heading, Link, Notes, Picture, Text)
    }
    environment.tests["outcome"] = lambda bold: bold.text in get_args(Outcome)
    text = environment.get_template("page.html.jinja").render(title=title, sections=content)
    return f"{text}\n".encode()


def parts(text: str) -> list[tuple[bool, str]]:
    """A text in parts, each with whether it is code. Backticks that are no pairs are text too."""
    line = shown(text)
    pieces = line.split("`")
    if len(pieces) % 2 == 0:
        return [(False, line)]
    return [(bool(index % 2), piece) for index, piece in enumerate(pieces) if piece]


def _verdicts(built: Built) -> Iterator[Block]:
    """All claims of all artefacts, what is missing, and the notes that `tables` prints."""
    rows: dict[str, list[tuple[Entry, ...]]] = {outcome: [] for outcome in get_args(Outcome)}
    for document in built.documents:
        for part, verdicts in document.judged.items():
            place = f"{document.title} ({part})" if part else document.title
            for each in verdicts:
                said = each.remark or each.difference
                link = Link(place, _place(document))
                row = (each.claim, Bold(each.outcome), p_text(each.p_value), link, each.measured, said)
                rows[each.outcome].append(row)
    ordered = tuple(row for each in rows.values() for row in each)
    if ordered:
        counts = "; ".join(f"{outcome}: {len(each)}" for outcome, each in rows.items() if each)
        yield Text(f"Of {len(ordered)} claim{'s' * (len(ordered) > 1)} — {counts}. {OUTCOMES}")
        yield Grid(("claim", "verdict", "p", "table or figure", "measured", "remark"), ordered, "wlrwww")
    else:
        yield Text("No ablation here declares a claim.")
    if built.missing:  # without the command, which has the place of the record in it
        yield Text("Not finished, so that their numbers are a —; each table has the command that runs them:")
        yield Notes(tuple(line.partition("; run: ")[0] for line in built.missing))
    if built.notes:
        yield Text("What to know about the numbers:")
        yield Notes(tuple(_with_places(built)))


def _with_places(built: Built) -> Iterator[str]:
    """The notes that `tables` prints, each with the tables and figures that it is about; some are about the record."""
    for note in built.notes:
        places = [
            document.title
            for document in built.documents
            if any(isinstance(block, Notes) and note in block.lines for block in document.blocks)
        ]
        yield f"{'; '.join(places)}: {note}" if places else note


def _document(document: Document) -> Section:
    picture = []
    if document.image:
        alt = f"{document.title}, as a figure. Its numbers are in the table that follows."
        picture = [Picture(document.image, alt)]
    return Section(document.title, [*picture, *document.blocks], place=_place(document))


def _place(document: Document) -> str:
    return f"artefact-{document.name}"


def _reference_rows(record: Record, launches: Sequence[Launch]) -> list[Section]:
    """The reference row of each launch; where several have the same predictions of the same weights, once.

    Of these the trainings are shown, because they have learning curves.
    """
    found: dict[Hashable, tuple[Launch, Row]] = {}
    for launch in launches:
        for row in rows_of(launch, record.cells(launch), partial=True):
            cells = list(row.counted.values())
            if row.label == launch.reference and cells and trained(cells):
                key = tuple((cell.weights, cell.predictions) for cell in cells)
                if key not in found or all(cell.weights == cell.id for cell in cells):
                    found[key] = (launch, row)
    sections = [reference_row(record, launch, row) for launch, row in found.values()]
    return sections or [Section("None", [Text("No launch here has a reference row that is finished.")])]


def _launch(launch: Launch, cells: Sequence[Cell]) -> Section:
    """What a launch varied, how often, how long it took, and its command."""
    axes: dict[str, list[str]] = {}
    for point in launch.points:
        for key, value in point.axes.items():
            axes.setdefault(key, []).append(value_text(value))
    varied = [
        (key, ", ".join([*dict.fromkeys(values), *["as launched"] * (len(values) < len(launch.points))]))
        for key, values in axes.items()
    ]
    seeds = sorted({point.seed for point in launch.points})
    hours = sum(cell.seconds for cell in cells) / 3600
    said = (
        f"{recipe(launch)[0].upper()}{recipe(launch)[1:]}, data {launch.data}, {launch.frames} frames; rows "
        f"{len({point.row for point in launch.points})}, seeds {', '.join(map(str, seeds))}; {len(cells)} of "
        f"{len(launch.cells)} cells finished, {hours:.2f} hours from their starts to their ends together."
    )
    blocks: list[Block] = [Text(said), Text(made_by(launch))]
    if varied:
        blocks.append(Grid(("key varied", "values"), tuple(varied), "lw"))
    return Section(f"{launch.title} ({launch.ablation}, {launch.data}, preset {launch.preset})", blocks)


def _environment(cells: Sequence[Cell]) -> list[Block]:
    """The conditions that the cells recorded and the digests of their code, with the number of cells of each."""
    rows = []
    for name in SEVERAL:
        counts = Counter(cell.environment[name] for cell in cells if name in cell.environment)
        rows += [(name, value, str(count)) for value, count in sorted(counts.items())]
    digests = Counter((cell.code, cell.code_digest) for cell in cells)
    rows += [(f"code of {code}", digest, str(count)) for (code, digest), count in sorted(digests.items())]
    if not rows:
        return [Text("No cell is finished.")]
    return [Grid(("condition", "value", "cells"), tuple(rows), "lwr")]


def _readings(cells: Sequence[Cell]) -> list[Section]:
    """How the papers of the systems that were run are read."""
    systems = sorted({cell.params.get("model.system", "d3d") for cell in cells if cell.trained})
    said = {system: readings(system) for system in systems}
    return [Section(f"model.system={system}", [grid]) for system, grid in said.items() if grid]
