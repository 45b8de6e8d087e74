"""A picture of clips in several stages, such as a clip, what a model sees of it, and its reconstruction."""

from io import BytesIO

import numpy as np
from einops import rearrange
from PIL import Image
from torch import Tensor

from d3d.data.samples.clip_samples import DEVIATION, MEAN

LEAST = 64  # pixels a side of a frame in the picture, at least
BETWEEN = 4  # grey rows between two clips


def stages_picture(pictures: Tensor) -> bytes:
    """A PNG of B×S×3×T×H×W normalised pixels: for each clip S lines, one below the other, of T frames each."""
    pixels = ((pictures * DEVIATION + MEAN) * 255).round().clamp(0, 255)
    times = max(1, -(-LEAST // pictures.shape[-1]))
    clips = rearrange(pixels, "b s c t h w -> b (s h) (t w) c").numpy().astype(np.uint8)
    clips = clips.repeat(times, axis=1).repeat(times, axis=2)
    framed = np.pad(clips, ((0, 0), (0, BETWEEN), (0, 0), (0, 0)), constant_values=128)
    written = BytesIO()
    Image.fromarray(rearrange(framed, "b h w c -> (b h) w c")).save(written, "PNG")
    return written.getvalue()
