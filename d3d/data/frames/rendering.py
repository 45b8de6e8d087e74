"""Draws the persons of a clip from their joints, on a textured background, where there is no video.

A model learns from such pixels only if they are drawn with care: all clips share one palette (arms and torso, legs,
head), slightly varied in each clip, and limbs are two pixels wide where the short side has 48.
"""

import hashlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from d3d.data.clip import Clip, View
from d3d.data.skeleton import Limbs, Skeleton

RENDERING = 1  # part of the dataset's digest: increase it when anything that is drawn changes
SUPERSAMPLING = 2  # drawn this many times larger, then averaged: smooth edges at little cost
LIMB_WIDTH = 1 / 24  # of the short side of what is drawn

Colour = tuple[int, int, int]


class Palette(NamedTuple):
    """The colours of one person."""

    arms: Colour  # and torso
    legs: Colour
    head: Colour


def jittered_palette(generator: np.random.Generator) -> Palette:
    """The palette of all clips, with a little variation drawn from the generator."""
    base = np.array([(225, 120, 45), (60, 110, 230), (240, 215, 175)])
    colours = np.clip(base + generator.integers(-25, 26, (3, 3)), 0, 255)
    return Palette(*((int(red), int(green), int(blue)) for red, green, blue in colours))


def textured_background(generator: np.random.Generator, height: int, width: int) -> Image.Image:
    """A muted, blotchy picture of height × width pixels: noise at three scales around one colour."""
    colour = generator.integers(50, 130, 3)
    coarse = Image.new("RGB", (width, height), tuple(colour.tolist()))
    for cells, strength in ((3, 0.35), (8, 0.3), (24, 0.25)):
        noise = generator.integers(20, 160, (cells, cells * width // height + 1, 3), dtype=np.uint8)
        layer = Image.fromarray(noise).resize((width, height), Image.Resampling.BILINEAR)
        coarse = Image.blend(coarse, layer, strength)
    return coarse


def draw_person(
    draw: ImageDraw.ImageDraw,
    skeleton: Skeleton,
    joints: NDArray[np.float32],
    visible: NDArray[np.bool_],
    palette: Palette,
    limb_width: float,
) -> None:
    """Draws a limb where both of its ends are visible, and a disc at every visible joint.

    Args:
        draw: the drawing.
        skeleton: of the person; without a figure all limbs and joints have one colour.
        joints: J×2, (x, y) in pixels of the drawing.
        visible: J.
        palette: the colours.
        limb_width: pixels.
    """
    figure = skeleton.figure
    points = [(x, y) for x, y in joints.tolist()]
    seen = visible.tolist()
    width = max(1, round(limb_width))

    def limbs(pairs: Limbs, colour: Colour) -> None:
        for start, end in pairs:
            if seen[start] and seen[end]:
                draw.line((points[start], points[end]), colour, width)
        for joint in {joint for pair in pairs for joint in pair}:
            if seen[joint]:
                draw_disc(draw, points[joint], limb_width / 2, colour)

    if figure is None:
        limbs((*skeleton.limbs, *((joint, joint) for joint in range(len(joints)))), palette.arms)
        return
    limbs(figure.legs, palette.legs)
    if figure.trunk and all(seen[joint] for joint in figure.trunk):
        draw.polygon([points[joint] for joint in figure.trunk], palette.arms)
    limbs(figure.arms, palette.arms)
    if figure.head is not None and seen[figure.head]:
        shoulders = [points[joint] for joint in figure.shoulders if seen[joint]]
        head = points[figure.head]
        if shoulders:
            x, y = np.array(shoulders, np.float32).mean(axis=0).tolist()
            draw.line((head, (x, y)), palette.arms, width)
        draw_disc(draw, head, 1.2 * limb_width, palette.head)


def draw_disc(draw: ImageDraw.ImageDraw, centre: tuple[float, float], radius: float, colour: Colour) -> None:
    """Draws a filled circle, centre and radius in pixels."""
    x, y = centre
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), colour)


def render_frames(
    clip: Clip, indices: NDArray[np.int64], view: View, skeleton: Skeleton, persons: int = 1
) -> NDArray[np.uint8]:
    """Draws the frames of these indices; see `ReadFrames`. A clip looks the same in every run.

    `skeleton` is that of one person, `persons` the number of persons whose joints the clip has.
    """
    large = view.enlarged(SUPERSAMPLING)
    limb_width = LIMB_WIDTH * min(large.rows, large.columns)
    generator = np.random.default_rng([RENDERING, _number(clip.id)])
    palettes = [jittered_palette(generator)]
    background = textured_background(generator, large.rows, large.columns)
    palettes += [jittered_palette(generator) for _ in range(persons - 1)]
    joints = large.place(clip.joints[indices]).reshape(len(indices), persons, -1, 2)
    visible = clip.visible[indices].reshape(len(indices), persons, -1)
    frames = np.empty((len(indices), view.rows, view.columns, 3), np.uint8)
    for frame, places, seen in zip(frames, joints, visible, strict=True):
        image = background.copy()
        draw = ImageDraw.Draw(image)
        for person in reversed(range(persons)):  # the first, who moves most, is in front
            draw_person(draw, skeleton, places[person], seen[person], palettes[person], limb_width)
        frame[:] = np.asarray(image.reduce(SUPERSAMPLING))
    return frames


def _number(id: str) -> int:
    """The seed of a clip's background and colours."""
    return int(id) if id.isdecimal() else int.from_bytes(hashlib.sha256(id.encode()).digest()[:8])
