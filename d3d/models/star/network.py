"""The STAR-transformer: backbone, tokens of the picture and of the joints, encoder, decoder, head."""

import torch
from einops import rearrange
from torch import Tensor, nn

from d3d.data.batch import Batch
from d3d.data.skeleton import Skeleton
from d3d.errors import ConfigError
from d3d.models.layers.backbone import Backbone
from d3d.models.layers.heatmaps import pose_tokens
from d3d.models.layers.persons import group_by_presence
from d3d.models.layers.positions import FourierEmbedding, regular_coordinates
from d3d.models.star.attention import Layer
from d3d.models.star.backbone import MC3
from d3d.models.star.config import STARConfig
from d3d.models.system import System


class STAR(System):
    """Each frame has h·w tokens of the picture, a token a joint, and three class tokens.

    An absent person has no tokens: after the backbone, clips are processed in groups with the same persons present.
    """

    config_type = STARConfig

    def __init__(self, config: STARConfig, skeleton: Skeleton | None = None) -> None:
        super().__init__(config, skeleton)
        self.config = config
        self.backbone = MC3(config.width) if config.backbone == "mc3" else Backbone(config.width)
        self.embedding = TokenEmbedding(config)
        attentions = [config.encoder_attention] * config.depth + [config.decoder_attention] * config.depth
        self.layers = nn.Sequential(*(Layer(config, attention) for attention in attentions))
        self.head = nn.Sequential(
            nn.Linear(config.dimension, config.dimension), nn.GELU(), nn.Linear(config.dimension, config.classes)
        )

    def forward(self, batch: Batch) -> Tensor:
        """B clips of any number of frames → logits B×K. ConfigError: the number of joints is not the model's."""
        joints, visible = batch.joints, batch.visible
        if joints.shape[2] != self.config.joints:
            raise ConfigError(f"{joints.shape[2]} joints: this model was built for model.joints={self.config.joints}")
        local, deep = self.backbone(batch.frames)
        scale = joints.new_tensor([local.shape[4] / batch.size[1], local.shape[3] / batch.size[0]])
        if self.config.persons == 1:
            every = torch.arange(joints.shape[2], device=joints.device)
            return self.answer(local, deep, joints * scale, visible, every)
        groups = group_by_presence(visible, self.config.persons)
        answers = [
            self.answer(local[clips], deep[clips], joints[clips][:, :, own] * scale, visible[clips][:, :, own], own)
            for clips, own in groups
        ]
        order = torch.cat([clips for clips, _ in groups])
        return torch.cat(answers)[order.argsort()]

    def answer(self, local: Tensor, deep: Tensor, joints: Tensor, visible: Tensor, own: Tensor) -> Tensor:
        """Clips in which the same persons are present → logits B×K; arguments as in TokenEmbedding."""
        tokens = self.layers(self.embedding(local, deep, joints, visible, own))
        glob, joint, total = 0, -(2 + len(own)), -1  # where the class tokens are in a frame
        return self.head(tokens[:, :, [glob, joint, total]].mean(dim=(1, 2)))  # type: ignore[no-any-return]


class TokenEmbedding(nn.Module):
    """Multi-class tokens: [CLS_glob ‖ GG ‖ CLS_joint ‖ JM + position ‖ CLS_total] of each frame.

    GG, the global grid, is the last map; JM, the joint map, is the middle map around each joint. A position is the
    joint's own embedding and one of time; GG has none.
    """

    def __init__(self, config: STARConfig) -> None:
        super().__init__()
        self.sigma = config.sigma
        deep = config.width * (8 if config.backbone == "mc3" else 4)
        self.grid = nn.Linear(deep, config.dimension)
        self.joint = nn.Linear(config.width, config.dimension)
        self.joint_index = nn.Parameter(torch.randn(config.joints, config.dimension) * 0.02)
        self.time = FourierEmbedding(1, config.dimension)
        self.classes = nn.Parameter(torch.randn(3, config.dimension) * 0.02)

    def forward(self, local: Tensor, deep: Tensor, joints: Tensor, visible: Tensor, own: Tensor) -> Tensor:
        """Tokens B×T×(h·w + R + 3)×D.

        Args:
            local: the middle map, B×C×T×h′×w′.
            deep: the last map, B×C′×T×h×w.
            joints: B×T×R×2, (x, y) in pixels of the middle map.
            visible: B×T×R bool.
            own: R indices of these joints among the model's.
        """
        grid = self.grid(rearrange(deep, "b c t h w -> b t (h w) c"))
        read = self.joint(pose_tokens(local, joints, visible, self.sigma * local.shape[4] / 112))
        time = self.time(regular_coordinates(deep.shape[2], deep)[:, None])
        joint_map = read + self.joint_index[own] + time[:, None]
        glob, joint, total = self.classes.expand(*grid.shape[:2], -1, -1).chunk(3, dim=2)
        return torch.cat([glob, grid, joint, joint_map, total], dim=2)
