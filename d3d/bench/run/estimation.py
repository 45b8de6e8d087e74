"""The command `poses`: estimates the joints of a user's own videos, and writes what data=pyskl trains on."""

import os
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from d3d.bench.declare.launch import Inspection
from d3d.cpus import cpu_count
from d3d.data.poses.annotate import Estimate, Estimated, estimate_all, write_dataset
from d3d.data.poses.listing import Video, list_videos
from d3d.data.poses.models import load, read_models, require_runtime
from d3d.errors import ConfigError, DataError
from d3d.text import printable

STEPS = 20  # plain lines that say how far it is, where there is no terminal
NAMED = 20  # clips that a line names
RARELY = 0.5  # of a clip's frames: where a person is found in fewer, the clip is named


def run_poses(inspection: Inspection, console: Console, program: str) -> int:
    """Estimates the joints of each video and writes the pickle. Returns the exit status, 1 where a video is broken.

    Args:
        inspection: with the folder of the videos and the keys of `poses`.
        console: where progress and findings are shown.
        program: the command as the user typed it, for the next command that is printed.
    """
    asked, root = inspection.poses, inspection.config.data.root
    if root is None:
        raise DataError("data.root is not set: name the folder of the videos")
    if asked.models is None:
        raise ConfigError("poses.models is not set: name the folder of BlazePose's models; see docs/own_videos.md")
    require_runtime()
    models = read_models(Path(asked.models), asked.size)
    load(models)  # so that models which cannot be used are found before any process starts
    videos = list_videos(Path(root), None if asked.list is None else Path(asked.list))
    name = Path(os.path.normpath(root)).name or "videos"
    output = Path(asked.output) if asked.output else inspection.storage / "poses" / f"{name}.pkl"
    processes = inspection.resources.cpus or cpu_count()
    if output.suffix != ".pkl" or output.is_dir():
        raise ConfigError(f"poses.output={output}: is no file FILE.pkl; name one")
    folder = output.with_name(f"{output.stem}.clips")  # of what was estimated of each video
    found_each = estimate_all(videos, folder, partial(load, models), models.digest, processes)
    found, faults = _collected(videos, found_each, console)
    if not found:
        raise DataError(f"data.root={root}: none of {len(videos)} videos can be used; the first: {faults[0]}")
    names = write_dataset(output, found)
    for fact, text in _facts(found, faults, names):
        console.print(printable(f"{fact:<15}{text}"), soft_wrap=True)
    arguments = [
        "data=pyskl",
        f"data.annotations={output}",
        f"data.root={root}",
        "data.skeleton=coco",
        "data.persons=1",
    ]
    console.print(printable(f"{'annotations':<15}{output}"), soft_wrap=True)
    console.print(printable(f"{'next':<15}{program} check {shlex.join(arguments)}"), soft_wrap=True)
    return 1 if faults else 0


def _collected(
    videos: Sequence[Video], found_each: Iterable[Estimate | DataError], console: Console
) -> tuple[list[Estimated], list[str]]:
    """The estimates, and what is wrong with the other videos. Shows progress, elsewhere than on a terminal as lines."""
    found: list[Estimated] = []
    faults: list[str] = []
    step = -(-len(videos) // STEPS)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("estimating joints", total=len(videos))
        for done, (video, each) in enumerate(zip(videos, found_each, strict=True), start=1):
            if isinstance(each, DataError):
                faults.append(str(each))
            else:
                found.append((video, each))
            progress.advance(task)
            if not console.is_terminal and done % step == 0:
                console.print(f"{done}/{len(videos)} videos", soft_wrap=True)
    return found, faults


def _facts(found: Sequence[Estimated], faults: Sequence[str], names: Path) -> Iterator[tuple[str, str]]:
    """Facts about what was estimated, each a name and a text."""
    splits = Counter(video.split for video, _ in found)
    yield "videos", f"{len(found)}: " + ", ".join(f"{count} in {split}" for split, count in sorted(splits.items()))
    yield "classes", f"{len({video.action for video, _ in found})}, named in {names}"
    frames, with_person = (sum(numbers) for numbers in zip(*((len(e.points), e.found) for _, e in found), strict=True))
    yield "frames", f"{frames}, a person found in {100 * with_person / frames:.1f} % of them"
    yield from _named("without a person", [video.id for video, each in found if not each.found])
    rarely = [video.id for video, each in found if 0 < each.found < RARELY * len(each.points)]
    yield from _named("with a person in less than half of their frames", rarely)
    yield from (("broken", fault) for fault in faults or ["nothing"])


def _named(what: str, ids: Sequence[str]) -> Iterator[tuple[str, str]]:
    if ids:
        clips = "1 clip" if len(ids) == 1 else f"{len(ids)} clips"
        yield "note", f"{clips} {what}: {', '.join(ids[:NAMED])}{', …' if len(ids) > NAMED else ''}"
