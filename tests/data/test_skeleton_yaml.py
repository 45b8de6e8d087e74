import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from d3d.data.skeleton import KNOWN, Figure, Skeleton
from d3d.data.skeleton_yaml import find_skeleton, read_skeleton
from d3d.errors import ConfigError
from d3d.yaml_file import BYTES

BODY: dict[str, Any] = {
    "joints": ["hip", "left_knee", "right_knee", "head"],
    "mirrored": [["left_knee", "right_knee"]],
    "limbs": [["left_knee", "hip"], ["right_knee", "hip"], ["head", "hip"]],
    "centre": "hip",
}


def read(folder: Path, content: Any) -> Skeleton:
    path = folder / "mine.skeleton.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return read_skeleton(path)


def test_a_file_describes_a_skeleton(tmp_path: Path) -> None:
    body = read(tmp_path, BODY)
    assert body == Skeleton(("hip", "left_knee", "right_knee", "head"), (0, 2, 1, 3), ((1, 0), (2, 0), (3, 0)))
    assert body.centre == 0


def test_joints_and_what_mirrors_what_are_enough(tmp_path: Path) -> None:
    assert read(tmp_path, {"joints": ["a", "b"], "mirrored": []}) == Skeleton(("a", "b"), mirrored=(0, 1))


def test_a_figure_says_how_it_is_drawn(tmp_path: Path) -> None:
    figure = {"legs": [["hip", "left_knee"]], "head": "head", "shoulders": ["hip"]}
    assert read(tmp_path, BODY | {"figure": figure}).figure == Figure(legs=((0, 1),), head=3, shoulders=(0,))


@pytest.mark.parametrize("name", KNOWN)
def test_every_known_skeleton_can_be_written_as_a_file(tmp_path: Path, name: str) -> None:
    known = find_skeleton(name)
    names = known.joint_names

    def named(joints: Any) -> Any:
        return names[joints] if isinstance(joints, int) else [named(each) for each in joints]

    assert known.mirrored is not None and known.figure is not None
    pairs = [(joint, other) for joint, other in enumerate(known.mirrored) if joint < other]
    content = {"joints": [*names], "mirrored": named(pairs), "limbs": named(known.limbs), "centre": named(known.centre)}
    figure = {key: named(value) for key, value in asdict(known.figure).items()}
    assert read(tmp_path, content | {"figure": figure}) == known


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ("joints: [", "is not YAML"),
        ("", "a skeleton: it must be a mapping with the keys joints, mirrored, limbs, centre, figure"),
        ("- joints", "a skeleton: it must be a mapping"),
        ("a: !!python/object/apply:os.abort []", "is not YAML"),
        ("# " + "x" * BYTES, f"has more than {BYTES} bytes"),
        (f"joints: [{'a, ' * 100_001}]", "has more than 100000 values"),
        ({"joint": []}, "a skeleton: 'joint' is not one of its keys"),
        ({"mirrored": None}, "mirrored: it must be a list of pairs"),
        ({"joints": "hip"}, "joints: it must be a list of names"),
        ({"joints": [1, 2]}, "joints: it must be a list of names"),
        ({"joints": ["hip", "hip"]}, "joints: hip is listed twice"),
        ({"joints": [f"joint {number}" for number in range(1001)]}, "joints: there are 1001, not 1 to 1000"),
        (
            {"mirrored": [["left_knee", "rigth_knee"]]},
            "'rigth_knee' is not one of the joints (did you mean right_knee?)",
        ),
        ({"mirrored": [["left_knee"]]}, "mirrored: ['left_knee'] is not a pair"),
        ({"mirrored": [["hip", "hip"]]}, "mirrored: hip is paired with itself"),
        ({"mirrored": [["hip", "head"], ["head", "left_knee"]]}, "mirrored: head is in two pairs"),
        ({"limbs": BODY["limbs"][:2]}, "limbs: 2 joints have no parent (hip, head)"),
        ({"limbs": [*BODY["limbs"], ["hip", "head"]]}, "limbs: they form a circle"),
        ({"limbs": [*BODY["limbs"], ["head", "left_knee"]]}, "limbs: head has two parents, hip and left_knee"),
        ({"limbs": []}, "centre: hip, but the limbs lead to no joint"),
        ({"centre": "head"}, "centre: head, but the limbs lead to hip; a limb is [child, parent]"),
        ({"centre": ["hip"]}, "centre: ['hip'] is not one of the joints"),
        ({"figure": {"leg": []}}, "figure: 'leg' is not one of its keys"),
        ({"figure": {"head": "nose"}}, "figure.head: 'nose' is not one of the joints"),
        ({"figure": {"trunk": ["hip", "head"]}}, "trunk: a torso has at least three corners"),
    ],
)
def test_a_fault_is_one_line_that_names_the_file_and_ends_with_the_way_out(
    tmp_path: Path, changed: Any, complaint: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(complaint)) as caught:
        read(tmp_path, changed if isinstance(changed, str) else BODY | changed)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}/mine.skeleton.yaml: ") and message.isprintable()
    assert re.search("(; (correct it|write a shorter file|write at most)[^;]*$)", message)


@pytest.mark.parametrize("key", ["joints", "mirrored", "limbs", "centre"])
def test_a_key_that_is_missing_is_named(tmp_path: Path, key: str) -> None:
    with pytest.raises(ConfigError, match=rf"mine\.skeleton\.yaml: .*\b{key}\b.*; correct it"):
        read(tmp_path, {name: value for name, value in BODY.items() if name != key})


def test_what_is_neither_known_nor_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"data\.skeleton=h36m: unknown skeleton; name a YAML file, or one of coco, h"
    ):
        find_skeleton("h36m")
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: cannot be read"):
        find_skeleton(str(tmp_path / "nowhere.yaml"))
