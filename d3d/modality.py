"""What of a clip a system can look at."""

from typing import Literal

Modality = Literal["frames", "joints"]

FRAMES: frozenset[Modality] = frozenset({"frames"})
JOINTS: frozenset[Modality] = frozenset({"joints"})
FRAMES_AND_JOINTS: frozenset[Modality] = FRAMES | JOINTS

LETTERS: dict[Modality, str] = {"frames": "R", "joints": "P"}  # as tables of the field have them: RGB and pose


def letters(reads: frozenset[Modality]) -> str:
    """Such as R+P."""
    return "+".join(letter for modality, letter in LETTERS.items() if modality in reads)
