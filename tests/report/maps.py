"""Attention maps as a test that looked at attention keeps them."""

import numpy as np

from d3d.attention_maps import Maps


def maps(clips: int = 5) -> Maps:
    """Clips of 4 frames, 2×3 tokens and 3 joints, of which every second one is wrong."""
    generator = np.random.default_rng(0)
    joints = generator.random((clips, 3, 4), np.float32)
    joints[:, 0] = np.nan  # it is a key of no window
    return Maps(
        clips=np.array([f"{n:04d}" for n in range(clips)]),
        actions=np.array(["jump"] * clips),
        predicted=np.array(["jump" if n % 2 else "r$un" for n in range(clips)]),
        frames=generator.integers(0, 256, (clips, 4, 8, 8, 3), dtype=np.uint8),
        volume=generator.random((clips, 4, 2, 3), np.float32),
        points=generator.random((clips, 6, 3), np.float32),
        weights=generator.random((clips, 6), np.float32),
        joints=joints,
        positions=generator.random((clips, 4, 3, 2), np.float32),
        names=np.array(["head", "wrist", "ankle"]),
        limbs=np.array([[1, 0], [2, 0]]),
    )
