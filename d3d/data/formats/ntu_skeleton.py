"""The `.skeleton` text files of NTU RGB+D: the bodies that a Kinect tracked, frame by frame.

Lines: the number of frames; for each frame the number of bodies; for each body ten numbers, of which the first is its
tracking id, then the number of joints, and for each joint x y z depthX depthY colorX colorY, an orientation of
four numbers, and a tracking state (`read_skeleton_file.m` of github.com/shahroudy/NTURGB-D). A body may be lost and
found again under the same id.
"""

import io
import os
from collections.abc import Iterable, Iterator
from math import isfinite
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3d.regular_file import open_regular

MOST_BYTES = 64 << 20  # of a file; those of NTU RGB+D have a few megabytes
MOST_PLACES = 250_000  # bodies × frames, each of which becomes joints; those of NTU RGB+D have a few thousand
_BODY, _JOINT = 10, 12  # numbers on the line of a body and of a joint
_COLOUR_X, _COLOUR_Y, _STATE = 5, 6, 11
_NOT_TRACKED = 0  # a tracking state: the coordinates are meaningless; 1 is inferred, 2 tracked


class Bodies(NamedTuple):
    """All M bodies of L frames, in the order in which they first appear."""

    joints: NDArray[np.float32]  # M×L×J×2 pixels of the colour video, zero where invisible
    visible: NDArray[np.bool_]  # M×L×J


def read_skeleton_file(path: Path, count: int) -> Bodies:
    """All bodies in a file, each of `count` joints. Raises ValueError, which names the line, and OSError."""
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES} bytes")
        length, found = _parse(_Lines(io.TextIOWrapper(file, encoding="ascii", errors="replace")), count)
    places = np.zeros((len(found), length, count, 2), np.float32)
    visible = np.zeros((len(found), length, count), bool)
    for body, moments in enumerate(found.values()):
        for frame, joints_here in moments:
            values = np.array(joints_here)
            places[body, frame], visible[body, frame] = values[:, :2], values[:, 2] > 0
    return Bodies(places, visible)


def _parse(lines: "_Lines", count: int) -> tuple[int, dict[str, list[tuple[int, list[tuple[float, float, bool]]]]]]:
    """The number of frames, and id of a body → (frame, its joints) for each frame that it is in."""
    length = lines.integer("the number of frames")
    if not 1 <= length <= MOST_PLACES:
        raise lines.fault(f"{length} frames; a clip may have 1 to {MOST_PLACES}")
    found: dict[str, list[tuple[int, list[tuple[float, float, bool]]]]] = {}
    for frame in range(length):
        for _ in range(lines.integer(f"the number of bodies of frame {frame + 1} of {length}")):
            id = lines.numbers(_BODY, "a body")[0]
            here = found.setdefault(id, [])
            if len(found) * length > MOST_PLACES:
                fault = f"{len(found)} bodies in {length} frames; the two numbers multiplied may be {MOST_PLACES}"
                raise lines.fault(fault)
            if here and here[-1][0] == frame:
                raise lines.fault(f"body {id[:40]} is twice in frame {frame + 1}")
            if (joints := lines.integer("the number of joints")) != count:
                raise lines.fault(f"{joints} joints, not {count}")
            here.append((frame, [_joint(lines) for _ in range(count)]))
    lines.end()
    return length, found


def _joint(lines: "_Lines") -> tuple[float, float, bool]:
    words = lines.numbers(_JOINT, "a joint")
    try:
        x, y, tracked = float(words[_COLOUR_X]), float(words[_COLOUR_Y]), int(words[_STATE]) != _NOT_TRACKED
    except ValueError as error:
        raise lines.fault(str(error)[:80]) from error
    if not tracked:
        return 0.0, 0.0, False
    if not (isfinite(x) and isfinite(y)):
        raise lines.fault(f"a tracked joint at ({x}, {y})")
    return x, y, True


class _Lines:
    """The lines of a file, one after the other; a fault names the last line that was taken."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines: Iterator[str] = iter(lines)
        self.number = 0

    def take(self, what: str) -> str:
        self.number += 1
        for line in self._lines:
            return line
        raise self.fault(f"the file ends where {what} should be")

    def integer(self, what: str) -> int:
        line = self.take(what).strip()
        if not line.isdecimal():
            raise self.fault(f"{line[:40]!r} where {what} should be")
        return int(line)

    def numbers(self, count: int, what: str) -> list[str]:
        words = self.take(what).split(maxsplit=count)  # the rest of a very long line stays one text
        if len(words) != count:
            many = f"more than {count}" if len(words) > count else str(len(words))
            raise self.fault(f"{many} numbers where {what} has {count}")
        return words

    def end(self) -> None:
        for line in self._lines:
            self.number += 1
            if line.strip():
                raise self.fault("more lines than its frames need")

    def fault(self, reason: str) -> ValueError:
        return ValueError(f"line {self.number}: {reason}")
