import re
from dataclasses import replace
from typing import Any

import pytest

from d3d.data.skeleton import COCO, HUMAN36M, KNOWN, NTU, PENN_ACTION, Skeleton, beyond_names, nameless
from d3d.errors import ConfigError

ARM = Skeleton(("shoulder", "elbow", "wrist"), mirrored=(0, 1, 2), limbs=((1, 0), (2, 1)))


@pytest.mark.parametrize("name", KNOWN)
def test_a_mirrored_person_has_every_limb_again(name: str) -> None:
    skeleton = KNOWN[name]
    mirrored, figure = skeleton.mirrored, skeleton.figure
    assert mirrored is not None and figure is not None
    for limbs in (skeleton.limbs, figure.legs, figure.arms):
        pairs = {frozenset(pair) for pair in limbs}
        assert {frozenset(mirrored[joint] for joint in pair) for pair in pairs} == pairs
    for names, joint in zip(skeleton.joint_names, mirrored, strict=True):
        assert skeleton.joint_names[joint] == re.sub(
            "left|right", lambda found: {"left": "right"}.get(found[0], "left"), names
        )


@pytest.mark.parametrize(
    ("skeleton", "centre", "ends"),
    [
        (PENN_ACTION, "head", {"left_wrist", "right_wrist", "left_ankle", "right_ankle"}),
        (COCO, "nose", {"left_ear", "right_ear", "left_wrist", "right_wrist", "left_ankle", "right_ankle"}),
        (HUMAN36M, "root", {"head", "left_wrist", "right_wrist", "left_foot", "right_foot"}),
        (
            NTU,
            "spine",
            {"head", "left_hand_tip", "left_thumb", "right_hand_tip", "right_thumb", "left_foot", "right_foot"},
        ),
    ],
)
def test_limbs_lead_from_the_ends_of_the_body_to_its_centre(skeleton: Skeleton, centre: str, ends: set[str]) -> None:
    names, parents = skeleton.joint_names, dict(skeleton.limbs)
    assert skeleton.centre == names.index(centre)
    assert {names[joint] for joint in range(len(names)) if joint not in parents.values()} == ends
    for joint in range(len(names)):
        for _ in names:
            joint = parents.get(joint, joint)
        assert joint == skeleton.centre


def test_persons_follow_one_another_and_keep_their_place_in_the_mirror() -> None:
    pair = Skeleton(("left", "right"), mirrored=(1, 0))
    assert pair.names_of(1) == ("left", "right") and pair.mirrored_of(1) == (1, 0)
    assert pair.names_of(2) == ("person_1_left", "person_1_right", "person_2_left", "person_2_right")
    assert pair.mirrored_of(2) == (1, 0, 3, 2)


def test_of_nameless_joints_nothing_is_known() -> None:
    nothing = nameless(3)
    assert (nothing.mirrored_of(2), nothing.limbs, nothing.centre, nothing.figure) == (None, (), None, None)
    assert nameless(1).centre == 0, "a joint alone is its own centre"


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"joint_names": ()}, "joints: there are 0, not 1 to 1000"),
        ({"joint_names": ("a", "b", "a")}, "joints: a is listed twice"),
        ({"joint_names": ("a", "b|c", "d")}, "joints: 'b|c' is not a name"),
        ({"mirrored": (1, 2, 0)}, "mirrored: it does not pair 3 joints"),
        ({"mirrored": (0, 1)}, "mirrored: it does not pair 3 joints"),
        ({"limbs": ((1, 0), (1, 2))}, "limbs: elbow has two parents, shoulder and wrist"),
        ({"limbs": ((0, 1), (1, 2), (2, 0))}, "limbs: they form a circle, "),
        ({"limbs": ((1, 1), (2, 0))}, "limbs: they form a circle, elbow, elbow"),
        ({"limbs": ((1, 0),)}, "limbs: 2 joints have no parent (shoulder, wrist)"),
        ({"limbs": ((1, 0), (3, 1))}, "limbs: their joints are counted from 0 to 2"),
    ],
)
def test_what_is_no_skeleton_is_refused(changed: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(complaint)):
        replace(ARM, **changed)


def test_a_digest_tells_two_skeletons_of_the_same_names_apart() -> None:
    named = [PENN_ACTION, COCO, NTU, nameless(3), nameless(7)]
    assert [beyond_names(skeleton) for skeleton in named] == [""] * 5, "as before skeletons could be described"
    others = [
        HUMAN36M,
        ARM,
        replace(ARM, limbs=()),
        replace(ARM, limbs=((0, 1), (2, 1))),
        replace(ARM, mirrored=(2, 1, 0)),
        replace(ARM, mirrored=None),
        replace(COCO, figure=None),
        replace(COCO, mirrored=tuple(range(17))),
        replace(nameless(3), mirrored=(0, 1, 2)),
    ]
    assert len({*map(beyond_names, others), ""}) == len(others) + 1
