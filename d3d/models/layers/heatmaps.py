"""Gaussians around joints: features of a map read at joints, and heatmap volumes of joints or limbs."""

from collections.abc import Sequence

import torch
from torch import Tensor

REACH = 3  # standard deviations at which the Gaussian of a heatmap is cut


def pose_tokens(features: Tensor, joints: Tensor, visible: Tensor, sigma: float) -> Tensor:
    """P[t, r] = Σ_ij F_a[:, t, i, j] · H[t, r](i, j), H a Gaussian around the joint that sums to one.

    Eq. 1–2 of the 3D deformable transformer (arXiv 2212.05638).

    features B×C×T×h×w, joints B×T×R×2 as (x, y) feature pixels, visible B×T×R bool, sigma in feature pixels → B×T×R×C.
    The printed sum grows with 2πσ²; normalised, a token is a local mean. The Gaussian separates into its axes, so no
    T×R×h×w heatmap is made. A joint that is invisible or outside the map gives zeros, whatever its coordinates are.
    """
    height, width = features.shape[-2:]
    x, y = joints.unbind(-1)
    inside = visible & (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
    along_x = _gaussian(torch.where(inside, x, torch.zeros_like(x)), width, sigma)
    along_y = _gaussian(torch.where(inside, y, torch.zeros_like(y)), height, sigma)
    columns = torch.einsum("bcthw,btrw->btrch", features, along_x.to(features.dtype))
    tokens = torch.einsum("btrch,btrh->btrc", columns, along_y.to(features.dtype))
    return tokens * inside[..., None]


def _gaussian(centre: Tensor, size: int, sigma: float) -> Tensor:
    """Centres … → …×size: weights at pixels 0 … size − 1 that sum to one; sigma in pixels."""
    distance = torch.arange(size, device=centre.device, dtype=centre.dtype) - centre[..., None]
    return torch.softmax(-(distance**2) / (2 * sigma**2), dim=-1)  # a softmax cannot underflow to 0/0


def joint_heatmaps(joints: Tensor, visible: Tensor, size: tuple[int, int], sigma: float) -> Tensor:
    """Around each joint a Gaussian of height 1, cut at three standard deviations (PoseC3D, Duan et al., CVPR 2022).

    joints …×2 as (x, y) pixels of the map, visible … bool, size (h, w), sigma in pixels → …×h×w. A joint that is
    invisible gives zeros, whatever its coordinates are; one outside the map shows as far as its Gaussian reaches in.
    """
    return _cut_gaussian(_squared_distances(_known(joints, visible), size), sigma) * visible[..., None, None]


def limb_heatmaps(
    joints: Tensor, visible: Tensor, limbs: Sequence[tuple[int, int]], size: tuple[int, int], sigma: float
) -> Tensor:
    """The same around limbs: a pixel's distance is that to the nearest point of the segment between two joints.

    joints …×V×2, visible …×V bool, L pairs of joints as `limbs` → …×L×h×w. A limb shows where both ends are visible.
    """
    ends = torch.tensor(limbs, device=joints.device)
    visible = visible[..., ends[:, 0]] & visible[..., ends[:, 1]]
    start, end = (_known(joints[..., ends[:, side], :], visible) for side in (0, 1))
    along = end - start
    length = along.square().sum(dim=-1).clamp(min=torch.finfo(joints.dtype).tiny)
    x, y = _pixels(size, joints)
    to_x, to_y = x - start[..., 0, None, None], y - start[..., 1, None, None]
    share = (to_x * along[..., 0, None, None] + to_y * along[..., 1, None, None]) / length[..., None, None]
    share = share.clamp(0, 1)  # of the way from start to end at which the segment is nearest
    away_x, away_y = to_x - share * along[..., 0, None, None], to_y - share * along[..., 1, None, None]
    return _cut_gaussian(away_x.square() + away_y.square(), sigma) * visible[..., None, None]


def _known(joints: Tensor, visible: Tensor) -> Tensor:
    return torch.where(visible[..., None], joints, torch.zeros_like(joints))


def _pixels(size: tuple[int, int], like: Tensor) -> tuple[Tensor, Tensor]:
    """x 1×w and y h×1 of the pixels of a map (h, w)."""
    height, width = (torch.arange(side, device=like.device, dtype=like.dtype) for side in size)
    return width[None, :], height[:, None]


def _squared_distances(joints: Tensor, size: tuple[int, int]) -> Tensor:
    x, y = _pixels(size, joints)
    return (x - joints[..., 0, None, None]).square() + (y - joints[..., 1, None, None]).square()


def _cut_gaussian(squared: Tensor, sigma: float) -> Tensor:
    return torch.exp(-squared / (2 * sigma**2)) * (squared <= (REACH * sigma) ** 2)
