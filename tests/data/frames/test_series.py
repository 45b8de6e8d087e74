from collections.abc import Sequence
from pathlib import Path

import pytest

from d3d.data.frames.series import frames_in


def names(folder: Path, files: Sequence[str]) -> list[str]:
    """The names that are taken for frames in a folder of these files."""
    for name in files:
        (folder / name).touch()
    return [path.name for path in frames_in(folder)]


FRAMES = [f"img_{number:05d}.jpg" for number in range(1, 13)]


@pytest.mark.parametrize(
    "others",
    [
        [f"flow_{axis}_{number:05d}.jpg" for axis in "xy" for number in range(1, 12)],
        [f"{axis}_{number:05d}.jpg" for axis in "xy" for number in range(1, 12)],
        [f"img_{number:05d}_mask.png" for number in range(1, 13)],
        [f"depth_{number}.png" for number in range(30)],
        ["thumbnail.jpg", "cover.png"],
        [".img_00001.jpg", "img_00001.txt"],
    ],
)
def test_what_lies_beside_the_frames_is_none_of_them(tmp_path: Path, others: list[str]) -> None:
    assert names(tmp_path, [*others, *FRAMES]) == FRAMES


@pytest.mark.parametrize(
    "frames",
    [
        [f"{number}.png" for number in range(12)],
        [f"img_{number}.{'jpg' if number % 2 else 'png'}" for number in range(1, 13)],
        [f"S001C002_{number:03d}.jpg" for number in range(120, 300)],
        [f"frame{number}_1280x720.jpg" for number in range(8, 12)],
        [f"frame_{number}.jpg" for number in range(0, 60, 5)],
        [f"frame_{number}_at_{number * 100 // 3}.jpg" for number in range(12)],
        [f"mask_{number}.png" for number in range(12)],
        ["frame_7.jpg"],
        [],
    ],
)
def test_frames_are_in_the_order_of_their_numbers(tmp_path: Path, frames: list[str]) -> None:
    assert names(tmp_path, frames[::-1]) == frames


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ([*FRAMES, *(f"rgb_{number}.jpg" for number in range(3))], "2 series of images, img_#.jpg \\(12\\), rgb_#.jpg"),
        ([*FRAMES, "img_00003.png"], "img_00003.jpg and img_00003.png have the same number"),
        ([*FRAMES, "img_3.jpg"], "img_00003.jpg and img_3.jpg have the same number"),
        ([*FRAMES[:4], *FRAMES[5:]], "no image lies between img_00004.jpg and img_00006.jpg"),
        (["shot1_1.jpg", "shot1_2.jpg", "shot2_1.jpg"], "the order of shot1_1.jpg and shot1_2.jpg is not clear"),
        (["first.jpg", "second.jpg"], "no image's name has a number, such as first.jpg"),
    ],
)
def test_names_that_leave_a_doubt_are_refused(tmp_path: Path, files: list[str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        names(tmp_path, files)
