"""What a trained model says of a test clip; apart from training.py because the tables read it without torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Prediction:
    """The class predicted for one test clip, beside the right one."""

    clip: str
    label: int
    predicted: int
