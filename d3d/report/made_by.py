"""How the numbers of a launch were made, in words and as columns of a CSV."""

import shlex
from collections.abc import Iterable
from pathlib import Path

from d3d.bench.record.schema import Launch
from d3d.report.artefacts.registry import PROVENANCE
from d3d.report.record import Cell

PRIVATE = ("storage=", "tracking.uri=", "cluster.", "resources.")  # arguments that have no effect on the numbers


def recipe(launch: Launch) -> str:
    """The preset, and the overrides of the command line, without folders."""
    changed = f" with {', '.join(map(_without_folder, launch.changes))}" if launch.changes else ""
    return f"preset {launch.preset}{changed}"


def command_of(launch: Launch) -> str:
    """The launch's command as documents show it: without folders, and without what concerns only the machine."""
    return shlex.join(_without_folder(word) for word in shlex.split(launch.command) if not word.startswith(PRIVATE))


def made_by(launch: Launch) -> str:
    """A sentence with the command of a launch."""
    return f"Made by `{command_of(launch)}`."


def provenance(launch: Launch, cells: Iterable[Cell]) -> dict[str, str]:
    """Each column of PROVENANCE → how a row of a CSV was made, of which these are the finished cells."""
    digests = dict.fromkeys(digest for cell in cells for digest in cell.code_digest.split("+"))
    overrides = shlex.join(map(_without_folder, launch.changes))
    return dict(zip(PROVENANCE, (launch.preset, launch.data, overrides, launch.id, " ".join(digests)), strict=True))


def _without_folder(word: str) -> str:
    """An argument as it was typed, or the name of the file alone where its value is a path from the root or home."""
    key, equals, value = word.partition("=")
    path = value.strip("'\"")
    return f"{key}={Path(path).name}" if equals and path.startswith(("/", "~")) else word
