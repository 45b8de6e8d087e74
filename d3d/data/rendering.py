"""Draws a person from the joints, on a textured background, for when the video itself is not there.

How it is drawn decides whether the pixels can teach anything: all clips share one palette (arms and torso, legs,
head), which each clip jitters, and limbs are two pixels wide where the short side has 48.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from d3d.data.clip import Clip
from d3d.data.transforms import resize_joints, resized_size

RENDERING = 1  # raise it when anything that is drawn changes: it is part of the dataset's digest
SUPERSAMPLING = 2  # drawn so many times larger, then averaged: smooth edges at little cost
LIMB_WIDTH = 1 / 24  # of the short side
_LEGS = ((7, 9), (9, 11), (8, 10), (10, 12), (7, 8))
_TRUNK = (1, 2, 8, 7)
_ARMS = ((1, 2), (1, 7), (2, 8), (1, 3), (3, 5), (2, 4), (4, 6))  # and torso

Colour = tuple[int, int, int]


class Palette(NamedTuple):
    """What a person wears."""

    arms: Colour  # and torso
    legs: Colour
    head: Colour


def jittered_palette(generator: np.random.Generator) -> Palette:
    """The one palette, a little different for each clip."""
    base = np.array([(225, 120, 45), (60, 110, 230), (240, 215, 175)])
    colours = np.clip(base + generator.integers(-25, 26, (3, 3)), 0, 255)
    return Palette(*((int(red), int(green), int(blue)) for red, green, blue in colours))


def textured_background(generator: np.random.Generator, height: int, width: int) -> Image.Image:
    """A muted, blotchy picture: noise at three scales around one colour."""
    colour = generator.integers(50, 130, 3)
    coarse = Image.new("RGB", (width, height), tuple(colour.tolist()))
    for cells, strength in ((3, 0.35), (8, 0.3), (24, 0.25)):
        noise = generator.integers(20, 160, (cells, cells * width // height + 1, 3), dtype=np.uint8)
        layer = Image.fromarray(noise).resize((width, height), Image.Resampling.BILINEAR)
        coarse = Image.blend(coarse, layer, strength)
    return coarse


def draw_person(
    draw: ImageDraw.ImageDraw,
    joints: NDArray[np.float32],
    visible: NDArray[np.bool_],
    palette: Palette,
    limb_width: float,
) -> None:
    """Draw R×2 joints in pixels of the drawing: a limb where both of its ends are visible, a disc at every joint."""
    points = [(x, y) for x, y in joints.tolist()]
    seen = visible.tolist()
    width = max(1, round(limb_width))

    def limbs(pairs: tuple[tuple[int, int], ...], colour: Colour) -> None:
        for start, end in pairs:
            if seen[start] and seen[end]:
                draw.line((points[start], points[end]), colour, width)
        for joint in {joint for pair in pairs for joint in pair}:
            if seen[joint]:
                draw_disc(draw, points[joint], limb_width / 2, colour)

    limbs(_LEGS, palette.legs)
    if all(seen[joint] for joint in _TRUNK):
        draw.polygon([points[joint] for joint in _TRUNK], palette.arms)
    limbs(_ARMS, palette.arms)
    if seen[0]:
        shoulders = joints[1:3][visible[1:3]]
        if len(shoulders):
            draw.line((points[0], tuple(shoulders.mean(axis=0).tolist())), palette.arms, width)
        draw_disc(draw, points[0], 1.2 * limb_width, palette.head)


def draw_disc(draw: ImageDraw.ImageDraw, centre: tuple[float, float], radius: float, colour: Colour) -> None:
    """A filled circle."""
    x, y = centre
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), colour)


def render_frames(clip: Clip, indices: NDArray[np.int64], short: int) -> NDArray[np.uint8]:
    """Frames of a clip drawn from its joints alone; see `ReadFrames`. A clip looks the same in every run."""
    height, width = resized_size(clip.height, clip.width, short)
    large = SUPERSAMPLING * height, SUPERSAMPLING * width
    generator = np.random.default_rng([RENDERING, int(clip.id)])
    palette = jittered_palette(generator)
    background = textured_background(generator, *large)
    joints = resize_joints(clip.joints[indices], (clip.height, clip.width), large)
    frames = np.empty((len(indices), height, width, 3), np.uint8)
    for frame, points, visible in zip(frames, joints, clip.visible[indices], strict=True):
        image = background.copy()
        draw_person(ImageDraw.Draw(image), points, visible, palette, SUPERSAMPLING * LIMB_WIDTH * short)
        frame[:] = np.asarray(image.reduce(SUPERSAMPLING))
    return frames
