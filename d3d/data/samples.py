"""From clips to the tensors the model takes.

Every random choice of a sample comes from a generator seeded by (seed, epoch, index), so that a sample is the same
whatever was loaded before it, in whichever worker, and after any number of interruptions.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from d3d.config import DataConfig, EvaluationConfig
from d3d.data.clip import Clip, Dataset
from d3d.data.sampling import sample_indices
from d3d.data.transforms import crop, disturb, flip, inside, resize_joints

MEAN, DEVIATION = 0.45, 0.225  # of all channels of natural video, as Kinetics models use them


class Sample(NamedTuple):
    """T frames of one clip, cut to the square that enters the model."""

    frames: Tensor  # T×crop×crop×3 uint8
    joints: Tensor  # T×R×2 float32, (x, y) pixels of the crop, zero where not visible
    visible: Tensor  # T×R bool, false where invisible or outside the crop
    label: Tensor  # int64 scalar


class Batch(NamedTuple):
    """B samples, the frames normalised and with channels first."""

    frames: Tensor  # B×3×T×H×W float32
    joints: Tensor  # B×T×R×2 float32
    visible: Tensor  # B×T×R bool
    labels: Tensor  # B int64


class ClipSamples(torch.utils.data.Dataset[Sample]):
    """One sample a clip: random frames, crop and flip with a seed (training), the centre of everything without (test).

    Set `epoch` before each epoch: with the seed and the index it decides every random choice. `evaluation` disturbs the
    joints, every time in the same way.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        dataset: Dataset,
        data: DataConfig,
        frames: int,
        *,
        seed: int | None,
        evaluation: EvaluationConfig | None = None,
    ) -> None:
        self.clips = clips
        self.dataset = dataset
        self.data = data
        self.frames = frames
        self.seed = seed
        self.noise = evaluation.joint_noise * data.crop if evaluation else 0.0  # pixels
        self.dropout = evaluation.joint_dropout if evaluation else 0.0
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> Sample:
        clip, size = self.clips[index], self.data.crop
        generator = None if self.seed is None else np.random.default_rng([self.seed, self.epoch, index])
        indices = sample_indices(clip.length, self.frames, generator)
        frames = self.dataset.read_frames(clip, indices, self.data.resize)
        height, width = frames.shape[1:3]
        joints = resize_joints(clip.joints[indices], (clip.height, clip.width), (height, width))
        visible = clip.visible[indices]
        top, left = (height - size) // 2, (width - size) // 2
        if generator is not None:
            top, left = (int(start) for start in generator.integers((height - size + 1, width - size + 1)))
        frames, joints = crop(frames, joints, top, left, size)
        if generator is not None and self.data.flip and generator.random() < 0.5:
            frames, joints, visible = flip(frames, joints, visible, self.dataset.mirrored)
        if self.noise or self.dropout:
            joints, visible = disturb(joints, visible, self.noise, self.dropout, np.random.default_rng(index))
        visible = visible & inside(joints, size, size)
        return Sample(
            torch.from_numpy(np.ascontiguousarray(frames)),
            torch.from_numpy(np.where(visible[..., None], joints, np.float32(0))),
            torch.from_numpy(visible),
            torch.tensor(clip.label),
        )


def collate(samples: Sequence[Sample]) -> Batch:
    """Stack samples of one size; frames come to about zero mean and unit variance."""
    frames, joints, visible, labels = (torch.stack(tensors) for tensors in zip(*samples, strict=True))
    channels_first = frames.permute(0, 4, 1, 2, 3).float()  # stays channels-last in memory, as the backbone wants it
    return Batch(channels_first.div_(255).sub_(MEAN).div_(DEVIATION), joints, visible, labels)
