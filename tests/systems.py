"""Configurations as the system that they are of, for type checkers."""

from d3d.config import Config
from d3d.models.d3d.config import D3DConfig


def d3d_model(config: Config) -> D3DConfig:
    """The hyper-parameters of a configuration of the 3D deformable transformer."""
    assert isinstance(config.model, D3DConfig)
    return config.model
