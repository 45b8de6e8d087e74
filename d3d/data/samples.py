"""From clips to the tensors the model takes.

Every random choice of a sample comes from a generator seeded by (seed, epoch, index), so that a sample is the same
whatever was loaded before it, in whichever worker, and after any number of interruptions.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d3d.config import AugmentationConfig, DataConfig, EvaluationConfig
from d3d.data.augmentation import augment, augmented_indices, check_flip
from d3d.data.clip import Clip, Dataset
from d3d.data.sampling import sample_indices
from d3d.data.transforms import Frames, Joints, Visible, crop, disturb, inside
from d3d.data.view import view_of

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
    """One sample a clip: augmented with a seed (training), the centre of everything without (test).

    Set `epoch` before each epoch: with the seed and the index it decides every random choice. `evaluation` disturbs the
    joints of test clips, every time in the same way. Raises DataError where clips are to be flipped and the skeleton
    does not say which joints mirror which.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        dataset: Dataset,
        data: DataConfig,
        frames: int,
        *,
        seed: int | None,
        augmentation: AugmentationConfig | None = None,
        evaluation: EvaluationConfig | None = None,
    ) -> None:
        self.clips = clips
        self.dataset = dataset
        self.data = data
        self.frames = frames
        self.seed = seed
        self.augmentation = augmentation or AugmentationConfig()
        self.evaluation = evaluation or EvaluationConfig()
        self.epoch = 0
        if seed is not None:
            check_flip(dataset, self.augmentation)
        self.mirrored = dataset.mirrored or ()

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> Sample:
        clip = self.clips[index]
        if self.seed is None:
            frames, joints, visible = self._centred(clip, index)
        else:
            frames, joints, visible = self._augmented(clip, np.random.default_rng([self.seed, self.epoch, index]))
        visible = visible & inside(joints, self.data.crop, self.data.crop)
        return Sample(
            torch.from_numpy(np.ascontiguousarray(frames)),
            torch.from_numpy(np.where(visible[..., None], joints, np.float32(0))),
            torch.from_numpy(visible),
            torch.tensor(clip.label),
        )

    def _augmented(self, clip: Clip, generator: np.random.Generator) -> tuple[Frames, Joints, Visible]:
        indices = augmented_indices(clip.length, self.frames, self.augmentation, generator)
        view = self._read(clip, indices)
        return augment(*view, self.data.crop, self.mirrored, self.augmentation, generator)

    def _centred(self, clip: Clip, index: int) -> tuple[Frames, Joints, Visible]:
        frames, joints, visible = self._read(clip, sample_indices(clip.length, self.frames, None))
        (height, width), size, changed = frames.shape[1:3], self.data.crop, self.evaluation
        frames, joints = crop(frames, joints, (height - size) // 2, (width - size) // 2, size)
        if changed.joint_noise or changed.joint_dropout:
            noise, generator = changed.joint_noise * size, np.random.default_rng(index)
            joints, visible = disturb(joints, visible, noise, changed.joint_dropout, generator)
        return frames, joints, visible

    def _read(self, clip: Clip, indices: NDArray[np.int64]) -> tuple[Frames, Joints, Visible]:
        """What the data configuration says of the clip's frames, and the joints upon it."""
        view = view_of(clip, self.data.view, self.data.resize)
        return self.dataset.read_frames(clip, indices, view), view.place(clip.joints[indices]), clip.visible[indices]


def collate(samples: Sequence[Sample]) -> Batch:
    """Stack samples of one size; frames come to about zero mean and unit variance."""
    frames, joints, visible, labels = (torch.stack(tensors) for tensors in zip(*samples, strict=True))
    channels_first = frames.permute(0, 4, 1, 2, 3).float()  # stays channels-last in memory, as the backbone wants it
    return Batch(channels_first.div_(255).sub_(MEAN).div_(DEVIATION), joints, visible, labels)
