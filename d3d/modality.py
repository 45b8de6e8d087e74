"""What of a clip a system can look at."""

from typing import Literal

Modality = Literal["frames", "joints"]

FRAMES: frozenset[Modality] = frozenset({"frames"})
JOINTS: frozenset[Modality] = frozenset({"joints"})
FRAMES_AND_JOINTS: frozenset[Modality] = FRAMES | JOINTS
