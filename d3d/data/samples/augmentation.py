"""Random changes of a training clip, different in every epoch, applied to pixels and joints alike."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import grid_sample

from d3d.config import AugmentationConfig
from d3d.data.clip import Dataset
from d3d.data.samples.sampling import random_indices
from d3d.data.samples.transforms import Frames, Joints, Visible, crop, disturb, flip
from d3d.errors import DataError


def check_flip(dataset: Dataset, augmentation: AugmentationConfig) -> None:
    """Raises DataError where clips are to be mirrored and it is not known which of their joints swap places."""
    if augmentation.flip and dataset.skeleton.mirrored is None:
        raise DataError(
            f"augmentation.flip=true: it is not known which of the {len(dataset.skeleton.joint_names)} joints of "
            f"{dataset.name} are left and right; describe them in a file that data.skeleton names, or set "
            "augmentation.flip=false"
        )


def augmented_indices(
    length: int, frames: int, augmentation: AugmentationConfig, generator: np.random.Generator
) -> NDArray[np.int64]:
    """T frame indices in order, one from each equal segment of a random part of the clip; see `random_indices`.

    Args:
        length: frames of the clip.
        frames: T.
        augmentation: whose `span` is the least share of the clip that the part covers, and its `sampling`.
        generator: of all random choices.
    """
    even = augmentation.sampling == "even"
    if augmentation.span == 1:
        return random_indices(length, frames, generator, even=even)
    part = min(length, max(frames, round(length * generator.uniform(augmentation.span, 1))))
    return int(generator.integers(length - part + 1)) + random_indices(part, frames, generator, even=even)


def augment(
    frames: Frames | None,
    joints: Joints,
    visible: Visible,
    shape: tuple[int, int],
    size: int,
    mirrored: Sequence[int],
    augmentation: AugmentationConfig,
    generator: np.random.Generator,
) -> tuple[Frames | None, Joints, Visible]:
    """A random square of T frames, changed as the configuration says.

    Without frames the joints are changed as they would be with them.

    Args:
        frames: T×H×W×3; None where the system reads no frames.
        joints: T×R×2, (x, y) in pixels.
        visible: T×R.
        shape: (H, W) in pixels.
        size: side of the square in pixels.
        mirrored: joint r of a mirrored clip is joint mirrored[r].
        augmentation: which changes, and how strong.
        generator: of all random choices.

    Returns frames T×size×size×3 or None, joints T×R×2 in pixels of the square, and their visibility T×R.
    """
    height, width = shape
    if augmentation.zoom or augmentation.rotation:
        scale = 1 + generator.uniform(-augmentation.zoom, augmentation.zoom)
        angle = generator.uniform(-augmentation.rotation, augmentation.rotation)
        frames, joints = turn(frames, joints, shape, scale, float(np.deg2rad(angle)))
    top, left = generator.integers((height - size + 1, width - size + 1)).tolist()
    frames, joints = crop(frames, joints, top, left, size)
    if augmentation.flip and generator.random() < 0.5:
        frames, joints, visible = flip(frames, joints, visible, size, mirrored)
    if augmentation.colour:
        brightness, contrast = 1 + generator.uniform(-augmentation.colour, augmentation.colour, 2)
        frames = None if frames is None else recolour(frames, brightness, contrast)
    if augmentation.joint_noise or augmentation.joint_dropout:
        noise = augmentation.joint_noise * size
        joints, visible = disturb(joints, visible, noise, augmentation.joint_dropout, generator)
    return frames, joints, visible


def turn(
    frames: Frames | None, joints: Joints, shape: tuple[int, int], scale: float, angle: float
) -> tuple[Frames | None, Joints]:
    """Enlarges and turns pictures about their centre; what comes from outside repeats the edge.

    Args:
        frames: T×H×W×3; None where there are none.
        joints: T×R×2, (x, y) in pixels.
        shape: (H, W) in pixels.
        scale: above 1 enlarges.
        angle: radians, clockwise.
    """
    height, width = shape
    centre = np.array([width - 1, height - 1], np.float32) / 2
    cosine, sine = np.cos(angle), np.sin(angle)
    forward = np.array([[cosine, -sine], [sine, cosine]], np.float32) * np.float32(scale)
    moved = ((joints - centre) @ forward.T + centre).astype(np.float32)
    return None if frames is None else _resampled(frames, forward, centre), moved


def _resampled(frames: Frames, forward: NDArray[np.floating], centre: NDArray[np.floating]) -> Frames:
    """The frames under the 2×2 linear map `forward` about the centre."""
    height, width = frames.shape[1:3]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    sources = (np.stack([x, y], axis=-1) - centre) @ np.linalg.inv(forward).T + centre
    places = (2 * sources + 1) / np.array([width, height], np.float32) - 1  # grid_sample has the edges at −1 and 1
    pictures = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float()
    grid = torch.from_numpy(places.astype(np.float32)).expand(len(frames), -1, -1, -1)
    turned = grid_sample(pictures, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return turned.round().byte().permute(0, 2, 3, 1).numpy()


def recolour(frames: Frames, brightness: float, contrast: float) -> Frames:
    """Scales the clip's mean by `brightness`, and the distance of every value from the mean by `contrast`."""
    mean = frames.mean(dtype=np.float32)
    changed = (frames - mean) * np.float32(contrast) + mean * np.float32(brightness)
    recoloured: Frames = changed.round().clip(0, 255).astype(np.uint8)
    return recoloured
