"""Builds the paper's tables and figures from the record of trainings.

`build` reads only MLflow, needs neither the data nor a GPU, and writes below <storage>/tables/: one folder for each
launch, and `latest` with the newest complete files under fixed names. The same record gives the same bytes. Importing
this package is cheap, because what an artefact needs is imported only when it is built.
"""

import importlib
import logging
import os
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from d3d.errors import RecordError
from d3d.redaction import redacted
from d3d.report.artefacts.registry import ARTEFACTS, artefact_of
from d3d.report.document.blocks import Block
from d3d.report.document.writers import write_files
from d3d.text import hydra_text

if TYPE_CHECKING:
    from d3d.bench.record.schema import Launch
    from d3d.report.record import Record
    from d3d.report.statistics.verdicts import Verdict

__all__ = ["ARTEFACTS", "LATEST", "Built", "build", "seeds_needed", "seeds_wanted"]

LATEST = "latest"  # the folder of the newest complete files
TABULAR = "_tabular"  # ends the name of the file with the table of an artefact for a paper
PAGE = "report.html"  # the page that the command `report` writes beside them
STORAGE = "results"  # the default of `storage=`

# Read by libraries when they are imported: they send no telemetry, and print nothing between our own lines.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "CRITICAL")
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Tally:
    """The number of an artefact's claims with each outcome."""

    artefact: str
    part: str  # of the rows: after a search "same recipe" or "tuned", otherwise empty
    outcomes: Mapping[str, int]  # outcome, as in d3d/report/statistics/verdicts.py → number of claims
    reason: str = ""  # why no claim was tested, if the reason is the same for all

    def __str__(self) -> str:
        total = sum(self.outcomes.values())
        counts = [f"{count} {_verb(outcome, count)}" for outcome, count in self.outcomes.items()]
        place = f"{self.artefact}, {self.part}" if self.part else self.artefact
        if self.reason:
            return f"{place}: not tested: {self.reason}"
        return f"{place}: of {total} claim{'s' * (total != 1)} {', '.join(counts)}"


@dataclass(frozen=True)
class Document:
    """A table or figure as its reader sees it, before it is written as Markdown, LaTeX or HTML."""

    name: str  # of the artefact
    title: str
    blocks: Sequence[Block]
    launches: Sequence["Launch"]  # that it was built from
    judged: Mapping[str, Sequence["Verdict"]]  # part of the rows, as in `Tally` → the verdicts on its claims
    caption: Sequence[str]  # what a paper says below it, after the title and before the verdicts
    image: bytes | None = None  # of a figure: PNG


@dataclass(frozen=True)
class Built:
    """The files that `build` wrote, and what their reader has to know."""

    files: Mapping[str, tuple[Path, ...]]  # artefact → its files, in the folder of its launch below <storage>/tables/
    missing: tuple[str, ...]  # one line for each row with unfinished cells, with the command that runs them
    notes: tuple[str, ...]  # one line for each caveat, such as a cell trained twice or results of different code
    verdicts: tuple[Tally, ...] = ()  # of each artefact with claims, and after a search of both parts of its rows
    latest: tuple[Path, ...] = ()  # the copies of complete artefacts in <storage>/tables/latest/
    documents: tuple[Document, ...] = ()  # one for each artefact

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files of all artefacts."""
        return tuple(path for paths in self.files.values() for path in paths)


def build(
    names: Sequence[str],
    storage: Path,
    tracking_uri: str | None = None,
    launch: str | None = None,
    partial: bool = False,
    split: Literal["test", "validation"] = "test",
    own: Collection[str] = (),
) -> Built:
    """Builds tables and figures.

    Args:
        names: The artefacts to build, each one of ARTEFACTS or the name of another ablation, whose rows then make a
            table. Empty for all artefacts that a launch of the record asks for.
        storage: The storage folder.
        tracking_uri: The record; None is <storage>/mlflow.db.
        launch: The id of a launch. None takes, for each artefact, the newest launch on the clips of `split`, or the
            newest of all if there is none on that split.
        partial: Whether a row with only some of its seeds finished has the numbers of those seeds. Without it such a
            row has no numbers. In both cases it is listed in `missing`.
        split: The clips whose launches are preferred.
        own: The ids of launches that are taken for newer than all others: those whose command builds the artefacts. On
            a server, another machine may have run the same ablation meanwhile, or its clock may be ahead.

    The files go to the folder of the launch, or of the newest launch if an artefact is built from several. Complete
    artefacts are then copied to LATEST, unless `launch` or `split` selected a launch that is not the default one.

    Raises RecordError if a name is unknown, or if the record cannot be used, has nothing to build from or contradicts
    itself.
    """
    from d3d.bench.record.access import record_errors_explained
    from d3d.report.record import Record, folder_of

    record = Record(storage, tracking_uri)
    with record_errors_explained(record.uri):
        launches = record.launches(launch, own=own)
        makers = _makers(names, launches, f"launch {launch}" if launch else record.uri, record)
        folder = storage / "tables"
        everyone = launches if launch is None else record.launches(own=own)
        where = where_recorded(storage, record.uri)
        built: list[Built] = []
        latest: list[Path] = []
        for name in names or makers:
            chosen = _chosen(name, makers[name], split)
            artefact = artefact_of(name, chosen[0].title)
            kind = importlib.import_module(f"d3d.report.artefacts.{artefact.kind}")
            made = kind.build(record, artefact, chosen, folder / folder_of(chosen[0]), partial)
            if not made.missing and chosen == _chosen(name, everyone, "test"):
                latest += write_files(folder / LATEST, {path.name: path.read_bytes() for path in made.paths})
            built.append(made)
    return Built(
        files={name: paths for each in built for name, paths in each.files.items()},
        missing=tuple(dict.fromkeys(f"{line}{where}" for each in built for line in each.missing)),
        notes=tuple(dict.fromkeys([*(line for each in built for line in each.notes), *_left_out(record)])),
        verdicts=tuple(tally for each in built for tally in each.verdicts),
        latest=tuple(latest),
        documents=tuple(document for each in built for document in each.documents),
    )


def where_recorded(storage: Path, uri: str) -> str:
    """The end of a command that records where this record is now: arguments that begin with a blank, if any."""
    from d3d.bench.record.location import record_uri

    words = [] if storage.absolute() == Path(STORAGE).absolute() else [("storage", str(storage))]
    words += [] if uri == record_uri(None, storage) else [("tracking.uri", redacted(uri))]
    quoted = (f"{key}={_hydra(value)}" for key, value in words)
    return "".join(f" {shlex.quote(word)}" for word in quoted)


def _hydra(value: str) -> str:
    """A value as Hydra reads it, in quotation marks where it needs them."""
    return value if re.fullmatch(r"[\w./-]+", value, re.ASCII) else hydra_text(value)


def seeds_wanted(storage: Path, tracking_uri: str | None, launch: str) -> dict[str, dict[str, int]]:
    """The number of seeds that each row of a launch with `seeds=settle` should have by now, by part and row label.

    A part, "same recipe" or "tuned", is a separate family of claims. The rows of an open claim should have the seeds
    of its next look, all other rows those of the looks so far. Once every claim is settled or has had its last look,
    no row needs more seeds than it has. Raises RecordError if the launch is not in the record, ConfigError if it was
    launched with given seeds.
    """
    from d3d.report.statistics import settle

    return settle.seeds_wanted(storage, tracking_uri, launch)


def seeds_needed(storage: Path, tracking_uri: str | None, launch: str) -> tuple[str, ...]:
    """A line for each open claim of a launch: which differences are possible, and how many seeds would settle it.

    The number of seeds is for a power of 80 %, assuming that the true difference is the measured one. Raises
    RecordError as `build` does.
    """
    from d3d.report.statistics import settle

    return settle.seeds_needed(storage, tracking_uri, launch)


def _chosen(artefact: str, launches: Sequence["Launch"], split: str) -> list["Launch"]:
    """The launches that an artefact is built from: the newest on the split; for a comparison one for each dataset."""
    makers = [launch for launch in launches if artefact in launch.artefacts]
    chosen = [launch for launch in makers if launch.split == split] or makers
    return chosen if artefact_of(artefact, "").kind == "comparison" else chosen[:1]


def _verb(outcome: str, count: int) -> str:
    """The verb of an outcome, in the plural if `count` is more than 1: "holds" or "hold"."""
    return {"holds": "hold", "fails": "fail"}.get(outcome, outcome) if count > 1 else outcome


def _makers(
    names: Sequence[str], launches: Sequence["Launch"], where: str, record: "Record"
) -> dict[str, list["Launch"]]:
    """Artefact → the launches that ask for it. Raises RecordError if that is none, or none for one of the names."""
    makers = {name: [each for each in launches if name in each.artefacts] for name in _artefacts(launches)}
    faults = [_absent(name, list(makers), where) for name in names if name not in makers]
    if not names and not makers:
        faults = [f"{record.uri}: no launch in it makes a table or a figure; launch an ablation first"]
    if faults:
        raise RecordError("; ".join([faults[0], *_left_out(record)]))
    return makers


def _left_out(record: "Record") -> list[str]:
    """A line for each launch whose plan cannot be read."""
    return [f"a launch is left out: {fault}" for fault in record.skipped.values()]


def _artefacts(launches: Sequence["Launch"]) -> list[str]:
    """The artefacts that the launches ask for: the paper's in its order, then the others by name."""
    made = {name for launch in launches for name in launch.artefacts}
    for name in made:
        if not re.fullmatch(r"[\w.-]+", name):
            raise RecordError(
                f"{name}: an artefact of the record, but not a valid file name; launch it under another name"
            )
        if (other := name.removesuffix(TABULAR)) != name and other in made:
            raise RecordError(f"{name}: its files have the names of files of {other}; launch it under another name")
    return [name for name in ARTEFACTS if name in made] + sorted(made - set(ARTEFACTS))


def _absent(name: str, there: list[str], where: str) -> str:
    if name in ARTEFACTS:
        return f"{name}: no launch makes it in {where}; launch its ablation first"
    known = list(dict.fromkeys([*ARTEFACTS, *there]))
    nearest = get_close_matches(name, known, 1, 0)
    return f"{name}: no such artefact; did you mean {nearest[0]}? There are: {', '.join(known)}"
