"""Chooses, of everybody in a clip, the few persons who move most."""

import numpy as np
from numpy.typing import NDArray


def moving_most(
    joints: NDArray[np.float32], visible: NDArray[np.bool_], persons: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Joints L×(persons·J)×2 and their visibility, from M×L×J×2 and M×L×J of all M bodies of a clip.

    Who moves most comes first, as the authors of NTU RGB+D choose (README of github.com/shahroudy/NTURGB-D, FAQ): by
    the sum of the variances of all joints' coordinates; here in pixels, over the frames in which a joint is visible.
    The other bodies are left out. Where there are fewer than `persons`, absent ones have zero, invisible joints.
    """
    bodies, length, count = visible.shape
    joints = np.where(visible[..., None], joints, np.float32(0))
    order = sorted(range(bodies), key=lambda body: (not visible[body].any(), -motion(joints[body], visible[body])))
    chosen = order[:persons]
    placed = np.zeros((length, persons, count, 2), np.float32)
    seen = np.zeros((length, persons, count), bool)
    placed[:, : len(chosen)] = joints[chosen].transpose(1, 0, 2, 3)
    seen[:, : len(chosen)] = visible[chosen].transpose(1, 0, 2)
    return placed.reshape(length, persons * count, 2), seen.reshape(length, persons * count)


def motion(joints: NDArray[np.float32], visible: NDArray[np.bool_]) -> float:
    """The sum of the variances over time of all coordinates of L×J×2 joints, in pixels²."""
    weights = visible[..., None].astype(np.float64)
    frames = np.maximum(weights.sum(axis=0), 1)
    mean = (weights * joints).sum(axis=0) / frames
    return float((weights * (joints - mean) ** 2 / frames).sum())
