"""Fifteen actions of a 13-joint figure: a movement, its course in time, and the prop in the hands.

The clues that tell actions apart were chosen deliberately. `stand_up` and `sit_down`, `raise_arms` and `lower_arms`,
`throw` and `draw_back` pass through the same poses in opposite order; `swing_bat` and `swing_racket`, `press_barbell`
and `press_box` have the same motion with different props, which only pixels show; `march` moves opposite arms and legs
together and `pace` those of the same side: from the side one silhouette, told apart by named joints only.

Angles are degrees from straight down; positive is forward in a side view and outward in a front view.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from d3d.data.frames.rendering import Colour

Array = NDArray[np.float64]
Limb = tuple[Array | float, Array | float]  # angles of the upper and the lower half: L of them, or one for all frames

TORSO, NECK, UPPER_ARM, FOREARM, THIGH, SHIN = 0.31, 0.15, 0.17, 0.17, 0.24, 0.24  # of the figure's height
SHOULDERS = {"front": 0.1, "side": 0.02}  # half widths
HIPS = {"front": 0.06, "side": 0.015}


@dataclass(frozen=True)
class Pose:
    """The angles of the whole body over L frames."""

    view: Literal["front", "side"]
    lean: Array | float = 0.0  # of the torso, from upright
    right_arm: Limb = (8.0, 14.0)
    left_arm: Limb = (8.0, 14.0)
    right_leg: Limb = (5.0, 3.0)
    left_leg: Limb = (5.0, 3.0)
    rise: Array | float = field(default=0.0)  # of the whole body above the ground, in heights


def crouching(progress: Array) -> Pose:
    """From upright (0) to a deep crouch (1), arms stretched forward."""
    leg, arm = (100 * progress, -40 * progress), (75 * progress + 5, 80 * progress + 8)
    return Pose("side", 38 * progress, arm, arm, leg, leg)


def spreading(progress: Array) -> Pose:
    """Both arms from the thighs (0) over the sides to above the head (1)."""
    arm = (10 + 155 * progress, 14 + 158 * progress)
    return Pose("front", 0.0, arm, arm)


def hurling(progress: Array) -> Pose:
    """One arm from far behind (0) over the head to low in front (1), with a lunge."""
    arm = (275 - 235 * progress, 235 - 205 * progress)
    return Pose("side", 35 * progress - 12, arm, (40 - 60 * progress, 55 - 40 * progress),
                (-8 - 22 * progress, -10 - 30 * progress), (14 + 26 * progress, 6 + 2 * progress))  # fmt: skip


def swinging(progress: Array) -> Pose:
    """Both hands together from behind one shoulder (0) across the body to the other (1)."""
    right, left = 60 - 165 * progress, -105 + 165 * progress
    return Pose("front", 8 - 16 * progress, (right, right + 45 - 90 * progress), (left, left - 45 + 90 * progress),
                (14.0, 8.0), (14.0, 8.0))  # fmt: skip


def pressing(progress: Array) -> Pose:
    """Both hands from the shoulders (0) to above the head (1)."""
    arm = (38 + 122 * progress, 150 + 28 * progress)
    return Pose("front", 0.0, arm, arm, (9.0, 5.0), (9.0, 5.0))


def _stepping(phase: Array, arms: int) -> Pose:
    knee = 28 * np.abs(phase)
    arm = 42 * arms * phase
    return Pose("side", 5.0, (arm, arm + 20), (-arm, -arm + 20), (36 * phase, 36 * phase - knee),
                (-36 * phase, -36 * phase - knee))  # fmt: skip


def marching(progress: Array) -> Pose:
    """Right arm forward with the left leg."""
    return _stepping(2 * progress - 1, -1)


def pacing(progress: Array) -> Pose:
    """Right arm forward with the right leg."""
    return _stepping(2 * progress - 1, 1)


def jumping(progress: Array) -> Pose:
    """Arms and legs spread together, with a hop."""
    arm, leg = (12 + 145 * progress, 16 + 150 * progress), (4 + 26 * progress, 3 + 25 * progress)
    return Pose("front", 0.0, arm, arm, leg, leg, 0.25 * progress * (1 - progress))


def pushing_up(progress: Array) -> Pose:
    """Face down on hands and toes: arms straight (0), chest at the ground (1)."""
    leg = (-68 - 16 * progress, -70 - 15 * progress)
    arm = (5 - 70 * progress, 2 + 30 * progress)
    return Pose("side", 68 + 17 * progress, arm, arm, leg, leg)


def forward(moments: Array, generator: np.random.Generator) -> Array:
    """L values that rise once from 0 to 1, with a rest before and after; `moments` are L times in [0, 1]."""
    start, end = generator.uniform(0, 0.2), generator.uniform(0.75, 1)
    progress = np.clip((moments - start) / (end - start), 0, 1)
    return progress * progress * (3 - 2 * progress)


def backward(moments: Array, generator: np.random.Generator) -> Array:
    """L values that fall once from 1 to 0."""
    return 1 - forward(moments, generator)


def repeated(moments: Array, generator: np.random.Generator) -> Array:
    """L values that go from 0 to 1 and back about twice, starting anywhere in between."""
    turns = generator.uniform(1.5, 2.5) * moments + generator.uniform()
    return 0.5 - 0.5 * np.cos(2 * np.pi * turns)


@dataclass(frozen=True)
class Held:
    """A thing in one hand, which the joints know nothing of."""

    shape: Literal["ball", "stick", "box"]
    colour: Colour


@dataclass(frozen=True)
class Action:
    """A movement, its course in time, the prop in both hands that belongs to it, and a thing in one hand that need not.

    Nothing that is drawn from a generator depends on `held`: with and without it the figure moves the same.
    """

    movement: Callable[[Array], Pose]
    course: Callable[[Array, np.random.Generator], Array]
    prop: Literal["bat", "racket", "barbell", "box"] | None = None
    held: Held | None = None


ACTIONS = {
    "draw_back": Action(hurling, backward),
    "jumping_jacks": Action(jumping, repeated),
    "lower_arms": Action(spreading, backward),
    "march": Action(marching, repeated),
    "pace": Action(pacing, repeated),
    "press_barbell": Action(pressing, repeated, "barbell"),
    "press_box": Action(pressing, repeated, "box"),
    "push_up": Action(pushing_up, repeated),
    "raise_arms": Action(spreading, forward),
    "sit_down": Action(crouching, forward),
    "squat": Action(crouching, repeated),
    "stand_up": Action(crouching, backward),
    "swing_bat": Action(swinging, forward, "bat"),
    "swing_racket": Action(swinging, forward, "racket"),
    "throw": Action(hurling, forward),
}


def perform(action: Action, length: int, generator: np.random.Generator) -> Array:
    """L×13×2 joints in units of the figure's height: x forward or to the image's right, y down, the ground at y = 0.

    Tempo, amplitude, posture and proportions are drawn from the generator.
    """
    progress = action.course(np.linspace(0, 1, length), generator)
    low, high = generator.uniform(0, 0.08), generator.uniform(0.88, 1.05)
    return joints_of(action.movement(low + (high - low) * progress), length, generator)


def joints_of(pose: Pose, length: int, generator: np.random.Generator) -> Array:
    """Forward kinematics: a pose over `length` = L frames → joints L×13×2, as `perform` returns them.

    Deviations of the angles and the proportions are drawn from the generator.
    """
    size = dict(zip(("torso", "arm", "leg", "width"), generator.uniform(0.9, 1.1, 4), strict=True))

    def bone(angle: Array | float, bone_length: float) -> Array:
        drift = generator.normal(0, 4) * np.sin(np.linspace(0, np.pi * generator.uniform(0, 3), length))
        radians = np.deg2rad(np.broadcast_to(angle, length) + generator.normal(0, 3) + drift)
        return bone_length * np.stack([np.sin(radians), np.cos(radians)], axis=-1)

    spine = -bone(-np.asarray(pose.lean), 1.0)
    mirror = np.array([-1 if pose.view == "front" else 1, 1])  # outward is to the left for the right side
    across = np.array([size["width"], 0])
    hip, shoulder = across * HIPS[pose.view], size["torso"] * TORSO * spine
    joints = np.empty((length, 13, 2))
    joints[:, 0] = shoulder + NECK * spine
    for side, outward, arm, leg in ((0, mirror, pose.right_arm, pose.right_leg), (1, 1, pose.left_arm, pose.left_leg)):
        sign = -1 if side == 0 else 1
        joints[:, 1 + side] = shoulder + sign * across * SHOULDERS[pose.view]
        joints[:, 3 + side] = joints[:, 1 + side] + outward * bone(arm[0], size["arm"] * UPPER_ARM)
        joints[:, 5 + side] = joints[:, 3 + side] + outward * bone(arm[1], size["arm"] * FOREARM)
        joints[:, 7 + side] = sign * hip
        joints[:, 9 + side] = joints[:, 7 + side] + outward * bone(leg[0], size["leg"] * THIGH)
        joints[:, 11 + side] = joints[:, 9 + side] + outward * bone(leg[1], size["leg"] * SHIN)
    joints[..., 1] -= joints[..., 1].max(axis=1, keepdims=True) + np.broadcast_to(pose.rise, length)[:, None]
    return joints
