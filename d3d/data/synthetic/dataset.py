"""A procedural dataset of 15 actions, written in Penn Action's layout and read by its reader.

Everything follows from the parameters in `_key`: the same parameters give the same files, byte for byte, and the name
of their folder. `actions.py` says which clues tell the actions apart.
"""

import hashlib
import json
import tempfile
from pathlib import Path

import numpy as np
import scipy.io

from d3d.data.frames.rendering import RENDERING
from d3d.data.readers.penn_action import penn_action_source
from d3d.data.source import FrameSource, Source
from d3d.data.synthetic.actions import ACTIONS
from d3d.data.synthetic.scene import HEIGHT, WIDTH, Scene, film
from d3d.errors import DataError

SYNTHETIC = 1  # increase it when any clip changes
SEED = 2023


def synthetic_source(cache: Path, clips: int, frame_source: FrameSource = "files") -> Source:
    """The dataset of this many clips, generated under `cache` unless it is already there. Raises DataError."""
    root = cache / f"synthetic-{_key(clips)}"
    if not root.is_dir():
        try:
            generate(root, clips)
        except OSError as error:
            raise DataError(f"{root} cannot be written ({error}); choose another storage folder") from error
    return penn_action_source(root, name="synthetic", classes=tuple(ACTIONS), frame_source=frame_source)


def _key(clips: int) -> str:
    parameters = {"synthetic": SYNTHETIC, "rendering": RENDERING, "seed": SEED, "clips": clips}
    return hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()[:12]


def generate(root: Path, clips: int) -> None:
    """Writes the dataset to `root`, all of it or nothing, even where several processes do so at once.

    Clip i shows action i mod 15; of each action every third clip, from the second on, is a test clip.
    """
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{root.name}.partial-", dir=root.parent) as folder:
        partial = Path(folder) / root.name
        (partial / "labels").mkdir(parents=True)
        for index in range(clips):
            turn, label = divmod(index, len(ACTIONS))
            name = tuple(ACTIONS)[label]
            scene = film(ACTIONS[name], np.random.default_rng([SEED, index]))
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
