"""NTU RGB+D (Shahroudy et al., CVPR 2016) and NTU RGB+D 120 (Liu et al., TPAMI 2019).

`nturgb+d_skeletons/S001C001P001R001A001.skeleton` and `nturgb+d_rgb/S001C001P001R001A001_rgb.avi`: setup, camera,
performer, replication and action, all counted from 1. The joints that are used are those in pixels of the colour video.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3d.data.clip import Clip, View
from d3d.data.formats.ntu_skeleton import read_skeleton_file
from d3d.data.frames.footage import look_at, read_footage
from d3d.data.frames.places import Places, find_places
from d3d.data.near_names import nearest_path
from d3d.data.readers.persons import moving_most
from d3d.data.skeleton import NTU
from d3d.data.source import FrameSource, Read, Source
from d3d.errors import DataError

Protocol = Literal["xsub", "xview", "xset"]

HEIGHT, WIDTH = 1080, 1920  # pixels of the colour video, which joints are counted in
CLASSES = {"ntu60": 60, "ntu120": 120}
SETUPS = {"ntu60": 17, "ntu120": 32}  # README of github.com/shahroudy/NTURGB-D
PROTOCOLS: dict[str, tuple[Protocol, ...]] = {"ntu60": ("xsub", "xview"), "ntu120": ("xsub", "xset")}
# Shahroudy et al., section 4.2.1: the twenty training performers.
SUBJECTS_60 = frozenset({1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38})
# Liu et al. (arXiv 1905.04757), section 4.2.1: the fifty-three training performers.
SUBJECTS_120 = SUBJECTS_60 | {
    *(45, 46, 47, 49, 50, 52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78, 80, 81, 82, 83, 84, 85, 86, 89, 91, 92, 93, 94),
    *(95, 97, 98, 100, 103),
}
CAMERAS = frozenset({2, 3})  # Shahroudy et al., section 4.2.2: the training cameras
_NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})", re.ASCII)
_ENDING = "_rgb.avi"  # of a video


class Sample(NamedTuple):
    """The parts of a file's name, each counted from 1."""

    setup: int
    camera: int
    performer: int
    replication: int
    action: int


def parse_name(name: str) -> Sample | None:
    """The parts of a name such as S001C002P003R002A013; None for any other name."""
    match = _NAME.fullmatch(name)
    return Sample(*(int(number) for number in match.groups())) if match else None


def ntu_source(
    root: Path,
    name: str,
    protocol: Protocol,
    *,
    persons: int = 2,
    frame_source: FrameSource = "files",
) -> Source:
    """The samples of the dataset under `root`, except those that the authors list as missing skeletons.

    Args:
        root: the folder that holds nturgb+d_skeletons/ and nturgb+d_rgb/.
        name: NTU RGB+D or NTU RGB+D 120.
        protocol: which samples are for training; ntu60 has xsub and xview, ntu120 xsub and xset.
        persons: the most persons of a clip, those who move most.
        frame_source: whether frames are read from the videos or rendered.

    Raises DataError for a protocol of the other dataset, and where there is no sample.
    """
    if protocol not in PROTOCOLS[name]:
        raise DataError(f"data.protocol={protocol}: {name} has {' and '.join(PROTOCOLS[name])}")
    files = [path for path in nearest_path(root / "nturgb+d_skeletons").glob("*") if _is_skeleton(path)]
    present = [(path, parse_name(id_of(path))) for path in files]
    of_dataset = [path for path, sample in present if sample and sample.setup <= SETUPS[name]]
    paths = sorted(
        (path for path in of_dataset if id_of(path) not in missing_skeletons()), key=lambda path: (id_of(path), path)
    )
    left = len(of_dataset) - len(paths)
    if not paths:
        raise DataError(
            f"data.root={root}: no nturgb+d_skeletons/S001C001P001R001A001.skeleton and the like; name the folder that "
            "holds nturgb+d_skeletons/ and nturgb+d_rgb/"
        )
    places = None
    if frame_source == "files":
        places = find_places(nearest_path(root / "nturgb+d_rgb"), map(id_of, paths), (_ENDING,))
    return Source(
        name=name,
        place=f"data.root={root}",
        classes=tuple(f"A{action + 1:03d}" for action in range(CLASSES[name])),
        skeleton=NTU,
        frame_source=frame_source,
        entries=tuple(paths),
        read=partial(_read, name=name, protocol=protocol, persons=persons, places=places),
        decode=partial(_decode, places),
        persons=persons,
        id_of=id_of,
        lacking="videos under nturgb+d_rgb/",
        remarks=(
            *([f"{left} samples left out: the authors list their skeletons as missing"] if left else []),
            *(places.remarks if places else ()),
        ),
        stamp=_stamp(root, paths, places, f"{protocol} {persons}"),
    )


@cache
def missing_skeletons() -> frozenset[str]:
    """The 535 samples whose skeletons the authors list as missing or incomplete, 302 of them of NTU RGB+D 60."""
    lines = (files("d3d.data.readers") / "ntu_missing_skeletons.txt").read_text().splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


def trains(sample: Sample, name: str, protocol: Protocol) -> bool:
    """Whether a sample is in the training split of the dataset `name` under this protocol."""
    if protocol == "xview":
        return sample.camera in CAMERAS
    if protocol == "xset":
        return sample.setup % 2 == 0  # Liu et al., section 4.2.2
    return sample.performer in (SUBJECTS_60 if name == "ntu60" else SUBJECTS_120)


def id_of(path: Path) -> str:
    """The id of the sample of a `.skeleton` file, in capitals as the authors write it."""
    return path.stem.strip().upper()


def _is_skeleton(path: Path) -> bool:
    return path.suffix.strip().lower() == ".skeleton"


def _video(places: Places, id: str) -> Path:
    """The video of a sample; where there is none, the path at which it is expected."""
    return places.of(id) or places.root / f"{id}{_ENDING}"


def _stamp(root: Path, paths: Sequence[Path], places: Places | None, setting: str) -> str:
    """A digest of the names, sizes and times of all files: it takes a second, reading them takes minutes."""
    digest = hashlib.sha256(f"{root} {setting}".encode())
    for path in paths:
        digest.update(_state(path))
        if places:
            digest.update(_state(_video(places, id_of(path))))
    return digest.hexdigest()


def _state(path: Path) -> bytes:
    try:
        state = path.stat()
    except OSError:
        return b"absent"
    return f"{path.name} {state.st_size} {state.st_mtime_ns}".encode()


def _read(path: Path, *, name: str, protocol: Protocol, persons: int, places: Places | None) -> Read:
    """The clip of a `.skeleton` file, and the fingerprint of its video, if there are places. Raises DataError."""
    id = id_of(path)
    sample = parse_name(id)
    assert sample is not None
    try:
        bodies = read_skeleton_file(path, len(NTU.joint_names))
    except (ValueError, OSError) as error:
        raise DataError(f"clip {id}: {path} is not a complete skeleton file ({error}); restore it") from error
    joints, visible = moving_most(bodies.joints, bodies.visible, persons)
    clip = Clip(
        id=id,
        label=sample.action - 1,
        train=trains(sample, name, protocol),
        height=HEIGHT,
        width=WIDTH,
        joints=joints,
        visible=visible,
        group=f"S{sample.setup:03d}P{sample.performer:03d}",
    )
    if places is None:
        return Read(clip)
    return replace(look_at(_video(places, id), clip), near=places.near(id))


def _decode(places: Places | None, clip: Clip, indices: NDArray[np.int64], view: View) -> NDArray[np.uint8]:
    assert places is not None
    return read_footage(_video(places, clip.id), clip, indices, view)
