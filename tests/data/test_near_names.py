import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d3d.data.near_names import match_names, nearest_path


@pytest.mark.parametrize(
    ("wanted", "there"),
    [
        ("c0", "c0.MP4"),
        ("c0.avi", "c0.mp4"),
        ("C0", "c0.mp4"),
        ("jump", " jump .mp4"),
        ("jump ", "jump.mp4"),
        ("Sprünge", unicodedata.normalize("NFD", "Sprünge.mp4")),
        (unicodedata.normalize("NFD", "Sprünge"), "Sprünge.mp4"),
        ("v_Bowling_g01_c01", "Bowling/v_Bowling_g01_c01.avi"),
        ("data/videos/Bowling/v_Bowling_g01_c01", "Bowling/v_Bowling_g01_c01.avi"),
        ("Bowling\\v_Bowling_g01_c01.avi", "Bowling/v_Bowling_g01_c01.avi"),
        ("./c0", "c0.mp4"),
        ("S001_rgb.avi", "s001_RGB.AVI"),
    ],
)
def test_a_name_that_is_spelled_differently_means_the_only_one_like_it(wanted: str, there: str) -> None:
    assert match_names([wanted], ["other.mp4", there]).meant == {wanted: there}


@pytest.mark.parametrize(
    ("wanted", "there", "resembling"),
    [
        (["c0"], ["C0.mp4", "c0.AVI"], {"c0": ("C0.mp4", "c0.AVI")}),
        (["c0", "C0"], ["c0.AVI"], {"c0": ("c0.AVI",), "C0": ("c0.AVI",)}),
        (["walk/01", "run/01"], ["01.mp4"], {"walk/01": ("01.mp4",), "run/01": ("01.mp4",)}),
        (["01"], ["walk/01.mp4", "run/01.mp4"], {"01": ("run/01.mp4", "walk/01.mp4")}),
        (["walk/01"], ["run/01.mp4"], {"walk/01": ("run/01.mp4",)}),
        (["c_0"], ["c-0.mp4", "c 0.mp4"], {"c_0": ("c 0.mp4", "c-0.mp4")}),
        (["1"], ["0001.mp4"], {"1": ("0001.mp4",)}),
        (["c0"], ["c1.mp4"], {}),
    ],
)
def test_where_several_could_be_meant_none_is_taken_and_they_are_named(
    wanted: list[str], there: list[str], resembling: dict[str, tuple[str, ...]]
) -> None:
    matches = match_names(wanted, there)
    assert (matches.meant, matches.resembling) == ({}, resembling)


def test_the_nearest_of_several_is_taken_where_one_is_nearer() -> None:
    there = ["walk/c.MP4", "c.MP4", "c.AVI"]
    assert match_names(["c.avi", "walk/c"], there).meant == {"c.avi": "c.AVI", "walk/c": "walk/c.MP4"}


names = st.builds(
    str.__add__, st.text(st.sampled_from("aAä\u0308 _/1"), max_size=5), st.sampled_from(["", ".mp4", ".AVI"])
)


@given(st.lists(names, max_size=6), st.lists(names, max_size=6, unique=True))
def test_nothing_is_meant_twice_and_nothing_is_invented(wanted: list[str], there: list[str]) -> None:
    matches = match_names(wanted, there)
    assert len(set(matches.meant.values())) == len(matches.meant)
    assert set(matches.meant) <= set(wanted) and set(matches.meant.values()) <= set(there)
    assert not set(matches.meant) & set(matches.resembling)
    assert matches == match_names(wanted[::-1], there[::-1])


def test_a_path_is_that_of_the_only_entry_it_can_mean(tmp_path: Path) -> None:
    (tmp_path / "Labels").mkdir()
    assert nearest_path(tmp_path / "labels") == tmp_path / "Labels"
    (tmp_path / "LABELS").mkdir()
    assert nearest_path(tmp_path / "labels") == tmp_path / "labels", "it cannot be told which is meant"
    assert nearest_path(tmp_path / "Labels") == tmp_path / "Labels"
    assert nearest_path(tmp_path / "none" / "labels") == tmp_path / "none" / "labels"
