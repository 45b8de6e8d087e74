from pathlib import Path

import pytest

from d3d.config import DataConfig
from d3d.data.look.check import Groups, check
from d3d.data.readers.groups import group_of, read_groups
from d3d.data.readers.registry import find_source, open_dataset
from d3d.errors import DataError
from tests.data.pyskl_files import annotation, write_pickle


@pytest.mark.parametrize(
    ("id", "group"),
    [
        ("0LtLS9wROrk_E_002407_002435_A_0003_0005", "0LtLS9wROrk"),
        ("_a-LS9wR_E__E_002407_002435_A_0003_0005", "_a-LS9wR_E_"),
        ("A0xAXXysHUo_002184_002237_0035_0036", "A0xAXXysHUo"),
        ("S001C002P003R002A013", "S001P003"),
        ("v_ApplyEyeMakeup_g08_c01", "v_ApplyEyeMakeup_g08"),
        ("ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c02.avi", "v_ApplyEyeMakeup_g08"),
        ("April_09_brush_hair_u_nm_np1_ba_goo_0", "April_09_brush_hair"),
        ("walk/Faith_Rewarded_walk_f_cm_np1_fr_med_12.avi", "Faith_Rewarded_walk"),
        ("wave_0", "wave_0"),
    ],
)
def test_clips_of_one_take_are_a_group(id: str, group: str) -> None:
    assert group_of(id) == group


def ucf(root: Path) -> Path:
    """Two actions, seven groups of each, of which one is tested; three clips of each group."""
    clips = {
        group: [annotation(f"v_Act{label}_g{group:02d}_c{take:02d}", label) for label in (0, 1) for take in (1, 2, 3)]
        for group in range(1, 8)
    }
    return write_pickle(root / "a.pkl", [each for group in range(1, 7) for each in clips[group]], clips[7])


def test_no_group_is_on_both_sides_of_the_validation_split(tmp_path: Path) -> None:
    data = DataConfig(name="pyskl", annotations=str(ucf(tmp_path)), frames="rendered", split="validation")
    dataset = open_dataset(data, tmp_path)
    sides = [{clip.id.rpartition("_")[0] for clip in side} for side in (dataset.train, dataset.test)]
    assert len(sides[0] | sides[1]) == 12 and sides[1] and not sides[0] & sides[1]


def listed(root: Path, text: str, **changed: str) -> DataConfig:
    (root / "groups.csv").write_text(text, "utf-8")
    named = {"name": "pyskl", "frames": "rendered", "annotations": str(root / "a.pkl")} | changed
    return DataConfig(groups=str(root / "groups.csv"), **named)  # type: ignore[arg-type]


def test_a_list_says_which_clips_are_of_one_recording(tmp_path: Path) -> None:
    write_pickle(tmp_path / "a.pkl", [annotation(f"a{n}", 0) for n in range(6)], [annotation("b0", 0)])
    text = "Clip,Group\r\n" + "".join(f"a{n}.mp4,video {n // 3}\r\n" for n in range(6)) + "b0,video 1\r\n\r\n"
    data = listed(tmp_path, "\ufeff" + text)
    dataset = open_dataset(data, tmp_path)
    assert [clip.group for clip in dataset.train] == ["video 0"] * 3 + ["video 1"] * 3
    sides = open_dataset(listed(tmp_path, text, split="validation"), tmp_path)
    assert {len({clip.group for clip in side}) for side in (sides.train, sides.test)} == {1}
    assert check(find_source(data, tmp_path), data, 4, 1, lambda: None).groups == Groups(2, 1, ("video 1",))
    whole = listed(tmp_path, text.replace("video 0", "video 1"))
    assert check(find_source(whole, tmp_path), whole, 4, 1, lambda: None).groups.single == (0,)
    without = open_dataset(DataConfig(name="pyskl", frames="rendered", annotations=data.annotations), tmp_path)
    assert dataset.digest != without.digest, "intervals and baselines depend on the groups"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a0,1\na1\n", r"line 2 is 'a1'; write a clip and its group"),
        ("a0,1\na1,\n", r"line 2 is 'a1,'"),
        ("a0,1\na0,2\n", r"line 2 gives clip a0 a second group"),
        ("a0,1\n", r"data\.groups: 1 of 2 clips of .* are not in the list .b0."),
        ('a0,"1\n', r"cannot be read .unexpected end of data"),
        ("a0," + 200_000 * "x", r"cannot be read .field larger"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    write_pickle(tmp_path / "a.pkl", [annotation("a0", 0)], [annotation("b0", 0)])
    with pytest.raises(DataError, match=fault) as caught:
        open_dataset(listed(tmp_path, text), tmp_path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_a_list_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "g.csv", tmp_path, tmp_path / "none.csv"):
        with pytest.raises(DataError, match=r"data\.groups=.*cannot be read"):
            read_groups(path)
