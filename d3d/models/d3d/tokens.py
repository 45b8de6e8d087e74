"""From feature maps and joints to tokens: pose tokens (Eq. 1–2), and the position embedding of every token."""

from typing import NamedTuple, Self

import torch
from einops import rearrange
from torch import Tensor, nn

from d3d.models.d3d.config import D3DConfig
from d3d.models.layers.heatmaps import pose_tokens
from d3d.models.layers.positions import FourierEmbedding, JointwiseFourierEmbedding, regular_coordinates


def relative_coordinates(joints: Tensor, visible: Tensor) -> Tensor:
    """Joints relative to the persons: the mean of all joints in the clip is 0, three standard deviations from it are 1.

    joints B×T×R×2 of any unit, visible B×T×R bool → B×T×R×2, zero where invisible.
    """
    joints = torch.where(visible[..., None], joints, torch.zeros_like(joints))
    seen = visible[..., None].to(joints.dtype)
    count = seen.sum(dim=(1, 2), keepdim=True).clamp(min=1)
    centred = (joints - joints.sum(dim=(1, 2), keepdim=True) / count) * seen
    variance = centred.square().sum(dim=(1, 2, 3), keepdim=True) / count
    return centred / (3 * variance.sqrt()).clamp(min=torch.finfo(joints.dtype).tiny)


def displacement(places: Tensor, visible: Tensor) -> Tensor:
    """How far each joint has moved since the frame before; zero in the first frame and where it is invisible in either.

    places B×T×R×2, visible B×T×R bool → B×T×R×2 of the same unit.
    """
    moved = torch.zeros_like(places)
    both = visible[:, 1:] & visible[:, :-1]
    moved[:, 1:] = torch.where(both[..., None], places[:, 1:] - places[:, :-1], moved[:, 1:])
    return moved


class Observation(NamedTuple):
    """What the tokens of B clips are computed from: feature maps of the input, and joints in pixels of the input."""

    local: Tensor  # F_a, B×C×T×h_a×w_a
    deep: Tensor  # F_b, B×D×T×h×w
    joints: Tensor  # B×T×R×2, (x, y) in pixels of the input
    visible: Tensor  # B×T×R bool
    side: tuple[int, int]  # (H, W) of the input, pixels
    own: Tensor | None = None  # indices of the R joints among the model's joints; None: all of them

    @classmethod
    def without_joints(cls, local: Tensor, deep: Tensor, side: tuple[int, int]) -> Self:
        """Clips without joints, R = 0; `side` is (H, W) of the input."""
        clips, frames = deep.shape[0], deep.shape[2]
        joints = deep.new_zeros(clips, frames, 0, 2, dtype=torch.float32)
        none = torch.empty(0, dtype=torch.int64, device=deep.device)
        return cls(local, deep, joints, joints[..., 0].bool(), side, none)

    def of_joints(self, own: Tensor) -> Self:
        """The same clips with only the joints of these indices."""
        return self._replace(joints=self.joints[:, :, own], visible=self.visible[:, :, own], own=own)

    def of_clips(self, clips: Tensor) -> Self:
        """Only the clips of these indices."""
        local, deep, joints, visible = self.local[clips], self.deep[clips], self.joints[clips], self.visible[clips]
        return self._replace(local=local, deep=deep, joints=joints, visible=visible)


class TrajectoryEmbedding(nn.Module):
    """Each joint's place relative to the persons, and how far it has moved, each with weights of its own."""

    def __init__(self, joints: int, dimension: int) -> None:
        super().__init__()
        self.place = JointwiseFourierEmbedding(joints, 2, dimension)
        self.motion = JointwiseFourierEmbedding(joints, 2, dimension)

    def forward(self, joints: Tensor, visible: Tensor, own: Tensor | None) -> Tensor:
        """joints B×T×R×2 of any unit, visible B×T×R bool → B×T×R×D, zero where invisible; `own` as in Observation."""
        places = relative_coordinates(joints, visible)
        embedded: Tensor = self.place(places, own) + self.motion(displacement(places, visible), own)
        return embedded * visible[..., None]


class TokenEmbedding(nn.Module):
    """Z, P and M before the first block: features plus embeddings of place and time (sections 3.1 and 3.2).

    The paper embeds the position of Z only. A pose token read off a feature map carries no coordinate of its own:
    `pose_position: coordinate` adds the joint's x and y in the picture, `relative` also its x and y relative to the
    persons' centre and size in the clip, `motion` also how far these have moved since the frame before. `trajectory`
    tells the same as `motion`, but with an embedding for each joint, so that an attention that averages tokens of
    several joints still knows which joint is where. `index` is the paper taken literally (joint index and time only).
    With `pose_features: false` a pose token reads no feature map: it is these embeddings alone.
    """

    def __init__(self, config: D3DConfig) -> None:
        super().__init__()
        dimension = 4 * config.width
        self.sigma = config.sigma
        self.pose_projection = nn.Linear(config.width, dimension) if config.pose_features else None
        self.rgb_position = FourierEmbedding(3, dimension)
        self.time = FourierEmbedding(1, dimension)
        self.joint_index = nn.Parameter(torch.randn(config.joints, dimension) * 0.02)
        self.coordinate = FourierEmbedding(2, dimension) if config.pose_position != "index" else None
        self.relative = FourierEmbedding(2, dimension) if config.pose_position in ("relative", "motion") else None
        self.motion = FourierEmbedding(2, dimension) if config.pose_position == "motion" else None
        self.trajectory = (
            TrajectoryEmbedding(config.joints, dimension) if config.pose_position == "trajectory" else None
        )
        modal = {"cross": 3, "single": 1, "none": 0}[config.tokens]
        self.modal = nn.Parameter(torch.randn(modal, dimension) * 0.02)

    def forward(self, seen: Observation) -> tuple[Tensor, Tensor, Tensor]:
        """Z B×T×h×w×D, P B×T×R×D, M B×T×m×D with m = 3, 1 or 0 (order CLS, RGB, POSE)."""
        local, deep, joints, visible, side, own = seen
        frames = deep.shape[2]
        axes = torch.meshgrid(*[regular_coordinates(count, deep) for count in deep.shape[2:]], indexing="ij")
        rgb = rearrange(deep, "b d t h w -> b t h w d") + self.rgb_position(torch.stack(axes, dim=-1))
        time = self.time(regular_coordinates(frames, deep)[:, None])

        if self.pose_projection is None:
            pose = rgb.new_zeros(*joints.shape[:3], rgb.shape[-1])
        else:
            scale = joints.new_tensor([local.shape[4] / side[1], local.shape[3] / side[0]])
            sigma = self.sigma * local.shape[4] / 112
            pose = self.pose_projection(pose_tokens(local, joints * scale, visible, sigma))
        pose = pose + (self.joint_index if own is None else self.joint_index[own]) + time[:, None]
        if self.coordinate is not None:
            extent = joints.new_tensor([side[1], side[0]])
            known = torch.where(visible[..., None], joints / extent * 2 - 1, torch.zeros_like(joints))
            pose = pose + self.coordinate(known) * visible[..., None]
        if self.relative is not None:
            places = relative_coordinates(joints, visible)
            pose = pose + self.relative(places) * visible[..., None]
            if self.motion is not None:
                pose = pose + self.motion(displacement(places, visible)) * visible[..., None]
        if self.trajectory is not None:
            pose = pose + self.trajectory(joints, visible, own)

        modal = self.modal + time[:, None]
        return rgb, pose, modal.expand(len(rgb), -1, -1, -1)
