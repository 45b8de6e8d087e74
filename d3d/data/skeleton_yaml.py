"""A skeleton that a user describes in a YAML file; docs/data.md shows one."""

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from reprlib import repr as short

from d3d.data.skeleton import KNOWN, Figure, Limbs, Skeleton
from d3d.errors import ConfigError
from d3d.yaml_file import read_yaml

_KEYS = ("joints", "mirrored", "limbs", "centre", "figure")
_PARTS = ("legs", "arms", "trunk", "head", "shoulders")  # of a figure
_WAY_OUT = f"correct it as docs/data.md describes, or use a known skeleton, data.skeleton={', '.join(KNOWN)}"

Index = Mapping[str, int]  # name → joint


def find_skeleton(named: str) -> Skeleton:
    """The skeleton that data.skeleton names: a known one or a YAML file. Raises ConfigError."""
    if named in KNOWN:
        return KNOWN[named]
    if not named.lower().endswith((".yaml", ".yml")):
        raise ConfigError(f"data.skeleton={named}: unknown skeleton; name a YAML file, or one of {', '.join(KNOWN)}")
    return read_skeleton(Path(named))


def read_skeleton(path: Path) -> Skeleton:
    """The skeleton that a file describes. Raises ConfigError, which names the file, the key and the faulty joint."""
    content = read_yaml(path)
    try:
        return _parse(content)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}; {_WAY_OUT}") from error


def _parse(content: object) -> Skeleton:
    written = _mapping(content, "a skeleton", _KEYS)
    for key in ("joints", "mirrored"):
        if key not in written:
            raise ConfigError(f"{key}: is missing")
    if ("limbs" in written) != ("centre" in written):
        raise ConfigError("limbs and centre belong together: write both, or neither")
    names = written["joints"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError("joints: it must be a list of names; quote those that YAML reads as numbers or yes and no")
    skeleton = Skeleton(tuple(names), mirrored=None)
    index = {name: joint for joint, name in enumerate(names)}
    skeleton = replace(skeleton, mirrored=_mirrored(_pairs(written["mirrored"], "mirrored", index), names))
    if "limbs" in written:
        skeleton = replace(skeleton, limbs=_pairs(written["limbs"], "limbs", index))
        centre = _joint(written["centre"], "centre", index)
        if skeleton.centre != centre:
            root = "no joint" if skeleton.centre is None else names[skeleton.centre]
            raise ConfigError(f"centre: {names[centre]}, but the limbs lead to {root}; a limb is [child, parent]")
    return replace(skeleton, figure=_figure(written["figure"], index)) if "figure" in written else skeleton


def _figure(content: object, index: Index) -> Figure:
    written = _mapping(content, "figure", _PARTS)
    return Figure(
        legs=_pairs(written.get("legs", []), "figure.legs", index),
        arms=_pairs(written.get("arms", []), "figure.arms", index),
        trunk=_joints(written.get("trunk", []), "figure.trunk", index),
        head=_joint(written["head"], "figure.head", index) if "head" in written else None,
        shoulders=_joints(written.get("shoulders", []), "figure.shoulders", index),
    )


def _mirrored(pairs: Limbs, names: list[str]) -> tuple[int, ...]:
    """The permutation that swaps the joints of each pair."""
    order = list(range(len(names)))
    for left, right in pairs:
        if left == right:
            raise ConfigError(f"mirrored: {names[left]} is paired with itself; leave out joints without a counterpart")
        for joint in (left, right):
            if order[joint] != joint:
                raise ConfigError(f"mirrored: {names[joint]} is in two pairs")
        order[left], order[right] = right, left
    return tuple(order)


def _mapping(content: object, what: str, known: tuple[str, ...]) -> dict[str, object]:
    if not isinstance(content, dict):
        raise ConfigError(f"{what}: it must be a mapping with the keys {', '.join(known)}")
    for key in content:
        if key not in known:
            raise ConfigError(f"{what}: {short(key)} is not one of its keys, {', '.join(known)}")
    return content


def _pairs(content: object, key: str, index: Index) -> Limbs:
    if not isinstance(content, list):
        raise ConfigError(f"{key}: it must be a list of pairs of joints")
    pairs = []
    for each in content:
        if not isinstance(each, list) or len(each) != 2:
            raise ConfigError(f"{key}: {short(each)} is not a pair of joints")
        pairs.append((_joint(each[0], key, index), _joint(each[1], key, index)))
    return tuple(pairs)


def _joints(content: object, key: str, index: Index) -> tuple[int, ...]:
    if not isinstance(content, list):
        raise ConfigError(f"{key}: it must be a list of joints")
    return tuple(_joint(each, key, index) for each in content)


def _joint(name: object, key: str, index: Index) -> int:
    if not isinstance(name, str) or name not in index:
        near = get_close_matches(name[:80], index, 1, 0.5) if isinstance(name, str) else []
        asked = f" (did you mean {near[0]}?)" if near else ""
        raise ConfigError(f"{key}: {short(name)} is not one of the joints{asked}")
    return index[name]
