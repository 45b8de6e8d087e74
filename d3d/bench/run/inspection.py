"""The commands that inspect data before anything is trained: `check` reads all of it, `show` draws one clip."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from d3d.bench.declare.launch import Inspection
from d3d.config import DataConfig
from d3d.cpus import cpu_count
from d3d.data.look.check import Findings, check
from d3d.data.look.contact_sheet import contact_sheet
from d3d.data.readers.registry import find_source
from d3d.data.source import Source
from d3d.errors import DataError
from d3d.text import printable

LISTED = 20  # faults that are printed; where there are more, a file has all of them
NAMED = 5  # clips that a line names
WAYS_OUT = (
    "restore or remove them; data.missing=skip leaves out clips without frames, data.damaged=skip damaged ones, "
    "data.frames=rendered draws them"
)


def run_check(inspection: Inspection, console: Console) -> int:
    """Prints what the dataset contains and every broken clip. Returns the exit status, 1 where something is broken.

    Of a dataset with folds of its own, it checks each that is asked for.
    """
    data = inspection.config.data
    if not data.numbered:  # a validation split has the same clips in each fold
        return _check(inspection, data, "", console)
    faults = 0
    for number, fold in zip(data.folds, data.each_fold, strict=True):
        console.print(f"fold {number}, splits {' and '.join(fold.splits)}\n", soft_wrap=True)
        faults |= _check(inspection, fold, f"-fold-{number}", console)
        console.print()
    return faults


def _check(inspection: Inspection, data: DataConfig, ending: str, console: Console) -> int:
    """Checks one fold; `ending` is that of the names of the files with its faults."""
    storage = inspection.storage
    try:
        source = find_source(data, storage / "data")
    except DataError as error:
        if data.annotations is None or not Path(data.annotations).exists():
            raise  # there is nothing to check
        console.print(f"broken:\n  {error}", soft_wrap=True)
        return 1
    processes = inspection.resources.cpus or cpu_count()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"reading {escape(source.name)}", total=len(source.entries))
        frames = max(
            inspection.config.training.frames, inspection.config.evaluation.frames or 0
        )  # a launch samples both
        findings = check(source, data, frames, processes, lambda: progress.advance(task))
    console.print(f"{source.name}, {source.frame_source}: {source.place}\n", soft_wrap=True)
    for line in _classes(source, findings):
        console.print(printable(line), soft_wrap=True)
    for fact, text in _facts(source, findings):
        console.print(printable(f"{fact:<15}{text}"), soft_wrap=True)
    if findings.damaged:
        faults = [fault for _, fault in findings.damaged]
        _list(
            "left out, because they are damaged",
            faults,
            storage / "checks" / f"{source.name}{ending}-left-out.txt",
            console,
        )
    if not findings.faults:
        return 0
    _list("broken", findings.faults, storage / "checks" / f"{source.name}{ending}.txt", console)
    console.print(f"  {WAYS_OUT}", soft_wrap=True)
    return 1


def _list(heading: str, faults: Sequence[str], path: Path, console: Console) -> None:
    """Prints the first faults; where there are more, all of them are in the file `path`."""
    console.print(f"\n{heading}:")
    for fault in faults[:LISTED]:
        console.print(f"  {fault}", soft_wrap=True)
    if len(faults) > LISTED:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(faults) + "\n", "utf-8")
        console.print(f"  … {_count(len(faults) - LISTED)} more; all of them: {path}", soft_wrap=True)


def run_show(inspection: Inspection, console: Console) -> int:
    """Draws the contact sheet of a clip and prints its path. Returns the exit status, 0."""
    config = inspection.config
    folds = config.data.each_fold if config.data.numbered else (config.data,)
    sources = [find_source(fold, inspection.storage / "data") for fold in folds]
    listing = (each for each in sources if inspection.clip in map(each.id_of, each.entries))
    source = next(listing, sources[0])
    sheet = contact_sheet(source, inspection.clip, config.data, config.evaluation.frames or config.training.frames)
    folder = inspection.storage / "sheets"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{source.name}-{source.frame_source}-{inspection.clip.replace('/', '_')}.png"
    sheet.save(path)
    console.print(str(path), soft_wrap=True)
    return 0


def _classes(source: Source, findings: Findings) -> list[str]:
    """A line for each class."""
    width = max(map(len, ("class", *source.classes)))
    rows = zip(source.classes, findings.train.tolist(), findings.test.tolist(), strict=True)
    lines = [f"{name:<{width}}{train:>13}{test:>12}" for name, train, test in rows]
    return [f"{'class':<{width}}{'to train on':>13}{'to test on':>12}", *lines, ""]


def _facts(source: Source, findings: Findings) -> list[tuple[str, str]]:
    """Facts about the dataset, each a name and a text."""
    found = findings.lengths
    train, test = int(findings.train.sum()), int(findings.test.sum())
    used = int(((findings.train + findings.test) > 0).sum())
    lines = [
        ("clips", f"{_count(len(found))}: {_count(train)} to train on, {_count(test)} to test on"),
        ("classes", f"{len(source.classes)}" + (f", {used} of them with clips" if used < len(source.classes) else "")),
    ]
    if len(found):
        lengths = f"{found.min()} to {found.max()} a clip, median {np.median(found):.0f}"
        lines.append(("frames", f"{_count(int(found.sum()))}; {lengths}"))
        lines.append(("image sizes", _sizes(findings.sizes)))
        invisible = f", {100 * findings.invisible / findings.joints:.1f} % of them invisible" if findings.joints else ""
        lines.append(("joints", f"{len(source.skeleton.joint_names)} a person{invisible}"))
    if source.persons > 1:
        counts = ", ".join(f"{number} in {_count(clips)}" for number, clips in sorted(findings.persons.items()))
        lines.append(("persons", f"{counts} clips"))
    if findings.groups.train or findings.groups.test:
        lines.append(("groups", _groups(findings)))
    if both := findings.groups.both:
        text = f"{_count(len(both))} groups have clips to train on and clips to test on, which may be of one recording"
        lines.append(("note", f"{text}: {_few(both)}"))
    if findings.left_out:
        lines.append(("without frames", _clips(findings.left_out, f"lack {source.lacking}")))
    if findings.damaged:
        ids = [id for id, _ in findings.damaged]
        lines.append(("left out", _clips(ids, "with damage")))
    lines += [("note", _clips(ids, note)) for note, ids in findings.notes.items()]
    lines += [("note", text) for text in (*findings.doubts, *source.remarks)]
    for split, of_split in (("to train on", findings.train), ("to test on", findings.test)):
        if empty := [source.classes[label] for label in np.flatnonzero(of_split == 0)]:
            lines.append(("note", f"{len(empty)} classes have no clip {split}: {_few(empty)}"))
    if single := [source.classes[label] for label in findings.groups.single]:
        text = "have one clip, or clips of one group, to train on, too few for a search or a baseline to validate with"
        lines.append(("note", f"{len(single)} classes {text}: {_few(single)}"))
    lines.append(("broken", _count(len(findings.faults)) if findings.faults else "nothing"))
    lines.append(("digest", findings.digest or "none, because the dataset cannot be opened"))
    return lines


def _groups(findings: Findings) -> str:
    """How many groups there are of clips that may be of one recording."""
    train, test, both, _ = findings.groups
    text = f"{_count(train)} to train on, {_count(test)} to test on"
    if train + test - len(both) == len(findings.lengths):
        return f"{text}: each clip is one of its own; data.groups=FILE.csv says which are of one recording"
    return text


def _sizes(sizes: Mapping[tuple[int, int], int]) -> str:
    """Image sizes, the most common first."""
    ordered = sorted(sizes.items(), key=lambda entry: (-entry[1], entry[0]))
    shown = ", ".join(f"{width}×{height} in {_count(clips)} clips" for (width, height), clips in ordered[:NAMED])
    return shown + (f", and {len(ordered) - NAMED} other sizes" if len(ordered) > NAMED else "")


def _clips(ids: Sequence[str], what: str) -> str:
    return f"{_count(len(ids))} {'clip' if len(ids) == 1 else 'clips'} {what}: {_few(ids)}"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")


def _count(number: int) -> str:
    """A number with its thousands separated by spaces."""
    return f"{number:,}".replace(",", " ")
