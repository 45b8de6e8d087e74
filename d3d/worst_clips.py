"""The test clips that a model is most wrong about, and the pictures that a run keeps of them. Used without torch."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from d3d.prediction import Prediction

MOST = 12  # clips whose pictures a run keeps
SIDE = 112  # pixels a side of each frame in such a picture
CAPTION = 14  # pixels below the frames, for a line of text
QUALITY = 80  # of the JPEG


def worst_clips(seeds: Sequence[Sequence[Prediction]]) -> dict[str, int]:
    """Clip → the number of seeds that are wrong about it, for the clips that any is, with the most first.

    Of clips with as many, those come first whose true action has the least probability.
    """
    wrong = Counter(each.clip for seed in seeds for each in seed if each.label != each.predicted)
    labels = {each.clip: each.label for seed in seeds for each in seed}
    chances = {clip: means[labels[clip]] for clip, means in mean_probabilities(seeds).items()}
    return dict(sorted(wrong.items(), key=lambda item: (-item[1], chances.get(item[0], 0.0), item[0])))


def mean_probabilities(seeds: Sequence[Sequence[Prediction]]) -> dict[str, NDArray[np.float64]]:
    """Clip → the probability of each class, the mean over the seeds that recorded probabilities; without any, empty."""
    found: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    for each in (each for seed in seeds for each in seed):
        if max(each.label, each.predicted) < len(each.probabilities):
            found[each.clip].append(each.probabilities)
    return {clip: np.mean(values, axis=0) for clip, values in found.items()}


def write_pictures(pictures: Mapping[str, Image.Image]) -> bytes:
    """One JPEG of all pictures, one below the other, with the ids of their clips in its comment.

    Args:
        pictures: Of at least one clip; all have the same width, and SIDE + CAPTION rows.
    """
    height = SIDE + CAPTION
    sheet = Image.new("RGB", (max(each.width for each in pictures.values()), len(pictures) * height))
    for place, picture in enumerate(pictures.values()):
        sheet.paste(picture, (0, place * height))
    written = BytesIO()
    sheet.save(written, "JPEG", quality=QUALITY, comment=json.dumps([*pictures]).encode())
    return written.getvalue()


def read_pictures(content: bytes) -> dict[str, bytes]:
    """Clip → its frames side by side, as a JPEG without the caption.

    Raises ValueError that says in a line what is wrong.
    """
    try:
        with Image.open(BytesIO(content), formats=["JPEG"]) as sheet:
            clips = json.loads(sheet.info.get("comment", b""))
            if not isinstance(clips, list) or not all(isinstance(each, str) for each in clips):
                raise ValueError("its comment has no ids of clips")
            if len(clips) > MOST or sheet.height != len(clips) * (SIDE + CAPTION):
                raise ValueError(f"it has {sheet.height} rows, not {SIDE + CAPTION} for each of {len(clips)} clips")
            tops = [place * (SIDE + CAPTION) for place in range(len(clips))]
            return {
                clip: _jpeg(sheet.crop((0, top, sheet.width, top + SIDE)))
                for clip, top in zip(clips, tops, strict=True)
            }
    except (OSError, SyntaxError, ValueError, RecursionError, Image.DecompressionBombError) as error:
        raise ValueError(f"worst_clips.jpg: {error}") from error


def _jpeg(picture: Image.Image) -> bytes:
    written = BytesIO()
    picture.save(written, "JPEG", quality=QUALITY)
    return written.getvalue()
