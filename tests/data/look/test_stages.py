from io import BytesIO

import numpy as np
import torch
from PIL import Image

from d3d.data.look.stages import BETWEEN, stages_picture
from d3d.data.samples.clip_samples import DEVIATION, MEAN


def test_a_clip_is_a_line_of_frames_for_each_stage() -> None:
    levels = torch.arange(2 * 3 * 4).view(2, 3, 1, 4, 1, 1) * 10 / 255  # of each clip, stage and time
    pictures = ((levels - MEAN) / DEVIATION).expand(2, 3, 3, 4, 16, 16)
    image = np.asarray(Image.open(BytesIO(stages_picture(pictures))))
    side, clip = 64, 3 * 64 + BETWEEN
    assert image.shape == (2 * clip, 4 * side, 3)
    for number in range(2):
        frames = image[number * clip : (number + 1) * clip - BETWEEN].reshape(3, side, 4, side, 3)
        shown = frames.transpose(0, 2, 1, 3, 4).reshape(12, -1)
        assert (shown == (number * 12 + np.arange(12))[:, None] * 10).all()


def test_large_frames_keep_their_size() -> None:
    image = Image.open(BytesIO(stages_picture(torch.zeros(1, 2, 3, 2, 80, 80))))
    assert image.size == (160, 160 + BETWEEN)
