"""Writes small NTU RGB+D roots: `.skeleton` files with all numbers of the dataset's own, and videos."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.data.video_files import draw_discs, path_of_disc, write_video

HEIGHT, WIDTH = 1080, 1920  # of the videos that joints are counted in
SMALL = (90, 160)  # of the videos that are written

Body = dict[int, NDArray[np.float64]]  # 25×2 colour pixels in the frames a body is seen in


def skeleton_text(length: int, bodies: dict[str, Body]) -> str:
    """A file of bodies by their tracking ids. Depth pixels are a third of the colour pixels."""
    lines = [str(length)]
    for frame in range(length):
        here = {id: body[frame] for id, body in bodies.items() if frame in body}
        lines.append(str(len(here)))
        for id, joints in here.items():
            lines += [f"{id} 0 1 1 1 1 0 0.01119184 -0.256052 2", "25"]
            lines += [
                f"0.2181153 0.1725972 3.785547 {x / 3:.4f} {y / 3:.4f} {x:.4f} {y:.4f} "
                "-0.2059419 0.05349901 0.9692109 -0.1239193 2"
                for x, y in joints
            ]
    return "\r\n".join(lines) + "\r\n"


def moving_body(places: NDArray[np.float64], frames: range | list[int] | None = None) -> Body:
    """A body with all 25 joints at one place in each frame, L×2 colour pixels, in the frames that show it."""
    seen = range(len(places)) if frames is None else frames
    return {frame: np.repeat(places[frame, None], 25, axis=0) for frame in seen}


def write_skeleton(root: Path, name: str, text: str) -> Path:
    """Write nturgb+d_skeletons/<name>.skeleton."""
    path = root / "nturgb+d_skeletons" / f"{name}.skeleton"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="ascii", newline="")
    return path


def write_sample(root: Path, name: str, length: int = 12, *, second: bool = False, video: bool = True) -> Path:
    """A sample whose first body follows a disc in its video; a second one stands still."""
    centres = path_of_disc(length, *SMALL)
    places = (centres + 0.5) * (HEIGHT / SMALL[0]) - 0.5
    bodies = {"72057594037944738": moving_body(places)}
    if second:
        bodies["72057594037944739"] = moving_body(np.full((length, 2), 300.0))
    if video:
        write_video(root / "nturgb+d_rgb" / f"{name}_rgb.avi", draw_discs(centres, *SMALL))
    return write_skeleton(root, name, skeleton_text(length, bodies))


def write_root(root: Path, *, actions: int = 60, video: bool = True) -> Path:
    """Two training clips and a test clip of each action under XSub; every third clip has a second person."""
    for action in range(1, actions + 1):
        for performer in (1, 2, 3):
            name = f"S001C{performer:03d}P{performer:03d}R001A{action:03d}"
            write_sample(root, name, second=action % 3 == 0, video=video)
    return root
