import json
from io import BytesIO

import pytest
from PIL import Image

from d3d.prediction import Prediction
from d3d.worst_clips import CAPTION, SIDE, mean_probabilities, read_pictures, worst_clips, write_pictures

COLOURS = {"b/2": (200, 30, 30), 'a "1"\n': (30, 200, 30)}


def sheet(clips: object, rows: int = SIDE + CAPTION) -> bytes:
    written = BytesIO()
    Image.new("RGB", (8, rows)).save(written, "JPEG", comment=json.dumps(clips).encode())
    return written.getvalue()


def test_the_worst_clips_are_those_that_most_seeds_miss_and_then_the_least_probable() -> None:
    first = [Prediction("a", 0, 0), Prediction("b", 0, 1, probabilities=(0.4, 0.6)), Prediction("c", 2, 1)]
    second = [Prediction("a", 0, 0), Prediction("b", 0, 0, probabilities=(0.8, 0.2)), Prediction("c", 2, 0)]
    assert worst_clips([first, second]) == {"c": 2, "b": 1}
    assert {clip: means.tolist() for clip, means in mean_probabilities([first, second]).items()} == {
        "b": pytest.approx([0.6, 0.4])
    }
    chances = {"d": 0.3, "e": 0.1, "f": 0.2}
    third = [Prediction(clip, 0, 1, probabilities=(chance, 1 - chance)) for clip, chance in chances.items()]
    assert list(worst_clips([third])) == ["e", "f", "d"]


def test_pictures_come_back_by_clip_and_in_order_without_their_captions() -> None:
    pictures = {clip: Image.new("RGB", (2 * SIDE, SIDE + CAPTION), colour) for clip, colour in COLOURS.items()}
    read = read_pictures(write_pictures(pictures))
    assert list(read) == list(COLOURS)
    for clip, jpeg in read.items():
        picture = Image.open(BytesIO(jpeg))
        assert picture.size == (2 * SIDE, SIDE)
        seen = picture.getpixel((SIDE, SIDE // 2))
        assert isinstance(seen, tuple)
        assert all(abs(a - b) < 8 for a, b in zip(seen, COLOURS[clip], strict=True))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"no picture", "cannot identify"),
        (sheet(["a", "b"]), "126 rows, not 126 for each of 2 clips"),
        (sheet([1]), "no ids of clips"),
        (sheet([str(n) for n in range(13)], 13 * (SIDE + CAPTION)), "for each of 13 clips"),
        (sheet(["a"])[:-40], "(?i:truncated)"),
    ],
)
def test_what_is_damaged_is_said_in_a_line(content: bytes, fault: str) -> None:
    with pytest.raises(ValueError, match=rf"^worst_clips\.jpg: .*{fault}") as raised:
        read_pictures(content)
    assert "\n" not in str(raised.value)
