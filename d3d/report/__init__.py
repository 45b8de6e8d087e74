"""From the record of trainings to the paper's tables and figures.

`build` reads MLflow alone, needs neither the data nor an accelerator, and writes under <storage>/tables/: a folder for
each launch, and `latest` with the newest complete files under names that stay. The same record gives the same bytes.
Importing this package is cheap: what an artefact needs is imported as it is built.
"""

import importlib
import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from d3d.errors import RecordError
from d3d.report.artefacts.registry import ARTEFACTS, artefact_of
from d3d.report.document.writers import write_files

if TYPE_CHECKING:
    from d3d.bench.record.schema import Launch
    from d3d.report.record import Record

__all__ = ["ARTEFACTS", "LATEST", "Built", "build", "seeds_needed", "seeds_wanted"]

LATEST = "latest"  # folder of the newest complete files

# Libraries look here as they are imported: nothing is reported anywhere, and nothing but our own lines is printed.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Tally:
    """How many of an artefact's claims came out how."""

    artefact: str
    part: str  # of the rows: "same recipe" or "tuned" with a search, else nothing
    outcomes: Mapping[str, int]  # what d3d/report/statistics/verdicts.py calls each of them → how many claims
    reason: str = ""  # why no claim was tested, where all lack the same

    def __str__(self) -> str:
        total = sum(self.outcomes.values())
        counts = [f"{count} {_verb(outcome, count)}" for outcome, count in self.outcomes.items()]
        place = f"{self.artefact}, {self.part}" if self.part else self.artefact
        if self.reason:
            return f"{place}: not tested: {self.reason}"
        return f"{place}: of {total} claim{'s' * (total != 1)} {', '.join(counts)}"


@dataclass(frozen=True)
class Built:
    """What was written, and what its reader must know."""

    paths: tuple[Path, ...]  # files under <storage>/tables/, in the folders of their launches
    missing: tuple[str, ...]  # one line per row without all of its finished cells, with the command that fills it
    notes: tuple[str, ...]  # one line per doubt about the record: a cell trained twice, results of different code
    verdicts: tuple[Tally, ...] = ()  # of each artefact with claims; of a search two, its rows as they are and tuned
    latest: tuple[Path, ...] = ()  # the copies under <storage>/tables/latest/ of those that are complete


def build(
    names: Sequence[str],
    storage: Path,
    tracking_uri: str | None = None,
    launch: str | None = None,
    partial: bool = False,
    split: Literal["test", "validation"] = "test",
) -> Built:
    """Build the named artefacts; with no names, all that the record holds a launch for.

    An artefact is one of ARTEFACTS, or the name of any other ablation that was launched: the table of its rows.
    `tracking_uri` None is <storage>/mlflow.db. `launch` names one launch of the record; None takes, for each artefact,
    the newest on the clips of `split`, or where there is none, the newest. A row that lacks a finished cell has no
    numbers and is named in `missing`; with `partial` its numbers are those of the seeds that are there.

    The files go to the folder of the launch, of several to that of the newest. Those of an artefact from which nothing
    is missing are then copied to LATEST, unless `launch` or `split` chose another launch than is taken without them.

    Raises RecordError where a name is unknown, or the record holds nothing to build from or contradicts itself.
    """
    from d3d.report.record import Record, folder_of

    record = Record(storage, tracking_uri)
    launches = record.launches(launch)
    makers = {name: [each for each in launches if name in each.artefacts] for name in _artefacts(launches)}
    for name in names:
        if name not in makers:
            fault = _absent(name, list(makers), f"launch {launch}" if launch else record.uri)
            raise RecordError("; ".join([fault, *_left_out(record)]))
    if not makers:
        fault = f"{record.uri}: no launch in it makes a table or a figure; launch an ablation first"
        raise RecordError("; ".join([fault, *_left_out(record)]))
    folder = storage / "tables"
    everyone = launches if launch is None else record.launches()
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
        paths=tuple(path for each in built for path in each.paths),
        missing=tuple(dict.fromkeys(line for each in built for line in each.missing)),
        notes=tuple(dict.fromkeys([*(line for each in built for line in each.notes), *_left_out(record)])),
        verdicts=tuple(tally for each in built for tally in each.verdicts),
        latest=tuple(latest),
    )


def seeds_wanted(storage: Path, tracking_uri: str | None, launch: str) -> dict[str, dict[str, int]]:
    """How many seeds each row of a launch with `seeds=settle` should have by now, by part and row label.

    A part, "same recipe" or "tuned", is a family of claims of its own. The rows of an open claim should have the seeds
    of its next look, all others those of the looks that were needed. Nothing more than a row has is wanted where every
    claim is settled or has had its last look. Raises RecordError where the launch is not in the record, ConfigError
    where it named its seeds.
    """
    from d3d.report.statistics import settle

    return settle.seeds_wanted(storage, tracking_uri, launch)


def seeds_needed(storage: Path, tracking_uri: str | None, launch: str) -> tuple[str, ...]:
    """A line for each open claim of a launch: the difference that may hide, and how many seeds would settle it.

    That is with a power of 80 %, were the difference as measured. Raises RecordError as `build` does.
    """
    from d3d.report.statistics import settle

    return settle.seeds_needed(storage, tracking_uri, launch)


def _chosen(artefact: str, launches: Sequence["Launch"], split: str) -> list["Launch"]:
    """The launches that an artefact is built from: the newest on the split, of a comparison the newest on each data."""
    makers = [launch for launch in launches if artefact in launch.artefacts]
    chosen = [launch for launch in makers if launch.split == split] or makers
    return chosen if artefact_of(artefact, "").kind == "comparison" else chosen[:1]


def _verb(outcome: str, count: int) -> str:
    """Several hold where one holds."""
    return {"holds": "hold", "fails": "fail"}.get(outcome, outcome) if count > 1 else outcome


def _left_out(record: "Record") -> list[str]:
    """The launches whose plan cannot be read."""
    return [f"a launch is left out: {fault}" for fault in record.skipped.values()]


def _artefacts(launches: Sequence["Launch"]) -> list[str]:
    """What the launches make: the paper's artefacts in its order, then the others by name."""
    made = {name for launch in launches for name in launch.artefacts}
    for name in made:
        if not re.fullmatch(r"[\w.-]+", name):
            raise RecordError(
                f"{name}: an artefact of the record, but no file can be named so; launch it by another name"
            )
    return [name for name in ARTEFACTS if name in made] + sorted(made - set(ARTEFACTS))


def _absent(name: str, there: list[str], where: str) -> str:
    if name in ARTEFACTS:
        return f"{name}: no launch makes it in {where}; launch its ablation first"
    known = list(dict.fromkeys([*ARTEFACTS, *there]))
    nearest = get_close_matches(name, known, 1, 0)
    return f"{name}: no such artefact; did you mean {nearest[0]}? There are: {', '.join(known)}"
