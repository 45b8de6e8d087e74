"""The skeletons that are known by name: what their joints are called, which mirror which, and how they are drawn."""

from dataclasses import dataclass

from d3d.data.clip import JOINTS, MIRRORED

Limbs = tuple[tuple[int, int], ...]  # pairs of joints


@dataclass(frozen=True)
class Skeleton:
    """The J joints of one person."""

    joint_names: tuple[str, ...]
    mirrored: tuple[int, ...]  # joint j of a mirrored person is joint mirrored[j]
    legs: Limbs = ()
    arms: Limbs = ()  # and torso
    trunk: tuple[int, ...] = ()  # the corners of the torso, in turn
    head: int | None = None
    shoulders: tuple[int, ...] = ()  # the neck starts between them


PENN_ACTION = Skeleton(
    joint_names=JOINTS,
    mirrored=MIRRORED,
    legs=((7, 9), (9, 11), (8, 10), (10, 12), (7, 8)),
    arms=((1, 2), (1, 7), (2, 8), (1, 3), (3, 5), (2, 4), (4, 6)),
    trunk=(1, 2, 8, 7),
    head=0,
    shoulders=(1, 2),
)

# The 25 joints of Kinect 2, in the order of Shahroudy et al., "NTU RGB+D", CVPR 2016, figure 1 (there from 1).
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
    legs=((12, 13), (13, 14), (14, 15), (16, 17), (17, 18), (18, 19), (0, 12), (0, 16)),
    arms=(
        *((0, 1), (1, 20), (20, 2)),
        *((20, 4), (4, 5), (5, 6), (6, 7), (7, 21), (7, 22)),
        *((20, 8), (8, 9), (9, 10), (10, 11), (11, 23), (11, 24)),
    ),
    trunk=(4, 8, 16, 12),
    head=3,
    shoulders=(4, 8),
)

# The 17 keypoints of COCO (Lin et al., "Microsoft COCO", ECCV 2014), in the order of its annotation files.
COCO = Skeleton(
    joint_names=(
        *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow"),
        *("right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee"),
        *("left_ankle", "right_ankle"),
    ),
    mirrored=(0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15),
    legs=((11, 13), (13, 15), (12, 14), (14, 16), (11, 12)),
    arms=((5, 6), (5, 11), (6, 12), (5, 7), (7, 9), (6, 8), (8, 10)),
    trunk=(5, 6, 12, 11),
    head=0,
    shoulders=(5, 6),
)

_KNOWN = {len(skeleton.joint_names): skeleton for skeleton in (PENN_ACTION, NTU, COCO)}


def skeleton_of(joints: int) -> Skeleton:
    """The known skeleton of so many joints; of any other number, joints without names, limbs or mirrored pairs."""
    nameless = Skeleton(tuple(f"joint_{joint}" for joint in range(joints)), tuple(range(joints)))
    return _KNOWN.get(joints, nameless)


def of_persons(skeleton: Skeleton, persons: int) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """(joint names, mirrored) of all joints of so many persons; a mirrored person keeps its place."""
    joints = len(skeleton.joint_names)
    names = tuple(f"person_{person + 1}_{name}" for person in range(persons) for name in skeleton.joint_names)
    mirrored = tuple(person * joints + joint for person in range(persons) for joint in skeleton.mirrored)
    return names if persons > 1 else skeleton.joint_names, mirrored
