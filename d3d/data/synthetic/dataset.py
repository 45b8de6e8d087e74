"""The procedural datasets, written in Penn Action's layout and read by its reader.

Everything follows from the parameters in `_made`: the same parameters give the same files, byte for byte, and the name
of their folder. `actions.py` says which clues tell the 15 actions apart, `pairs.py` how verbs and nouns are paired.
"""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.io

from d3d.data.frames.rendering import RENDERING
from d3d.data.readers.penn_action import penn_action_source
from d3d.data.source import FrameSource, Source
from d3d.data.synthetic.actions import ACTIONS, Action
from d3d.data.synthetic.pairs import PAIRS, PARTS
from d3d.data.synthetic.scene import HEIGHT, WIDTH, Scene, film
from d3d.errors import DataError

SYNTHETIC = 1  # increase it when any clip of `synthetic` changes
PAIRED = 1  # increase it when any clip of `synthetic_pairs` changes
SEED = 2023
UNSEEN = ("frames that are drawn from the joints show nothing in the hand: nobody can tell its nouns from them",)


def synthetic_source(cache: Path, clips: int, frame_source: FrameSource = "files") -> Source:
    """The dataset of this many clips, generated under `cache` unless it is already there. Raises DataError."""
    root = _made(cache, "synthetic", SYNTHETIC, ACTIONS, clips)
    return penn_action_source(root, name="synthetic", classes=tuple(ACTIONS), frame_source=frame_source)


def pairs_source(cache: Path, clips: int, frame_source: FrameSource = "files") -> Source:
    """The dataset of pairs of a verb and a noun, generated under `cache` unless it is already there.

    It has as many clips as the largest multiple of the number of pairs that is not above `clips`. So every pair is
    equally frequent among the training and among the test clips, and of verb and noun one tells nothing of the other.
    Raises DataError, also where a pair would have no test clip.
    """
    turns = clips // len(PAIRS)
    if turns < 2:
        raise DataError(
            f"data.clips={clips}: must be at least {2 * len(PAIRS)}, two for each of the {len(PAIRS)} pairs of a verb "
            "and a noun"
        )
    root = _made(cache, "synthetic_pairs", PAIRED, PAIRS, turns * len(PAIRS))
    source = penn_action_source(root, name="synthetic_pairs", classes=tuple(PAIRS), frame_source=frame_source)
    return replace(source, parts=PARTS, remarks=UNSEEN if frame_source == "rendered" else ())


def _made(cache: Path, name: str, version: int, actions: Mapping[str, Action], clips: int) -> Path:
    """The folder of a dataset, generated unless it is there. Raises DataError."""
    parameters = {name: version, "rendering": RENDERING, "seed": SEED, "clips": clips}
    root = cache / f"{name}-{hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()[:12]}"
    if not root.is_dir():
        try:
            generate(root, actions, clips)
        except OSError as error:
            raise DataError(f"{root} cannot be written ({error}); choose another storage folder") from error
    return root


def generate(root: Path, actions: Mapping[str, Action], clips: int) -> None:
    """Writes the dataset to `root`, all of it or nothing, even where several processes do so at once.

    Clip i shows action i mod the number of actions; of each action every third clip, from the second on, is a test
    clip.
    """
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{root.name}.partial-", dir=root.parent) as folder:
        partial = Path(folder) / root.name
        (partial / "labels").mkdir(parents=True)
        for index in range(clips):
            turn, label = divmod(index, len(actions))
            name = tuple(actions)[label]
            scene = film(actions[name], np.random.default_rng([SEED, index]))
            _write(partial, f"{index + 1:04d}", name, scene, train=turn % 3 != 1)
        try:
            partial.rename(root)
        except OSError:
            if not root.is_dir():  # else another process was faster and wrote the same bytes
                raise


def _write(root: Path, id: str, action: str, scene: Scene, *, train: bool) -> None:
    folder = root / "frames" / id
    folder.mkdir(parents=True)
    for number, frame in enumerate(scene.frames, start=1):
        frame.save(folder / f"{number:06d}.jpg", quality=90)
    joints = np.where(scene.visible[..., None], scene.joints + 1, np.float32(1))  # from 1, and 1 where invisible
    length = len(joints)
    label = {
        "action": action,
        "x": joints[..., 0],
        "y": joints[..., 1],
        "visibility": scene.visible.astype(np.uint8),
        "train": 1 if train else -1,
        "dimensions": np.array([HEIGHT, WIDTH, length], np.uint16),
        "nframes": np.uint8(length),
    }
    scipy.io.savemat(root / "labels" / f"{id}.mat", label)
