"""Penn Action (Zhang, Zhu, Derpanis, ICCV 2013): `frames/0001/000001.jpg` and `labels/0001.mat`.

The label files have peculiarities that are dealt with here and nowhere else: coordinates count from 1 and are unsigned
in some files (a difference would wrap around), `nframes` is mostly uint8, some files lack a row of `bbox` (not used),
`train` is 1 or −1, and the coordinates of an invisible joint are arbitrary.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from d3d.data.clip import Clip, View
from d3d.data.formats.fingerprint import Sampled, fingerprint, sample_file
from d3d.data.formats.images import read_image, turn_of_file
from d3d.data.formats.matlab import read_mat
from d3d.data.formats.turn import turn_notes
from d3d.data.near_names import match_names, nearest_path
from d3d.data.skeleton import JOINTS, PENN_ACTION
from d3d.data.source import FrameSource, Read, Source
from d3d.errors import DataError
from d3d.regular_file import open_regular

ACTIONS = (
    "baseball_pitch",
    "baseball_swing",
    "bench_press",
    "bowl",
    "clean_and_jerk",
    "golf_swing",
    "jump_rope",
    "jumping_jacks",
    "pullup",
    "pushup",
    "situp",
    "squat",
    "strum_guitar",
    "tennis_forehand",
    "tennis_serve",
)  # spelled as in the label files; the dataset's page spells some of them differently
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"  # some files have padding after the end marker
_FIELDS = ("action", "x", "y", "visibility", "train", "dimensions", "nframes")
_LACKS_BOX = ("lack a row of bbox, which is not used",)
_FAR = 1e5  # pixels; coordinates are below this, and not NaN


def penn_action_source(
    root: Path,
    *,
    name: str = "penn_action",
    classes: Sequence[str] | None = None,
    frame_source: FrameSource = "files",
) -> Source:
    """The clips under `root` that have a label file, in the order of their numbers. Raises DataError where none has.

    Args:
        root: the folder that holds labels/ and frames/.
        name: what the dataset is called.
        classes: names of the classes; None: those in `root`/classes.txt, one a line, or without it Penn Action's.
        frame_source: whether frames are read from the image files or rendered.
    """
    classes = classes or _classes(root)
    every = [path for path in nearest_path(root / "labels").glob("*") if path.suffix.strip().lower() == ".mat"]
    there = {path.stem for path in every}
    files = [
        path for path in every if re.fullmatch("[0-9]{4,}", id := id_of(path)) and (path.stem == id or id not in there)
    ]
    if not files:
        raise DataError(
            f"data.root={root}: no labels/0001.mat and the like; name the folder that holds labels/ and frames/"
        )
    return Source(
        name=name,
        place=f"data.root={root}",
        classes=tuple(classes),
        skeleton=PENN_ACTION,
        frame_source=frame_source,
        entries=tuple(sorted(files, key=lambda path: (int(path.stem), path.stem))),
        read=partial(_read, root=root, classes=tuple(classes), frame_source=frame_source),
        decode=partial(read_images, root),
        grouped=_grouped,
        id_of=id_of,
        remarks=_left_out([path.name for path in every if path not in set(files) and path.name[0] != "."]),
    )


def id_of(path: Path) -> str:
    """The id of the clip of a label file."""
    return path.stem.strip()


def _left_out(names: Sequence[str]) -> tuple[str, ...]:
    if not names:
        return ()
    return (
        f"{len(names)} label files are left out: their names are no numbers of four digits, such as {min(names)!r}",
    )


def _classes(root: Path) -> Sequence[str]:
    path = nearest_path(root / "classes.txt")
    try:
        with open_regular(path) as file:
            names = [line.strip() for line in file.read().decode("utf-8").splitlines() if line.strip()]
    except FileNotFoundError:
        return ACTIONS
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); write one class on each line") from error
    if len(names) < 2 or len(set(names)) < len(names):
        raise DataError(f"{path}: needs at least two classes, and none twice; write one class on each line")
    return names


def _read(path: Path, *, root: Path, classes: Sequence[str], frame_source: FrameSource) -> Read:
    """The clip of a label file, and the fingerprint of its image files. Raises DataError."""
    clip, notes = _read_clip(path, classes)
    if frame_source == "rendered":
        return Read(clip, notes=notes)
    try:
        images = [_sample_jpeg(path, clip.id) for path in image_paths(root, clip, range(clip.length))]
    except FileNotFoundError as error:
        return Read(clip, absent=str(error.filename), near=_near(Path(error.filename)), notes=notes)
    except OSError as error:
        raise DataError(f"clip {clip.id}: its image files cannot be read ({error}); restore them") from error
    turn = turn_of_file(image_paths(root, clip, [0])[0], clip)
    return Read(clip, pixels=fingerprint(images), notes=(*notes, *turn_notes(turn)))


def _grouped(clips: Sequence[Clip]) -> list[Clip]:
    """Repetitions are cut from one video and numbered consecutively: neighbours of one action and size are a group."""
    groups = groupby(clips, key=lambda clip: (clip.label, clip.height, clip.width))
    takes = [list(members) for _, members in groups]
    return [replace(clip, group=take[0].id) for take in takes for clip in take]


def _read_clip(path: Path, classes: Sequence[str]) -> tuple[Clip, tuple[str, ...]]:
    """The clip of a label file, and the harmless oddities of the file."""
    try:
        fields = read_mat(path, (*_FIELDS, "bbox"))
        clip = _parse_clip(id_of(path), fields, classes)
        return clip, _LACKS_BOX if len(fields.get("bbox", [])) < clip.length else ()
    except (KeyError, ValueError, OverflowError, OSError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else error
        fault = f"{path} is not a Penn Action label file ({reason})"
        raise DataError(f"clip {id_of(path)}: {fault}; restore or remove it") from error


def _parse_clip(id: str, fields: dict[str, Any], classes: Sequence[str]) -> Clip:
    action = str(fields["action"].item())
    if action not in classes:
        raise ValueError(f"action {action!r} is not one of {', '.join(classes)}")
    x, y, visible = (np.asarray(fields[key]) for key in ("x", "y", "visibility"))
    height, width = (int(size) for size in fields["dimensions"].ravel()[:2])
    shape = (int(fields["nframes"].item()), len(JOINTS))
    if not x.shape == y.shape == visible.shape == shape or shape[0] == 0:
        raise ValueError(f"x {x.shape}, y {y.shape} and visibility {visible.shape} should all be {shape}")
    train = int(fields["train"].item())
    if train not in (1, -1):
        raise ValueError(f"train is {train}, not 1 or -1")
    seen = visible.astype(bool)
    joints = np.stack([x, y], axis=-1).astype(np.float64) - 1  # float first: unsigned numbers would wrap around
    joints[~seen] = 0
    if height < 1 or width < 1 or not (np.abs(joints) < _FAR).all():
        raise ValueError("its sizes or coordinates are out of range")
    return Clip(id, list(classes).index(action), train == 1, height, width, joints.astype(np.float32), seen, group=id)


def image_paths(root: Path, clip: Clip, indices: Iterable[int]) -> list[Path]:
    """The image files of the frames of these indices, whether they exist or not."""
    names = [f"{index + 1:06d}.jpg" for index in indices]
    folder = root / "frames" / clip.id
    there = _names_in(folder)
    if not there:
        folder = nearest_path(nearest_path(root / "frames") / clip.id)
        there = _names_in(folder)
    matches = match_names((name for name in names if name not in there), there)
    return [folder / matches.meant.get(name, name) for name in names]


def _names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def _near(path: Path) -> str:
    """The names that resemble that of a missing image file, or of the folder that it should be in."""
    if not path.parent.is_dir():
        path = path.parent
    return ", ".join(match_names([path.name], _names_in(path.parent)).resembling.get(path.name, ()))


def _sample_jpeg(path: Path, id: str) -> Sampled:
    """A sample of a file that starts and ends as a JPEG does: every file is sampled before anything is started.

    Damage in between is found when the file is decoded.
    """
    sampled = sample_file(path)
    if not sampled.start.startswith(_JPEG_START) or _JPEG_END not in sampled.end:
        raise DataError(f"clip {id}: {path} is not a complete JPEG; restore it, or data.frames=rendered")
    return sampled


def read_images(root: Path, clip: Clip, indices: NDArray[np.int64], view: View) -> NDArray[np.uint8]:
    """The frames of these indices; see `ReadFrames`. Raises DataError for a file that cannot be decoded."""
    return np.stack([read_image(path, clip, view) for path in image_paths(root, clip, indices.tolist())])
