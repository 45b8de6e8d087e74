"""The command `clean`: lists the files of a storage folder that can be done without, and removes them once asked to."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from d3d.bench.declare.usages import CLEAN
from d3d.bench.plan.machine import locked
from d3d.bench.record.location import checkpoints, record_uri
from d3d.bench.record.tracking import cells_that_finished
from d3d.errors import ConfigError
from d3d.key_values import boolean, key_values
from d3d.text import printable
from d3d.training.checkpoint import FILE, PREVIOUS
from d3d.typed_path import typed_path

UNITS = ("bytes", "kB", "MB", "GB", "TB")


@dataclass(frozen=True)
class Spare:
    """Files that can be done without, for one reason."""

    what: str
    files: tuple[Path, ...]

    @property
    def size(self) -> int:
        """Bytes, of the files that are still there."""
        return sum(path.stat().st_size for path in self.files if path.exists())


def run_clean(arguments: Sequence[str]) -> int:
    """Runs `clean`. Returns the exit status 0. Raises ConfigError, RecordError or ScheduleError."""
    if {"-h", "--help"} & set(arguments):
        print(CLEAN)
        return 0
    values = key_values(arguments, CLEAN.keys)
    if "storage" not in values:
        raise ConfigError("storage= is missing; name the folder to clean, such as storage=results")
    storage = typed_path("storage", values["storage"]).absolute()
    weights, yes = (boolean(key, values.get(key, "false")) for key in ("weights", "yes"))
    if not checkpoints(storage).is_dir():
        raise ConfigError(f"storage={storage}: has no checkpoints; name a folder that a launch has written to")
    with locked(storage):
        found = spare_files(storage, cells_that_finished(record_uri(values.get("tracking.uri"), storage)), weights)
        for each in found:
            print(printable(f"{size_text(each.size):>9}  {each.what}: {len(each.files)} files"))
        if not found:
            print(printable(f"{storage}: nothing to remove"))
        elif yes or _agreed():
            freed = sum(each.size for each in found)
            for path in [path for each in found for path in each.files]:
                path.unlink(missing_ok=True)
            print(f"removed; {size_text(freed)} are free")
        else:
            print("nothing was removed; yes=true removes these files")
    return 0


def spare_files(storage: Path, finished: frozenset[str], weights: bool) -> tuple[Spare, ...]:
    """What can be removed from a storage folder that no launch is using.

    Args:
        storage: the folder.
        finished: ids of the cells that the record has results of. The checkpoints of all others are kept.
        weights: whether the weights of finished cells can be done without.
    """
    folders = sorted(path for path in checkpoints(storage).iterdir() if path.is_dir() and not path.is_symlink())
    done = [folder for folder in folders if folder.name in finished]
    found = [
        Spare("half written by processes that were killed", _existing(folders, f"{FILE}.*")),
        Spare("checkpoints before the last of finished cells", _existing(done, PREVIOUS)),
    ]
    if weights:
        found.append(Spare("weights of finished cells, which would have to be trained again", _existing(done, FILE)))
    return tuple(each for each in found if each.files)


def size_text(size: int) -> str:
    """A number of bytes with at most three digits before the point, such as 1.2 GB."""
    value, unit = float(size), 0
    while value >= 999.5 and unit + 1 < len(UNITS):
        value, unit = value / 1000, unit + 1
    return f"{value:.0f} {UNITS[unit]}" if unit == 0 or value >= 99.5 else f"{value:.1f} {UNITS[unit]}"


def _existing(folders: Sequence[Path], pattern: str) -> tuple[Path, ...]:
    return tuple(path for folder in folders for path in _files(folder, pattern))


def _files(folder: Path, pattern: str) -> Iterator[Path]:
    return (path for path in sorted(folder.glob(pattern)) if path.is_file() and not path.is_symlink())


def _agreed() -> bool:
    """Whether somebody at a terminal says yes."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    print("remove these files? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
