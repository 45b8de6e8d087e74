"""How often the joints that `python orchestrate.py poses` estimates are right, and how long a frame takes.

    python -m benchmarks.poses DATA_ROOT MODELS [--clips N] [--into FOLDER]

DATA_ROOT holds one or both of two folders: `penn_action/`, Penn Action's root, of which all clips with images are
taken; and `jhmdb/`, with `videos/` and `*.pkl`, a pickle of annotated joints in PYSKL's layout (Penn Action's 13, of
each pair the person's left one first), of which N clips are taken, evenly spaced in the order of their names. MODELS is
what poses.models names; every size of the landmark model that is there is measured.

PCK@0.2 is the share of the annotated, visible joints whose estimate is at most 0.2 times the longer side of the box
around all visible annotated joints of the frame away. A joint of a frame without a person found is wrong. The nose is
compared with the annotated head.

The time is that of one CPU core, with decoding. With `--into` the lines are written to poses.csv there too.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from d3d.data.clip import Clip
from d3d.data.frames.places import find_places
from d3d.data.poses.annotate import Estimate, Estimator, estimate
from d3d.data.poses.listing import Video
from d3d.data.poses.models import SIZES, load, read_models
from d3d.data.readers.penn_action import penn_action_source
from d3d.data.readers.pyskl import pyskl_source
from d3d.data.skeleton import COCO, MIRRORED, PENN_ACTION
from d3d.errors import DataError

SHARE = 0.2  # of the longer side of the box
CLIPS = 40  # of J-HMDB

# The keypoint of COCO that is compared with each of the 13 joints of Penn Action.
KEYPOINTS = [COCO.joint_names.index("nose" if name == "head" else name) for name in PENN_ACTION.joint_names]


@dataclass(frozen=True, eq=False)
class Annotated:
    """A clip whose joints are known, and where its frames are."""

    clip: Clip  # with Penn Action's 13 joints of one person, left and right the person's own
    path: Path


def penn_action(root: Path) -> Iterator[Annotated]:
    """The clips of Penn Action that have images."""
    source = penn_action_source(root)
    for entry in source.entries:
        folder = root / "frames" / source.id_of(entry)
        if folder.is_dir():
            yield Annotated(source.read(entry).clip, folder)


def jhmdb(root: Path, count: int) -> Iterator[Annotated]:
    """So many clips of J-HMDB, whose names are evenly spaced among all."""
    (path,) = root.glob("*.pkl")
    source = pyskl_source(path, ("train1", "test1"), persons=1, frame_source="rendered")
    entries = sorted(source.entries, key=source.id_of)
    chosen = [entries[round(place)] for place in np.linspace(0, len(entries) - 1, min(count, len(entries)))]
    places = find_places(root / "videos", map(source.id_of, chosen))
    for entry in chosen:
        found = places.of(source.id_of(entry))
        assert found is not None, f"{source.id_of(entry)} is not under {root / 'videos'}"
        clip = source.read(entry).clip
        right_first = list(MIRRORED)  # the order of PENN_ACTION
        yield Annotated(replace(clip, joints=clip.joints[:, right_first], visible=clip.visible[:, right_first]), found)


def correct(found: Estimate, clip: Clip) -> NDArray[np.bool_]:
    """Whether each visible annotated joint was found: an entry for each, over all frames."""
    scale = np.array([clip.width / found.width, clip.height / found.height])
    frames = min(clip.length, len(found.points))
    points = (found.points[:frames, KEYPOINTS] + 0.5) * scale - 0.5
    present = np.asarray((found.scores[:frames] > 0).any(axis=1))
    visible = clip.visible[:frames]
    low = np.where(visible[..., None], clip.joints[:frames], np.inf).min(axis=1)
    high = np.where(visible[..., None], clip.joints[:frames], -np.inf).max(axis=1)
    away = np.linalg.norm(points - clip.joints[:frames], axis=-1)
    right = (away <= SHARE * (high - low).max(axis=-1)[:, None]) & present[:, None]
    return np.asarray(right[visible])


def line(name: str, size: str, clips: list[Annotated], estimator: Estimator) -> dict[str, str | int | float]:
    """What a model reaches on a dataset."""
    right, frames, present = [], 0, 0
    start = time.process_time()
    for each in clips:
        found = estimate(Video(each.clip.id, each.path, "", "", ""), estimator)
        right.append(correct(found, each.clip))
        frames, present = frames + len(found.points), present + found.found
    taken = time.process_time() - start
    return {
        "data": name,
        "model": size,
        "clips": len(clips),
        "frames": frames,
        "joints": sum(map(len, right)),
        "pck": round(100 * float(np.concatenate(right).mean()), 1),
        "person_found": round(100 * present / frames, 1),
        "milliseconds": round(1e3 * taken / frames, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA_ROOT")
    parser.add_argument("models", type=Path, metavar="MODELS")
    parser.add_argument("--clips", type=int, default=CLIPS, help="of J-HMDB")
    parser.add_argument("--into", type=Path, help="folder for poses.csv")
    asked = parser.parse_args()
    datasets: dict[str, list[Annotated]] = {}
    if (asked.data / "penn_action").is_dir():
        datasets["Penn Action"] = list(penn_action(asked.data / "penn_action"))
    if (asked.data / "jhmdb").is_dir():
        datasets["J-HMDB"] = list(jhmdb(asked.data / "jhmdb", asked.clips))
    lines = []
    print("| data | model | clips | frames | joints | PCK@0.2, % | frames with a person, % | CPU ms a frame |")
    print("|---|---|---:|---:|---:|---:|---:|---:|", flush=True)
    for size in reversed(SIZES):
        try:
            models = read_models(asked.models, size)
        except DataError:  # there is no model of this size
            continue
        for name, clips in datasets.items():
            lines.append(line(name, size, clips, load(models)))
            print("| " + " | ".join(map(str, lines[-1].values())) + " |", flush=True)
    if asked.into:
        asked.into.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(lines).to_csv(asked.into / "poses.csv", index=False)


if __name__ == "__main__":
    main()
