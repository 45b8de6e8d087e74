"""What a system can read of a clip: its frames and its joints."""

from typing import Literal

Modality = Literal["frames", "joints"]

FRAMES: frozenset[Modality] = frozenset({"frames"})
JOINTS: frozenset[Modality] = frozenset({"joints"})
FRAMES_AND_JOINTS: frozenset[Modality] = FRAMES | JOINTS

LETTERS: dict[Modality, str] = {"frames": "R", "joints": "P"}  # RGB and pose, as in published tables


def letters(reads: frozenset[Modality]) -> str:
    """The letters of what a system reads, such as R+P."""
    return "+".join(letter for modality, letter in LETTERS.items() if modality in reads)
