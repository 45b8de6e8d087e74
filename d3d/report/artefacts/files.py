"""Writes the files of a table or figure: all documents are made from the same blocks."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from d3d.report import TABULAR, Document
from d3d.report.artefacts.claim_marks import claims_said
from d3d.report.document.blocks import Grid, latex, markdown
from d3d.report.document.tabular import tabular
from d3d.report.document.writers import write_files
from d3d.text import shown


def write(
    document: Document, folder: Path, csv: bytes, images: Mapping[str, bytes] = MappingProxyType({})
) -> dict[str, tuple[Path, ...]]:
    """Writes NAME.csv, .md, .tex, _tabular.tex and .txt, and the images.

    Args:
        document: The table or figure. Its first table becomes the tabular, its caption the text.
        folder: Where the files go.
        csv: The numbers as CSV.
        images: End of a file's name, such as ".png" → bytes.

    Returns the artefact's name and its files. Raises RecordError if the folder cannot be written.
    """
    first = next(block for block in document.blocks if isinstance(block, Grid))
    contents = {
        ".csv": csv,
        ".md": markdown(document.title, document.blocks),
        ".tex": latex(document.title, document.blocks),
        f"{TABULAR}.tex": tabular(document.title, first),
        ".txt": caption(document),
        **images,
    }
    return {document.name: write_files(folder, {f"{document.name}{end}": each for end, each in contents.items()})}


def caption(document: Document) -> bytes:
    """The caption of a figure, and of the tabular, as plain text in UTF-8 with a line for each of its parts."""
    title = re.sub(r"^(CAST, )?(Table|Figure) \w+( \(\w\))?: ", "", document.title)
    said = (f"{title[:1].upper()}{title[1:]}.", *document.caption, *claims_said(document.judged))
    return "".join(f"{shown(line)}\n" for line in said).encode()
