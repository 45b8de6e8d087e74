"""Writes small pickles in PYSKL's layout, and videos for them."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from tests.data.video_files import draw_discs, path_of_disc, write_video

HEIGHT, WIDTH = 90, 160


def annotation(id: str, label: int, length: int = 12, persons: int = 1, joints: int = 17, **changed: Any) -> Any:
    """An annotation in half precision, like HRNet's: joint j of person m is j pixels right and m left of the disc."""
    places = path_of_disc(length, HEIGHT, WIDTH)
    keypoint = np.broadcast_to(places[None, :, None], (persons, length, joints, 2)).copy()
    keypoint[..., 0] += np.arange(joints) - np.arange(persons)[:, None, None]
    fields = {
        "frame_dir": id,
        "total_frames": length,
        "img_shape": (HEIGHT, WIDTH),
        "original_shape": (HEIGHT, WIDTH),
        "label": label,
        "keypoint": keypoint.astype(np.float16),
        "keypoint_score": np.full((persons, length, joints), 0.9, np.float16),
    }
    return fields | changed


def write_pickle(path: Path, train: list[Any], val: list[Any], protocol: int = 4) -> Path:
    """Write the annotations of two splits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = {split: [each["frame_dir"] for each in every] for split, every in (("train", train), ("val", val))}
    path.write_bytes(pickle.dumps({"split": names, "annotations": [*train, *val]}, protocol))
    return path


def write_videos(root: Path, annotations: list[Any]) -> Path:
    """A disc where the first joint of the first person is."""
    for each in annotations:
        length = each["total_frames"]
        frames = draw_discs(path_of_disc(length, HEIGHT, WIDTH), HEIGHT, WIDTH)
        write_video(root / f"{each['frame_dir']}.mp4", frames)
    return root


def write_dataset(root: Path, classes: int = 4, *, video: bool = True, joints: int = 17) -> Path:
    """<root>/skeletons.pkl: four training clips and two test clips of each class, every third with two persons."""
    clips = [
        annotation(f"clip_{label}_{take}", label, 12 + take, persons=1 + (take % 3 == 0), joints=joints)
        for label in range(classes)
        for take in range(6)
    ]
    held = [each for each in clips if each["frame_dir"][-1] in "45"]
    others = [each for each in clips if each["frame_dir"][-1] not in "45"]
    if video:
        write_videos(root, clips)
    return write_pickle(root / "skeletons.pkl", others, held)
