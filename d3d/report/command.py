"""The commands `tables` and `report`, which build tables and figures from the record, and a page of all of them.

Both take the same arguments: [ARTEFACT …] [KEY=VALUE …].
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from d3d.bench.declare.usages import TABLE_KEYS
from d3d.errors import D3DError
from d3d.key_values import boolean, key_values
from d3d.report import ARTEFACTS, PAGE, STORAGE, Built, build
from d3d.text import printable
from d3d.typed_path import typed_path

MEANINGS = {
    "tables": "Builds tables and figures from the record, as CSV, Markdown and LaTeX.",
    "report": f"Builds the same, and from them one page, <storage>/tables/{PAGE}, that needs no network and no script.",
}


def main(arguments: Sequence[str], command: str = "tables") -> int:
    """Runs `tables` or `report`. Returns the exit status: 0, 1 if a cell is missing, 2 if nothing could be built."""
    if {"-h", "--help"} & set(arguments):
        print(_help(command))
        return 0
    try:
        names = [argument for argument in arguments if "=" not in argument]
        values = key_values([argument for argument in arguments if "=" in argument], TABLE_KEYS)
        partial = boolean("partial", values.get("partial", "false"))
        storage = typed_path("storage", values.get("storage", STORAGE))
        built = build(names, storage, values.get("tracking.uri"), values.get("launch"), partial)
        page = _page(built, storage, values.get("tracking.uri")) if command == "report" else None
    except D3DError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    said = [*(f"note: {note}" for note in built.notes), *(f"missing: {line}" for line in built.missing)]
    for line in said:
        print(printable(line), file=sys.stderr)
    made = [*map(str, built.paths)] if page is None else [str(page)]
    if built.latest and page is None:
        made.append(f"complete tables and figures, under fixed names: {built.latest[0].parent}")
    for line in (*made, *map(str, built.verdicts)):
        print(printable(line))
    return 1 if built.missing and not partial else 0


def _page(built: Built, storage: Path, tracking_uri: str | None) -> Path:
    from d3d.report.page.page import write_page  # imported here, because matplotlib and MLflow take seconds

    return write_page(built, storage, tracking_uri)


def _help(command: str) -> str:
    def table(entries: dict[str, str], suffix: str) -> list[str]:
        return [f"  {name + suffix:<14} {meaning}" for name, meaning in entries.items()]

    lines = [
        f"{command} [ARTEFACT …] [KEY=VALUE …]",
        "",
        MEANINGS[command],
        "",
        "artefacts; without a name all that the record has a launch for:",
    ]
    lines += table({name: artefact.meaning for name, artefact in ARTEFACTS.items()}, "")
    lines += table({"ABLATION": "the rows of any other ablation, under its own name"}, "")
    lines += ["", "keys:", *table(TABLE_KEYS, "=")]
    return "\n".join(lines)
