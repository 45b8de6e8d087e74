"""The 3D deformable transformer (Figure 2): backbone, tokens, L blocks, head."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn

from d3d.data.batch import Batch
from d3d.data.skeleton import Skeleton
from d3d.errors import ConfigError
from d3d.models.d3d.branches import attention_norm
from d3d.models.d3d.config import D3DConfig
from d3d.models.d3d.deformable import DeformableAttention, observed_movement
from d3d.models.d3d.stride import StrideAttention
from d3d.models.d3d.tokens import Observation, TokenEmbedding
from d3d.models.d3d.weights import load_weights
from d3d.models.layers.backbone import Backbone
from d3d.models.layers.persons import group_by_presence
from d3d.models.system import System


class Block(nn.Module):
    """3D deformable attention → joint stride attention → mixing of CLS → temporal stride attention.

    An eliminated module is the identity (Table 4). With `tokens: single` one modal token passes through all three
    modules; with `none` they attend without any (Table 5).
    """

    def __init__(self, config: D3DConfig, drop_path: float) -> None:
        super().__init__()
        joint = config.joint_window, config.joint_stride
        temporal = config.temporal_window, config.temporal_stride
        self.deformable = DeformableAttention(config, drop_path) if config.deformable_attention else None
        self.joint = StrideAttention(config, *joint, drop_path) if config.joint_attention else None
        self.temporal = StrideAttention(config, *temporal, drop_path) if config.temporal_attention else None
        self.mix = ClassTokenMixer(4 * config.width) if config.tokens == "cross" else None

    def forward(self, rgb: Tensor, pose: Tensor, modal: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Z B×T×h×w×D, P B×T×R×D, M B×T×m×D → the same shapes."""
        if self.mix is None:
            rgb, modal = self.attend_rgb(rgb, modal)
            pose, modal = self.attend_pose(pose, modal)
        else:
            cls, of_rgb, of_pose = modal.chunk(3, dim=2)
            rgb, seen = self.attend_rgb(rgb, torch.cat([of_rgb, cls], dim=2))
            of_rgb, cls_rgb = seen.chunk(2, dim=2)
            pose, seen = self.attend_pose(pose, torch.cat([of_pose, cls_rgb], dim=2))
            of_pose, cls_pose = seen.chunk(2, dim=2)
            modal = torch.cat([self.mix(cls_rgb, cls_pose), of_rgb, of_pose], dim=2)
        return self.attend_time(rgb, pose, modal)

    def attend_rgb(self, rgb: Tensor, modal: Tensor) -> tuple[Tensor, Tensor]:
        if self.deformable is None:
            return rgb, modal
        rgb, attended = self.deformable(rgb, modal.flatten(1, 2))
        return rgb, attended.reshape(modal.shape)

    def attend_pose(self, pose: Tensor, modal: Tensor) -> tuple[Tensor, Tensor]:
        if self.joint is None:
            return pose, modal
        joints, attended = self.joint(pose.transpose(1, 2), modal.flatten(1, 2))
        return joints.transpose(1, 2), attended.reshape(modal.shape)

    def attend_time(self, rgb: Tensor, pose: Tensor, modal: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """N = [Z ‖ P ‖ M]: D_n = h·w + R + m tokens a frame, windows over the frames."""
        if self.temporal is None:
            return rgb, pose, modal
        frame = [rgb.flatten(2, 3), pose, modal]
        nothing = rgb.new_zeros(len(rgb), 0, rgb.shape[-1])
        attended, _ = self.temporal(torch.cat(frame, dim=2), nothing)
        flat, pose, modal = attended.split([tokens.shape[2] for tokens in frame], dim=2)
        return flat.reshape(rgb.shape), pose, modal


class ClassTokenMixer(nn.Module):
    """New M_CLS = Linear(2D → D)([M′_CLS ‖ M*_CLS]) (section 3.2); it starts as the mean of the two."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.project = nn.Linear(2 * dimension, dimension)
        with torch.no_grad():
            self.project.weight.copy_(torch.cat([torch.eye(dimension)] * 2, dim=1) / 2)
            self.project.bias.zero_()

    def forward(self, of_rgb: Tensor, of_pose: Tensor) -> Tensor:
        """Two …×D → …×D."""
        return self.project(torch.cat([of_rgb, of_pose], dim=-1))  # type: ignore[no-any-return]


class D3DTransformer(System):
    """Action recognition from frames and skeletons with one transformer.

    An absent person has no tokens: after the backbone, clips are processed in groups with the same persons present.

    >>> model = D3DTransformer(D3DConfig(classes=15, joints=13))
    >>> joints, visible = torch.zeros(2, 12, 13, 2), torch.ones(2, 12, 13, dtype=torch.bool)
    >>> logits = model(Batch((224, 224), frames=torch.zeros(2, 3, 12, 224, 224), joints=joints, visible=visible))
    """

    config_type = D3DConfig

    def __init__(self, config: D3DConfig, skeleton: Skeleton | None = None) -> None:
        super().__init__(config, skeleton)
        self.config = config
        dimension = 4 * config.width
        self.backbone = Backbone(config.width)
        self.embedding = TokenEmbedding(config)
        drop_paths = np.linspace(config.drop_path, 0, config.depth)[::-1]  # a single block counts as the last
        self.blocks = nn.ModuleList(Block(config, float(probability)) for probability in drop_paths)
        self.norm = attention_norm(config)  # pre-norm blocks leave their output unnormalised
        self.head = nn.Linear(max(1, self.embedding.modal.shape[0]) * dimension, config.classes)

    def forward(self, batch: Batch) -> Tensor:
        """B clips with frames, and with joints where `config.reads` has them → logits B×K.

        Raises ConfigError where the number of joints is not that of the model.
        """
        local, deep = self.backbone(batch.frames)
        if not batch.has_joints:
            return self.answer(Observation.without_joints(local, deep, batch.size))
        joints, visible = batch.joints, batch.visible
        if joints.shape[2] != self.config.joints:
            raise ConfigError(f"{joints.shape[2]} joints: this model was built for model.joints={self.config.joints}")
        seen = Observation(local, deep, joints, visible, batch.size)
        if self.config.persons == 1:
            return self.answer(seen)
        groups = group_by_presence(visible, self.config.persons)
        if len(groups) == 1:
            return self.answer(seen.of_joints(groups[0].joints))
        answers = [self.answer(seen.of_clips(clips).of_joints(own)) for clips, own in groups]
        order = torch.cat([clips for clips, _ in groups])
        return torch.cat(answers)[order.argsort()]

    def load_files(self) -> None:
        if self.config.weights is not None:
            load_weights(self, Path(self.config.weights), self.config.weights_digest)

    @contextmanager
    def observed(self) -> Iterator[dict[str, float]]:
        """`moved_t`, `moved_y` and `moved_x`: the mean distance that the token search moves its points, in tokens."""
        found: dict[str, float] = {}
        with observed_movement(self) as movement:
            yield found
        found |= {f"moved_{axis}": tokens for axis, tokens in movement.mean.items()}

    def answer(self, seen: Observation) -> Tensor:
        """Clips in which the same persons are present, with the joints of these persons only → logits B×K."""
        rgb, pose, modal = self.embedding(seen)
        for block in self.blocks:
            rgb, pose, modal = block(rgb, pose, modal)
        if self.config.tokens == "none":  # a mean of each modality first: RGB tokens outnumber pose tokens 60 to 1
            summary = (self.norm(rgb).mean(dim=(1, 2, 3)) + self.norm(pose).mean(dim=(1, 2))) / 2
        else:
            summary = rearrange(self.norm(modal), "b t m d -> b t (m d)").mean(dim=1)
        return self.head(summary)  # type: ignore[no-any-return]
