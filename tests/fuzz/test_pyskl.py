"""Annotation files in PYSKL's layout: their content, their bytes, and the videos and images of their clips."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from tests.data.pyskl_files import HEIGHT, WIDTH, annotation, write_pickle
from tests.data.video_files import draw_discs, path_of_disc, write_video
from tests.fuzz.damage import damaged
from tests.fuzz.outcomes import Outcomes, inputs
from tests.fuzz.using import use_dataset

LENGTH = 5
NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from((2**31, 2**40, 10**30, float("nan"), float("inf"))))
SHAPES = st.one_of(
    st.just((1, LENGTH, 17, 2)),
    st.sampled_from(((0, 10**12, 17, 2), (0, LENGTH, 17, 2), (1, LENGTH, 0, 2), (0, 1, 10**12, 2), (1, LENGTH, 17))),
    arrays.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=5),
)
ARRAYS = arrays.arrays(
    st.one_of(
        arrays.floating_dtypes(), arrays.integer_dtypes(), arrays.boolean_dtypes(), arrays.unicode_string_dtypes()
    ),
    SHAPES,
)
PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=5), st.binary(max_size=5), ARRAYS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(st.text(max_size=3), st.integers()), inner, max_size=3)
    ),
    max_leaves=5,
)
IDS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(("..", "../../x", "/etc/passwd", "a\0b", "a\nb", "\x1b[2J", "\ud800", "x" * 300, "a,b", "~", ".")),
)
RIGHT = {
    "frame_dir": st.text("abc012_-,.", min_size=1, max_size=12),
    "img_shape": st.tuples(st.integers(80, 2000), st.integers(80, 2000)),
    "label": st.integers(0, 3),
    "group": st.one_of(st.text(max_size=5), st.integers()),
    "keypoint": arrays.arrays(
        np.float16, st.sampled_from(((0, LENGTH, 17, 2), (1, LENGTH, 17, 2), (3, LENGTH, 17, 2)))
    ),
    "keypoint_score": arrays.arrays(np.float32, (1, LENGTH, 17)),
}
VALUES = {
    "frame_dir": IDS,
    "total_frames": st.one_of(NUMBERS, PLAIN),
    "img_shape": st.one_of(st.tuples(NUMBERS, NUMBERS), PLAIN),
    "label": st.one_of(NUMBERS, PLAIN),
    "group": st.one_of(NUMBERS, PLAIN),
    "keypoint": st.one_of(ARRAYS, PLAIN),
    "keypoint_score": st.one_of(ARRAYS, PLAIN),
}


def bomb(depth: int) -> list[Any]:
    """Nested lists that take a few bytes and stand for 10^depth numbers."""
    value: list[Any] = [1] * 10
    for _ in range(depth - 1):
        value = [value] * 10
    return value


@st.composite
def contents(draw: st.DrawFn) -> Any:
    """The content of an annotation file that is valid but for one or two arbitrary fields of the second clip."""
    train = [annotation(f"t{label}", label, LENGTH) for label in range(2)]
    val = [annotation(f"v{label}", label, LENGTH) for label in range(2)]
    for key in draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=2, unique=True)):
        kind = draw(st.sampled_from(("right", "right", "odd", "odd", "bomb")))
        train[1][key] = (
            bomb(12) if kind == "bomb" else draw((RIGHT if kind == "right" else VALUES).get(key, VALUES[key]))
        )
    names = {"train": [each["frame_dir"] for each in train], "val": [each["frame_dir"] for each in val]}
    match draw(st.sampled_from(("as it is",) * 12 + ("split", "annotations", "all", "lost"))):
        case "split":
            names |= draw(st.dictionaries(st.one_of(IDS, st.integers(), st.sampled_from(("train", "val"))), PLAIN))
        case "annotations":
            train = draw(st.one_of(PLAIN.map(lambda value: [value]), st.lists(PLAIN, max_size=2)))
        case "all":
            return draw(st.one_of(PLAIN, st.just(train), st.just(train[1])))
        case "lost":
            names["train"].append(draw(IDS))
    return {"split": names, "annotations": [*train, *val]}


def test_what_they_hold(tmp_path: Path) -> None:
    path, outcomes = tmp_path / "mine.pkl", Outcomes()
    named = ("mine.pkl", "clip ", "data.splits=")

    @inputs(100)
    @given(contents(), st.sampled_from(("rendered", "rendered", "files")))
    def feed(content: Any, frames: str) -> None:
        path.write_bytes(pickle.dumps(content))
        data = {"name": "pyskl", "annotations": str(path), "root": str(tmp_path), "frames": frames}
        outcomes.of(lambda: use_dataset(tmp_path, **data), *named)

    feed()
    assert outcomes.succeeded > 12 and outcomes.refused > 40
    assert [each.name for each in tmp_path.iterdir()] == ["mine.pkl"]


def test_bytes(tmp_path: Path) -> None:
    path, outcomes = tmp_path / "mine.pkl", Outcomes()
    clips = [annotation(f"clip_{label}", label, LENGTH) for label in range(4)]
    whole = [write_pickle(path, clips[:2], clips[2:], protocol).read_bytes() for protocol in (0, 2, 4)]

    @inputs(150)
    @given(st.sampled_from(whole).flatmap(lambda content: damaged(content, header=400)))
    def feed(content: bytes) -> None:
        path.write_bytes(content)
        data = {"name": "pyskl", "annotations": str(path), "frames": "rendered"}
        outcomes.of(lambda: use_dataset(tmp_path, **data), "mine.pkl", "clip ", "data.splits=")

    feed()
    assert outcomes.refused > 75


def test_video_bytes(tmp_path: Path) -> None:
    clips = [annotation(f"clip_{label}", label, 8) for label in range(2)]
    path, outcomes = write_pickle(tmp_path / "mine.pkl", clips[:1], clips[1:]), Outcomes()
    frames = draw_discs(path_of_disc(8, HEIGHT, WIDTH), HEIGHT, WIDTH)
    write_video(tmp_path / "clip_1.mp4", frames)
    whole = [
        write_video(tmp_path / f"whole.{ending}", frames, codec, group=4).read_bytes()
        for ending, codec in (("mp4", "libx264"), ("avi", "mpeg4"), ("mkv", "libx264"))
    ]

    @inputs(150)
    @given(st.sampled_from(whole).flatmap(lambda content: damaged(content, header=1000)))
    def feed(content: bytes) -> None:
        (tmp_path / "clip_0.mp4").write_bytes(content)
        data = {"name": "pyskl", "annotations": str(path), "root": str(tmp_path), "classes": 2}
        outcomes.of(lambda: use_dataset(tmp_path, **data), "clip_0")

    feed()
    assert outcomes.succeeded > 5 and outcomes.refused > 20


def test_a_folder_of_images(tmp_path: Path) -> None:
    """Videos and images with random names and contents."""
    clips = [annotation(f"clip_{label}", label, LENGTH) for label in range(2)]
    path, outcomes = write_pickle(tmp_path / "mine.pkl", clips[:1], clips[1:]), Outcomes()
    for clip in clips:
        for number in range(LENGTH):
            (tmp_path / clip["frame_dir"]).mkdir(exist_ok=True)
            Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / clip["frame_dir"] / f"{number}.png")
    image = tmp_path / "clip_0" / "2.png"
    whole = image.read_bytes()

    @inputs(150)
    @given(damaged(whole))
    def feed(content: bytes) -> None:
        image.write_bytes(content)
        data = {"name": "pyskl", "annotations": str(path), "root": str(tmp_path), "classes": 2}
        outcomes.of(lambda: use_dataset(tmp_path, **data), "clip_0")

    feed()
    assert outcomes.refused > 50
