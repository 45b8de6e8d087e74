"""The systems there are. A new one is a folder beside this file and a line in the table.

The table names classes instead of importing them: a launch loads the one system that it trains, and the digest of the
code behind a result (d3d/digest.py) covers that system and no other.
"""

import re
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d3d.errors import ConfigError
from d3d.models.config import SystemConfig

if TYPE_CHECKING:
    from d3d.data.skeleton import Skeleton
    from d3d.models.system import System

SYSTEMS = {
    "d3d": ("d3d.models.d3d.config:D3DConfig", "d3d.models.d3d.transformer:D3DTransformer"),
    "r2plus1d": ("d3d.models.r2plus1d.config:R2Plus1DConfig", "d3d.models.r2plus1d.network:R2Plus1D"),
    "gcn": ("d3d.models.gcn.config:GCNConfig", "d3d.models.gcn.network:GCN"),
    "posec3d": ("d3d.models.posec3d.config:PoseC3DConfig", "d3d.models.posec3d.network:PoseC3D"),
    "star": ("d3d.models.star.config:STARConfig", "d3d.models.star.network:STAR"),
    "cast": ("d3d.models.cast.config:CASTConfig", "d3d.models.cast.network:CAST"),
    "vit": ("d3d.models.cast.config:ExpertConfig", "d3d.models.cast.alone:ViT"),
    "masked_vit": ("d3d.models.cast.config:MaskedViTConfig", "d3d.models.cast.alone:MaskedViT"),
}  # name → configuration, which imports no torch, and module


def config_type(system: str) -> type[SystemConfig]:
    """The dataclass of a system's hyper-parameters. Raises ConfigError where there is no such system.

    `system` is a name in the table, or "package.module:Class" for a class of the user's own that Python can import.
    """
    if system in SYSTEMS:
        listed: type[SystemConfig] = _imported(system, SYSTEMS[system][0])
        return listed
    return system_type(system).config_type


def system_type(system: str) -> "type[System]":
    """The module class of a system; `system` and errors as in `config_type`."""
    from d3d.models.system import System  # importing torch takes a second, and a configuration does not need it

    if system in SYSTEMS:
        listed: type[System] = _imported(system, SYSTEMS[system][1])
        return listed
    if not re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", system):
        raise ConfigError(
            f"model.system={system}: unknown; the systems are: {', '.join(SYSTEMS)}; or name a class of your own, "
            "package.module:Class"
        )
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)  # a command on the PATH does not look in the current folder by itself
    found: type[System] = _imported(system, system)
    if not (isinstance(found, type) and issubclass(found, System)):
        raise ConfigError(
            f"model.system={system}: is not a class that extends d3d.models.system.System; see docs/systems.md"
        )
    if not isinstance(getattr(found, "config_type", None), type) or not issubclass(found.config_type, SystemConfig):
        raise ConfigError(
            f"model.system={system}: its config_type is not a dataclass that extends d3d.models.config.SystemConfig; "
            "see docs/systems.md"
        )
    return found


def module_of(system: str) -> str:
    """The Python module of a system's class. Raises ConfigError where there is no such system."""
    return system_type(system).__module__ if system not in SYSTEMS else SYSTEMS[system][1].partition(":")[0]


def build(config: SystemConfig, skeleton: "Skeleton | None" = None) -> "System":
    """Builds the system of a configuration, its weights drawn from torch's generator.

    `skeleton` is that of one person in the dataset; a system that needs a graph raises ConfigError without one.
    """
    return system_type(config.system)(config, skeleton)


def _imported(system: str, place: str) -> Any:
    module, _, name = place.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"model.system={system}: {error}; name a class that Python finds from this folder, package.module:Class"
        ) from error
