"""Draws the test clips that a model is most wrong about, as it saw them but with more pixels."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw

from d3d.config import Config
from d3d.data.clip import Dataset
from d3d.data.look.contact_sheet import draw_persons
from d3d.data.samples.clip_samples import ClipSamples
from d3d.prediction import Prediction
from d3d.text import shown
from d3d.worst_clips import CAPTION, MOST, SIDE, worst_clips

FRAMES = 4  # of a clip
BACKGROUND = (25, 25, 25)  # of captions, and of joints where the system reads no frames
WRITING = (235, 235, 235)


def draw_worst(predictions: Sequence[Prediction], dataset: Dataset, config: Config) -> dict[str, Image.Image]:
    """Clip → a picture of SIDE + CAPTION rows, for at most MOST clips that are wrong, the worst first.

    A picture has FRAMES of the frames that were tested, in the place that the system saw, with the joints if it reads
    joints. A system that reads no frames has its joints alone.

    Args:
        predictions: for the test clips of the dataset.
        dataset: whose frames are read.
        config: of the test.

    Raises DataError where a clip cannot be read.
    """
    clips = {clip.id: clip for clip in dataset.test}
    predicted = {each.clip: each for each in predictions}
    worst = list(worst_clips([predictions]))[:MOST]
    data = replace(config.data, resize=round(config.data.resize * SIDE / config.data.crop), crop=SIDE)
    samples = ClipSamples(
        *([clips[id] for id in worst], dataset, data, config.evaluation.frames or config.training.frames),
        seed=None,
        evaluation=config.evaluation,
        reads=config.model.reads,
    )
    return {id: _picture(samples, place, predicted[id]) for place, id in enumerate(worst)}


def _picture(samples: ClipSamples, place: int, prediction: Prediction) -> Image.Image:
    """The picture of one clip."""
    sample = samples[place]
    taken = np.linspace(0, len(sample.joints) - 1, min(len(sample.joints), FRAMES)).round().astype(int).tolist()
    picture = Image.new("RGB", (len(taken) * SIDE, SIDE + CAPTION), BACKGROUND)
    for number, frame in enumerate(taken):
        tile = Image.new("RGB", (SIDE, SIDE), BACKGROUND)
        if "frames" in samples.reads:
            tile = Image.fromarray(sample.frames[frame].numpy())
        if "joints" in samples.reads:
            joints, visible = sample.joints[frame].numpy(), sample.visible[frame].numpy()
            draw_persons(ImageDraw.Draw(tile), samples.dataset.skeleton, joints, visible, thickness=1)
        picture.paste(tile, (number * SIDE, 0))
    actual, other = (samples.dataset.classes[number] for number in (prediction.label, prediction.predicted))
    said = shown(f"{prediction.clip}: {actual}, predicted {other}")
    ImageDraw.Draw(picture).text((3, SIDE + 1), said, WRITING)
    return picture
