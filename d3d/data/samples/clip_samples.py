"""From clips to the tensors that a system takes.

Every random choice of a sample comes from a generator seeded by (seed, epoch, index). So a sample depends neither on
what was loaded before it, nor on the process that loads it, nor on how often the training was interrupted.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d3d.config import AugmentationConfig, DataConfig, EvaluationConfig
from d3d.data.batch import Batch, Labelled
from d3d.data.clip import Clip, Dataset, View
from d3d.data.frames.view import view_of
from d3d.data.samples.augmentation import augment, augmented_indices, check_flip
from d3d.data.samples.sampling import regular_indices
from d3d.data.samples.transforms import Frames, Joints, Visible, crop, disturb, inside
from d3d.modality import FRAMES_AND_JOINTS, Modality

MEAN, DEVIATION = 0.45, 0.225  # of all channels, as models of Kinetics use them


class Sample(NamedTuple):
    """T frames of one clip, cut to the square that enters the model."""

    frames: Tensor  # T×crop×crop×3 uint8; empty where the system reads none
    joints: Tensor  # T×R×2 float32, (x, y) pixels of the crop, zero where not visible
    visible: Tensor  # T×R bool, false where invisible or outside the crop
    label: Tensor  # int64 scalar


class ClipSamples(torch.utils.data.Dataset[Sample]):
    """One sample for each clip: augmented in training, the same place of every segment and the centre crop in a test.

    Set `epoch` before each epoch: with the seed and the index it decides every random choice.

    Args:
        clips: the clips of one split.
        dataset: which they are of, for their pixels and their skeleton.
        data: the view and the size of the crop.
        frames: T, frames of a sample.
        seed: of a training; None in a test.
        augmentation: of a training; None is the default configuration.
        evaluation: of a test: how many views a clip has, and how its joints are disturbed, the same way each time; None
            is the default configuration.
        view: which view of each test clip, from 0; see `regular_indices`.
        reads: what the system reads; frames that it does not read are not loaded.

    Raises DataError where clips are to be flipped and the skeleton does not say which joints mirror each other.
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
        view: int = 0,
        reads: frozenset[Modality] = FRAMES_AND_JOINTS,
    ) -> None:
        self.clips = clips
        self.dataset = dataset
        self.data = data
        self.frames = frames
        self.seed = seed
        self.augmentation = augmentation or AugmentationConfig()
        self.evaluation = evaluation or EvaluationConfig()
        self.view = view
        self.reads = reads
        self.epoch = 0
        if seed is not None:
            check_flip(dataset, self.augmentation)
        self.mirrored = dataset.mirrored or ()

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> Sample:
        clip = self.clips[index]
        if self.seed is None:
            frames, joints, visible = self._tested(clip, index)
        else:
            frames, joints, visible = self._augmented(clip, np.random.default_rng([self.seed, self.epoch, index]))
        visible = visible & inside(joints, self.data.crop, self.data.crop)
        return Sample(
            torch.empty(0) if frames is None else torch.from_numpy(np.ascontiguousarray(frames)),
            torch.from_numpy(np.where(visible[..., None], joints, np.float32(0))),
            torch.from_numpy(visible),
            torch.tensor(clip.label),
        )

    def _augmented(self, clip: Clip, generator: np.random.Generator) -> tuple[Frames | None, Joints, Visible]:
        indices = augmented_indices(clip.length, self.frames, self.augmentation, generator)
        view = view_of(clip, self.data.view, self.data.resize)
        seen = self._read(clip, indices, view)
        shape = (view.rows, view.columns)
        return augment(*seen, shape, self.data.crop, self.mirrored, self.augmentation, generator)

    def _tested(self, clip: Clip, index: int) -> tuple[Frames | None, Joints, Visible]:
        view, size, changed = view_of(clip, self.data.view, self.data.resize), self.data.crop, self.evaluation
        indices = regular_indices(clip.length, self.frames, self.view, changed.views)
        frames, joints, visible = self._read(clip, indices, view)
        frames, joints = crop(frames, joints, (view.rows - size) // 2, (view.columns - size) // 2, size)
        if changed.joint_noise or changed.joint_dropout:
            noise, generator = changed.joint_noise * size, np.random.default_rng([index, self.view])
            joints, visible = disturb(joints, visible, noise, changed.joint_dropout, generator)
        return frames, joints, visible

    def _read(self, clip: Clip, indices: NDArray[np.int64], view: View) -> tuple[Frames | None, Joints, Visible]:
        """The view's pixels, where the system reads them, and the joints in pixels of the view."""
        frames = self.dataset.read_frames(clip, indices, view) if "frames" in self.reads else None
        return frames, view.place(clip.joints[indices]), clip.visible[indices]

    def collate(self, samples: Sequence[Sample]) -> Labelled:
        """B samples → a batch of what the system reads, and their labels."""
        frames, joints, visible, labels = (torch.stack(tensors) for tensors in zip(*samples, strict=True))
        seen = {"frames": normalised(frames)} if "frames" in self.reads else {}
        if "joints" in self.reads:
            seen |= {"joints": joints, "visible": visible}
        return Labelled(Batch((self.data.crop, self.data.crop), **seen), labels)


def normalised(frames: Tensor) -> Tensor:
    """B×T×H×W×3 uint8 → B×3×T×H×W float32 with mean near 0 and variance near 1."""
    channels_first = frames.permute(0, 4, 1, 2, 3).float()  # channels-last in memory, which is faster
    return channels_first.div_(255).sub_(MEAN).div_(DEVIATION)
