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
from d3d.data.batch import Batch, Labelled
from d3d.data.clip import Clip, Dataset, View
from d3d.data.frames.view import view_of
from d3d.data.samples.augmentation import augment, augmented_indices, check_flip
from d3d.data.samples.sampling import sample_indices
from d3d.data.samples.transforms import Frames, Joints, Visible, crop, disturb, inside
from d3d.modality import FRAMES_AND_JOINTS, Modality

MEAN, DEVIATION = 0.45, 0.225  # of all channels of natural video, as Kinetics models use them


class Sample(NamedTuple):
    """T frames of one clip, cut to the square that enters the model."""

    frames: Tensor  # T×crop×crop×3 uint8; empty where they are not read
    joints: Tensor  # T×R×2 float32, (x, y) pixels of the crop, zero where not visible
    visible: Tensor  # T×R bool, false where invisible or outside the crop
    label: Tensor  # int64 scalar


class ClipSamples(torch.utils.data.Dataset[Sample]):
    """One sample a clip: augmented with a seed (training), the centre of everything without (test).

    Set `epoch` before each epoch: with the seed and the index it decides every random choice. `evaluation` disturbs the
    joints of test clips, every time in the same way. `reads` is what the system looks at: without frames none are read.
    Raises DataError where clips are to be flipped and the skeleton does not say which joints mirror which.
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
        reads: frozenset[Modality] = FRAMES_AND_JOINTS,
    ) -> None:
        self.clips = clips
        self.dataset = dataset
        self.data = data
        self.frames = frames
        self.seed = seed
        self.augmentation = augmentation or AugmentationConfig()
        self.evaluation = evaluation or EvaluationConfig()
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
            frames, joints, visible = self._centred(clip, index)
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

    def _centred(self, clip: Clip, index: int) -> tuple[Frames | None, Joints, Visible]:
        view, size, changed = view_of(clip, self.data.view, self.data.resize), self.data.crop, self.evaluation
        frames, joints, visible = self._read(clip, sample_indices(clip.length, self.frames, None), view)
        frames, joints = crop(frames, joints, (view.rows - size) // 2, (view.columns - size) // 2, size)
        if changed.joint_noise or changed.joint_dropout:
            noise, generator = changed.joint_noise * size, np.random.default_rng(index)
            joints, visible = disturb(joints, visible, noise, changed.joint_dropout, generator)
        return frames, joints, visible

    def _read(self, clip: Clip, indices: NDArray[np.int64], view: View) -> tuple[Frames | None, Joints, Visible]:
        """The view's pixels, where they are looked at, and the joints upon them."""
        frames = self.dataset.read_frames(clip, indices, view) if "frames" in self.reads else None
        return frames, view.place(clip.joints[indices]), clip.visible[indices]

    def collate(self, samples: Sequence[Sample]) -> Labelled:
        """B samples as a batch of what the system reads."""
        frames, joints, visible, labels = (torch.stack(tensors) for tensors in zip(*samples, strict=True))
        seen = {"frames": normalised(frames)} if "frames" in self.reads else {}
        if "joints" in self.reads:
            seen |= {"joints": joints, "visible": visible}
        return Labelled(Batch((self.data.crop, self.data.crop), **seen), labels)


def normalised(frames: Tensor) -> Tensor:
    """B×T×H×W×3 uint8 → B×3×T×H×W float32 of about zero mean and unit variance."""
    channels_first = frames.permute(0, 4, 1, 2, 3).float()  # stays channels-last in memory, as the backbone wants it
    return channels_first.div_(255).sub_(MEAN).div_(DEVIATION)
