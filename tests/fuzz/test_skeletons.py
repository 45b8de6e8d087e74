"""Skeletons that users describe in YAML."""

from pathlib import Path
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from d3d.data.skeleton_yaml import read_skeleton
from tests.fuzz.outcomes import Outcomes, inputs
from tests.fuzz.test_declarations import BOMB, written

SKELETON: dict[str, Any] = {
    "joints": ["hip", "left", "right", "head"],
    "mirrored": [["left", "right"]],
    "limbs": [["left", "hip"], ["right", "hip"], ["head", "hip"]],
    "centre": "hip",
    "figure": {"legs": [["left", "hip"]], "trunk": ["hip", "left", "right"], "head": "head"},
}
JOINTS = st.sampled_from(("hip", "left", "right", "head", "heed", "", "a|b", "\x1b[2J", 1, None))
PAIRS = st.lists(st.lists(JOINTS, min_size=1, max_size=3), max_size=4)
FIGURES = st.dictionaries(
    st.sampled_from(("legs", "arms", "trunk", "head", "shoulders")), st.one_of(PAIRS, JOINTS, st.lists(JOINTS))
)


def test_what_they_hold(tmp_path: Path) -> None:
    path, outcomes = tmp_path / "mine.skeleton.yaml", Outcomes()
    parts = {"joints": st.lists(JOINTS), "mirrored": PAIRS, "limbs": PAIRS, "centre": JOINTS, "figure": FIGURES}

    @inputs(300)
    @given(written(SKELETON, parts))
    def feed(text: str) -> None:
        path.write_text(text, "utf-8", "surrogatepass")
        outcomes.of(lambda: read_skeleton(path), "mine.skeleton.yaml")

    feed()
    assert outcomes.succeeded > 10 and outcomes.refused > 100


def test_aliases_of_aliases(tmp_path: Path) -> None:
    path, outcomes = tmp_path / "mine.skeleton.yaml", Outcomes()
    for key in SKELETON:
        path.write_text(yaml.safe_dump(SKELETON | {key: "BOMB"}).replace("BOMB", BOMB))
        assert not outcomes.of(lambda: read_skeleton(path), "mine.skeleton.yaml")
