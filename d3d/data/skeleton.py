"""Skeletons: the names of a person's joints, which joints mirror each other, and the limbs between them."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from graphlib import CycleError, TopologicalSorter

from d3d.errors import ConfigError

Limbs = tuple[tuple[int, int], ...]  # pairs of joints

MOST_JOINTS = 1_000  # of a person
_NAME = re.compile(r"\w[\w .-]{0,63}")


@dataclass(frozen=True)
class Figure:
    """How a person is drawn with a colour for each part of the body. Every field has joints, or pairs of joints."""

    legs: Limbs = ()
    arms: Limbs = ()  # and torso
    trunk: tuple[int, ...] = ()  # the corners of the torso, in the order in which they are joined
    head: int | None = None
    shoulders: tuple[int, ...] = ()  # the neck starts between them

    def __post_init__(self) -> None:
        if 0 < len(self.trunk) < 3:
            raise ConfigError("trunk: a torso has at least three corners")


@dataclass(frozen=True)
class Skeleton:
    """The J joints of one person, counted from 0.

    `mirrored` is the permutation of a mirror image: joint j of a mirrored person is joint mirrored[j]. It is None where
    left and right are not known; such clips cannot be flipped.

    `limbs` are the edges (child, parent) of a tree of all joints, whose root is `centre`; empty where they are not
    known. Without a `figure` a person is drawn as limbs of one colour.

    Raises ConfigError unless the names are distinct, the permutation pairs joints and the limbs form a tree.
    """

    joint_names: tuple[str, ...]
    mirrored: tuple[int, ...] | None
    limbs: Limbs = ()
    figure: Figure | None = None

    def __post_init__(self) -> None:
        _check_names(self.joint_names)
        joints = range(len(self.joint_names))
        if self.mirrored is not None:
            known = sorted(self.mirrored) == list(joints)
            if not known or any(self.mirrored[self.mirrored[joint]] != joint for joint in joints):
                raise ConfigError(f"mirrored: it does not pair {len(joints)} joints with each other")
        if self.limbs:
            _check_tree(self.joint_names, self.limbs)

    @property
    def centre(self) -> int | None:
        """The joint that all limbs lead to; None where the limbs are not known."""
        children = {child for child, _ in self.limbs}
        roots = [joint for joint in range(len(self.joint_names)) if joint not in children]
        return roots[0] if len(roots) == 1 else None

    def names_of(self, persons: int) -> tuple[str, ...]:
        """The names of the joints of this many persons, person after person."""
        if persons == 1:
            return self.joint_names
        return tuple(f"person_{person + 1}_{name}" for person in range(persons) for name in self.joint_names)

    def mirrored_of(self, persons: int) -> tuple[int, ...] | None:
        """`mirrored` for the joints of this many persons; a mirrored person keeps its place among them."""
        if self.mirrored is None:
            return None
        joints = len(self.joint_names)
        return tuple(person * joints + joint for person in range(persons) for joint in self.mirrored)


def _check_names(names: Sequence[str]) -> None:
    if not 1 <= len(names) <= MOST_JOINTS:
        raise ConfigError(f"joints: there are {len(names)}, not 1 to {MOST_JOINTS}")
    for place, name in enumerate(names):
        if not _NAME.fullmatch(name):
            raise ConfigError(f"joints: {name[:80]!r} is not a name; a name has 1 to 64 letters, digits, spaces or _-.")
        if name in names[:place]:
            raise ConfigError(f"joints: {name} is listed twice")


def _check_tree(names: Sequence[str], limbs: Limbs) -> None:
    if not {joint for limb in limbs for joint in limb} <= set(range(len(names))):
        raise ConfigError(f"limbs: their joints are counted from 0 to {len(names) - 1}")
    parents: dict[int, int] = {}
    for child, parent in limbs:
        if child in parents:
            both = f"{names[parents[child]]} and {names[parent]}"
            raise ConfigError(f"limbs: {names[child]} has two parents, {both}; a limb is [child, parent]")
        parents[child] = parent
    try:
        TopologicalSorter({child: [parent] for child, parent in limbs}).prepare()
    except CycleError as error:
        circle = _few([names[joint] for joint in error.args[1]])
        raise ConfigError(f"limbs: they form a circle, {circle}") from error
    roots = [name for joint, name in enumerate(names) if joint not in parents]
    if len(roots) > 1:
        raise ConfigError(f"limbs: {len(roots)} joints have no parent ({_few(roots)}); only the centre may have none")


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")


# The 13 joints of Penn Action, in the order of its label files.
JOINTS = (
    *("head", "right_shoulder", "left_shoulder", "right_elbow", "left_elbow", "right_wrist", "left_wrist"),
    *("right_hip", "left_hip", "right_knee", "left_knee", "right_ankle", "left_ankle"),
)
MIRRORED = (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11)

# The limbs are COCO's without eyes and ears.
PENN_ACTION = Skeleton(
    joint_names=JOINTS,
    mirrored=MIRRORED,
    limbs=((1, 0), (2, 0), (3, 1), (5, 3), (4, 2), (6, 4), (7, 1), (9, 7), (11, 9), (8, 2), (10, 8), (12, 10)),
    figure=Figure(
        legs=((7, 9), (9, 11), (8, 10), (10, 12), (7, 8)),
        arms=((1, 2), (1, 7), (2, 8), (1, 3), (3, 5), (2, 4), (4, 6)),
        trunk=(1, 2, 8, 7),
        head=0,
        shoulders=(1, 2),
    ),
)

# The 25 joints of Kinect 2, in the order of Shahroudy et al., "NTU RGB+D", CVPR 2016, figure 1 (there from 1). The
# limbs are those of PYSKL's graph nturgb+d.
NTU = Skeleton(
    joint_names=(
        *("spine_base", "spine_middle", "neck", "head"),
        *("left_shoulder", "left_elbow", "left_wrist", "left_hand"),
        *("right_shoulder", "right_elbow", "right_wrist", "right_hand"),
        *("left_hip", "left_knee", "left_ankle", "left_foot"),
        *("right_hip", "right_knee", "right_ankle", "right_foot"),
        *("spine", "left_hand_tip", "left_thumb", "right_hand_tip", "right_thumb"),
    ),
    mirrored=(0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 16, 17, 18, 19, 12, 13, 14, 15, 20, 23, 24, 21, 22),
    limbs=(
        *((0, 1), (1, 20), (2, 20), (3, 2)),
        *((4, 20), (5, 4), (6, 5), (7, 6), (8, 20), (9, 8), (10, 9), (11, 10)),
        *((12, 0), (13, 12), (14, 13), (15, 14), (16, 0), (17, 16), (18, 17), (19, 18)),
        *((21, 7), (22, 7), (23, 11), (24, 11)),
    ),
    figure=Figure(
        legs=((12, 13), (13, 14), (14, 15), (16, 17), (17, 18), (18, 19), (0, 12), (0, 16)),
        arms=(
            *((0, 1), (1, 20), (20, 2)),
            *((20, 4), (4, 5), (5, 6), (6, 7), (7, 21), (7, 22)),
            *((20, 8), (8, 9), (9, 10), (10, 11), (11, 23), (11, 24)),
        ),
        trunk=(4, 8, 16, 12),
        head=3,
        shoulders=(4, 8),
    ),
)

# The 17 keypoints of COCO (Lin et al., "Microsoft COCO", ECCV 2014), in the order of its annotation files. The limbs
# are those of PYSKL's graph coco.
COCO = Skeleton(
    joint_names=(
        *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow"),
        *("right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee"),
        *("left_ankle", "right_ankle"),
    ),
    mirrored=(0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15),
    limbs=(
        *((15, 13), (13, 11), (16, 14), (14, 12), (11, 5), (12, 6), (9, 7), (7, 5), (10, 8), (8, 6), (5, 0), (6, 0)),
        *((1, 0), (3, 1), (2, 0), (4, 2)),
    ),
    figure=Figure(
        legs=((11, 13), (13, 15), (12, 14), (14, 16), (11, 12)),
        arms=((5, 6), (5, 11), (6, 12), (5, 7), (7, 9), (6, 8), (8, 10)),
        trunk=(5, 6, 12, 11),
        head=0,
        shoulders=(5, 6),
    ),
)

# The 17 joints of Human3.6M (Ionescu et al., TPAMI 2014) that pose estimators lift to, in the order of VideoPose3D
# (Pavllo et al., CVPR 2019) and of MMPose, which the names are taken from.
HUMAN36M = Skeleton(
    joint_names=(
        *("root", "right_hip", "right_knee", "right_foot", "left_hip", "left_knee", "left_foot"),
        *("spine", "thorax", "neck_base", "head"),
        *("left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow", "right_wrist"),
    ),
    mirrored=(0, 4, 5, 6, 1, 2, 3, 7, 8, 9, 10, 14, 15, 16, 11, 12, 13),
    limbs=(
        *((1, 0), (2, 1), (3, 2), (4, 0), (5, 4), (6, 5), (7, 0), (8, 7), (9, 8), (10, 9)),
        *((11, 8), (12, 11), (13, 12), (14, 8), (15, 14), (16, 15)),
    ),
    figure=Figure(
        legs=((0, 1), (1, 2), (2, 3), (0, 4), (4, 5), (5, 6)),
        arms=((0, 7), (7, 8), (8, 9), (8, 11), (11, 12), (12, 13), (8, 14), (14, 15), (15, 16)),
        trunk=(11, 14, 1, 4),
        head=10,
        shoulders=(11, 14),
    ),
)

KNOWN = {"coco": COCO, "human36m": HUMAN36M, "ntu": NTU, "penn_action": PENN_ACTION}


def nameless(joints: int) -> Skeleton:
    """A skeleton of this many joints of which nothing is known."""
    return Skeleton(tuple(f"joint_{joint}" for joint in range(joints)), mirrored=None)


def beyond_names(skeleton: Skeleton) -> str:
    """The part of a skeleton that enters a dataset's digest in addition to the names of its joints.

    It is empty for the three skeletons that existed before others could be described, and for joints of which nothing
    is known: their names alone tell them apart, and recorded results carry digests without it.
    """
    if skeleton in (PENN_ACTION, NTU, COCO, nameless(len(skeleton.joint_names))):
        return ""
    return json.dumps(asdict(skeleton), sort_keys=True)
