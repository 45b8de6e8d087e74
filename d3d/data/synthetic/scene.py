"""One synthetic clip as a camera would see it: the figure and its prop among distractions.

The background is textured and moves, the camera shakes, discs and bars drift about, a bystander may be in the picture,
and a post may hide part of the figure. Annotations are noisy and incomplete, as in Penn Action.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from d3d.data.frames.rendering import (
    LIMB_WIDTH,
    SUPERSAMPLING,
    Colour,
    draw_disc,
    draw_person,
    jittered_palette,
    textured_background,
)
from d3d.data.skeleton import JOINTS, MIRRORED, PENN_ACTION
from d3d.data.synthetic.actions import Action, Array, Held, Pose, joints_of, perform

HEIGHT, WIDTH = 72, 96  # pixels of a frame
MARGIN = 16  # pixels of background beyond each edge, for the camera to move over


class Scene(NamedTuple):
    """The frames of one clip and their annotation."""

    frames: list[Image.Image]
    joints: NDArray[np.float32]  # L×13×2 pixels from 0, as annotated
    visible: NDArray[np.bool_]  # L×13


class _Thing(NamedTuple):
    """A disc or an upright bar that moves through the picture."""

    centres: Array  # L×2 pixels
    half: Array  # half width and half height
    colour: Colour
    round: bool


def film(action: Action, generator: np.random.Generator) -> Scene:
    """A clip of 18 to 30 frames of the action; everything else is drawn from the generator."""
    length = int(generator.integers(18, 31))
    camera = _shake(length, generator)
    height = generator.uniform(0.62, 0.82) * HEIGHT
    ground = np.array([generator.uniform(0.36, 0.64) * WIDTH, generator.uniform(0.9, 0.97) * HEIGHT])
    figure = _face(perform(action, length, generator), generator) * height + ground + camera[:, None]
    bystander = None
    if generator.random() < 0.3:
        bystander = _bystander(length, generator) + camera[:, None]
    things = [_thing(length, generator) for _ in range(generator.integers(1, 4))]
    post = _post(ground[0], height, camera, generator) if generator.random() < 0.3 else None
    frames = _draw(action, figure, bystander, things, post, camera, height, generator)
    return Scene(frames, *_annotate(figure, post, height, generator))


def _shake(length: int, generator: np.random.Generator) -> Array:
    """L×2 pixels: a slow pan and the tremor of a hand-held camera, within the margin."""
    pan = np.linspace(-0.5, 0.5, length)[:, None] * generator.uniform((-10, -2), (10, 2))
    tremor = generator.normal(0, 0.5, (length, 2))
    return np.clip(pan + tremor, 2 - MARGIN, MARGIN - 2)


def _face(joints: Array, generator: np.random.Generator) -> Array:
    """Turns the figure a little out of the picture plane, and may mirror it or swap its left and right joints."""
    turn = _sign(generator) * generator.uniform(0.8, 1)
    order = MIRRORED if generator.random() < 0.5 else range(len(MIRRORED))
    faced: Array = joints[:, list(order)] * np.array([turn, 1.0])
    return faced


def _sign(generator: np.random.Generator) -> float:
    return 1.0 if generator.random() < 0.5 else -1.0


def _bystander(length: int, generator: np.random.Generator) -> Array:
    place = np.array([(0.5 + 0.4 * _sign(generator)) * WIDTH, generator.uniform(0.75, 0.9) * HEIGHT])
    height = generator.uniform(0.35, 0.5) * HEIGHT
    joints: Array = height * joints_of(Pose("front"), length, generator) + place
    return joints


def _thing(length: int, generator: np.random.Generator) -> _Thing:
    start, end = generator.uniform(0, (WIDTH, HEIGHT), (2, 2))
    centres = start + np.linspace(0, generator.uniform(), length)[:, None] * (end - start)
    is_round = bool(generator.random() < 0.5)
    half = generator.uniform(2, 6, 2) if not is_round else np.full(2, generator.uniform(2, 5))
    return _Thing(centres, half, _colour(generator), is_round)


def _post(x: float, height: float, camera: Array, generator: np.random.Generator) -> _Thing:
    offset = _sign(generator) * generator.uniform(0.1, 0.3) * height
    half = np.array([generator.uniform(2, 4), HEIGHT])
    return _Thing(camera + np.array([x + offset, HEIGHT / 2]), half, _colour(generator), False)


def _colour(generator: np.random.Generator) -> Colour:
    red, green, blue = generator.integers(30, 200, 3).tolist()
    return red, green, blue


def _draw(
    action: Action,
    figure: Array,
    bystander: Array | None,
    things: list[_Thing],
    post: _Thing | None,
    camera: Array,
    height: float,
    generator: np.random.Generator,
) -> list[Image.Image]:
    scale = SUPERSAMPLING
    background = textured_background(generator, scale * (HEIGHT + 2 * MARGIN), scale * (WIDTH + 2 * MARGIN))
    palette, other = jittered_palette(generator), jittered_palette(generator)
    limb_width = generator.uniform(0.9, 1.15) * LIMB_WIDTH * HEIGHT * scale
    everyone = np.ones(13, bool)
    frames = []
    for moment in range(len(figure)):
        left, top = np.rint(scale * (MARGIN - camera[moment])).astype(int).tolist()
        image = background.crop((left, top, left + scale * WIDTH, top + scale * HEIGHT))
        draw = ImageDraw.Draw(image)
        for thing in things:
            _draw_thing(draw, thing, moment)
        if bystander is not None:
            draw_person(draw, PENN_ACTION, _enlarged(bystander[moment]), everyone, other, 0.6 * limb_width)
        draw_person(draw, PENN_ACTION, _enlarged(figure[moment]), everyone, palette, limb_width)
        _draw_prop(draw, action, figure[moment], height)
        if action.held is not None:
            _draw_held(draw, action.held, figure[moment, HAND], height)
        if post is not None:
            _draw_thing(draw, post, moment)
        frames.append(image.reduce(scale))
    return frames


def _enlarged(points: Array) -> NDArray[np.float32]:
    """From pixels of the frame to pixels of the drawing."""
    return ((points + 0.5) * SUPERSAMPLING - 0.5).astype(np.float32)


def _draw_thing(draw: ImageDraw.ImageDraw, thing: _Thing, moment: int) -> None:
    low, high = _enlarged(np.stack([thing.centres[moment] - thing.half, thing.centres[moment] + thing.half])).tolist()
    shape = draw.ellipse if thing.round else draw.rectangle
    shape((*low, *high), thing.colour)


PROP_COLOUR: Colour = (235, 235, 120)  # of all props, so that only their shapes differ


def _draw_prop(draw: ImageDraw.ImageDraw, action: Action, joints: Array, height: float) -> None:
    """Draws a bat, a racket, a barbell or a box at the wrists (joints 5 and 6)."""
    hands = joints[5:7].mean(axis=0)
    forearm = hands - joints[3:5].mean(axis=0)
    direction = forearm / max(float(np.hypot(*forearm)), 1e-6)
    width = round(0.06 * height * SUPERSAMPLING)

    def bar(start: Array, end: Array, thickness: int) -> None:
        points = _enlarged(np.stack([start, end]))
        draw.line([(x, y) for x, y in points.tolist()], PROP_COLOUR, thickness)

    def disc(centre: Array, radius: float) -> None:
        x, y = _enlarged(centre).tolist()
        draw_disc(draw, (x, y), radius * SUPERSAMPLING, PROP_COLOUR)

    if action.prop == "bat":
        bar(hands, hands + 0.38 * height * direction, round(1.5 * width))
    elif action.prop == "racket":
        bar(hands, hands + 0.2 * height * direction, width // 2)
        disc(hands + 0.26 * height * direction, 0.12 * height)
    elif action.prop == "barbell":
        reach = np.array([0.4 * height, 0])
        bar(hands - reach, hands + reach, width // 2)
        disc(hands - reach, 0.09 * height)
        disc(hands + reach, 0.09 * height)
    elif action.prop == "box":
        side = np.array([0.16 * height, 0])
        bar(hands - side, hands + side, 5 * width)


HAND = JOINTS.index("right_wrist")
BALL = 0.15  # radius, in heights of the figure
HALF = {"stick": (0.3, 0.05), "box": (0.13, 0.13)}  # half width and half height


def _draw_held(draw: ImageDraw.ImageDraw, held: Held, hand: Array, height: float) -> None:
    """Draws a ball, or a stick or a box that are always level, so that they tell nothing of the arm."""
    if held.shape == "ball":
        x, y = _enlarged(hand).tolist()
        draw_disc(draw, (x, y), BALL * height * SUPERSAMPLING, held.colour)
    else:
        half = height * np.array(HALF[held.shape])
        low, high = _enlarged(np.stack([hand - half, hand + half])).tolist()
        draw.rectangle((*low, *high), held.colour)


def _annotate(
    figure: Array, post: _Thing | None, height: float, generator: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Joints as an annotator would mark them: a little off, and invisible where hidden or outside the picture."""
    joints = figure + generator.normal(0, 0.015 * height, figure.shape)
    visible = generator.random(figure.shape[:2]) > 0.04
    if generator.random() < 0.2:
        visible[:, generator.integers(13)] = False
    visible &= ((joints > 0) & (joints < (WIDTH - 1, HEIGHT - 1))).all(axis=-1)
    if post is not None:
        visible &= np.abs(figure[..., 0] - post.centres[:, None, 0]) > post.half[0]
    return joints.astype(np.float32), visible
