"""What a training clip goes through, so that it is never twice the same; done to pixels and joints alike."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import grid_sample

from d3d.config import AugmentationConfig
from d3d.data.clip import Dataset
from d3d.data.sampling import sample_indices
from d3d.data.transforms import Frames, Joints, Visible, crop, disturb, flip
from d3d.errors import DataError


def check_flip(dataset: Dataset, augmentation: AugmentationConfig) -> None:
    """Raise a DataError if clips are to be mirrored and nobody knows which of their joints change places."""
    if augmentation.flip and dataset.skeleton.mirrored is None:
        raise DataError(
            f"augmentation.flip=true: nothing says which of the {len(dataset.skeleton.joint_names)} joints of "
            f"{dataset.name} are left and right; describe them in a file that data.skeleton names, or set "
            "augmentation.flip=false"
        )


def augmented_indices(
    length: int, frames: int, augmentation: AugmentationConfig, generator: np.random.Generator
) -> NDArray[np.int64]:
    """T increasing frame indices, one of each equal segment of a random part of the clip; see `sample_indices`."""
    if augmentation.span == 1:
        return sample_indices(length, frames, generator)
    part = max(frames, round(length * generator.uniform(augmentation.span, 1)))
    return int(generator.integers(length - part + 1)) + sample_indices(part, frames, generator)


def augment(
    frames: Frames,
    joints: Joints,
    visible: Visible,
    size: int,
    mirrored: Sequence[int],
    augmentation: AugmentationConfig,
    generator: np.random.Generator,
) -> tuple[Frames, Joints, Visible]:
    """A random square of `size` pixels of T frames, changed as the configuration says."""
    if augmentation.zoom or augmentation.rotation:
        scale = 1 + generator.uniform(-augmentation.zoom, augmentation.zoom)
        angle = generator.uniform(-augmentation.rotation, augmentation.rotation)
        frames, joints = turn(frames, joints, scale, float(np.deg2rad(angle)))
    height, width = frames.shape[1:3]
    top, left = generator.integers((height - size + 1, width - size + 1)).tolist()
    frames, joints = crop(frames, joints, top, left, size)
    if augmentation.flip and generator.random() < 0.5:
        frames, joints, visible = flip(frames, joints, visible, mirrored)
    if augmentation.colour:
        frames = recolour(frames, *(1 + generator.uniform(-augmentation.colour, augmentation.colour, 2)))
    if augmentation.joint_noise or augmentation.joint_dropout:
        noise = augmentation.joint_noise * size
        joints, visible = disturb(joints, visible, noise, augmentation.joint_dropout, generator)
    return frames, joints, visible


def turn(frames: Frames, joints: Joints, scale: float, angle: float) -> tuple[Frames, Joints]:
    """Enlarge and turn a picture about its centre, clockwise in radians; what comes from outside repeats the edge."""
    height, width = frames.shape[1:3]
    centre = np.array([width - 1, height - 1], np.float32) / 2
    cosine, sine = np.cos(angle), np.sin(angle)
    forward = np.array([[cosine, -sine], [sine, cosine]], np.float32) * np.float32(scale)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    sources = (np.stack([x, y], axis=-1) - centre) @ np.linalg.inv(forward).T + centre
    places = (2 * sources + 1) / np.array([width, height], np.float32) - 1  # as grid_sample counts, −1 and 1 are edges
    pictures = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float()
    grid = torch.from_numpy(places.astype(np.float32)).expand(len(frames), -1, -1, -1)
    turned = grid_sample(pictures, grid, mode="bilinear", padding_mode="border", align_corners=False)
    moved = ((joints - centre) @ forward.T + centre).astype(np.float32)
    return turned.round().byte().permute(0, 2, 3, 1).numpy(), moved


def recolour(frames: Frames, brightness: float, contrast: float) -> Frames:
    """Scale all channels, and their distance from the clip's mean."""
    mean = frames.mean(dtype=np.float32)
    changed = (frames - mean) * np.float32(contrast) + mean * np.float32(brightness)
    recoloured: Frames = changed.round().clip(0, 255).astype(np.uint8)
    return recoloured
