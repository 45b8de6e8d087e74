"""The text of `.skeleton` files."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.data.ntu_files import moving_body, skeleton_text, write_sample
from tests.fuzz.damage import damaged
from tests.fuzz.outcomes import Outcomes, inputs
from tests.fuzz.using import use_dataset

NAME = "S001C001P001R001A001"
WORDS = st.one_of(
    st.sampled_from(("", "0", "1", "2", "25", "-1", "1e9", "999999999", "1" * 5000, "nan", "-inf", "1e400", "1e39")),
    st.integers().map(str),
    st.floats().map(str),
    st.text(max_size=6),
)
WHOLE = skeleton_text(5, {"a": moving_body(np.full((5, 2), 300.0)), "b": moving_body(np.full((5, 2), 500.0), [1, 2])})


@st.composite
def rewritten(draw: st.DrawFn) -> str:
    """The text with some lines lost or repeated, and some words replaced."""
    lines = WHOLE.splitlines()
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, min(len(lines), draw(st.sampled_from((6, 500)))) - 1))
        words = lines[place].split()
        match draw(st.sampled_from(("word", "word", "line", "lose", "twice"))):
            case "word" if words:
                words[draw(st.integers(0, len(words) - 1))] = draw(WORDS)
                lines[place] = " ".join(words)
            case "line":
                lines[place] = draw(WORDS)
            case "lose" if len(lines) > 1:
                del lines[place]
            case "twice":
                lines.insert(place, lines[place])
    return "\n".join(lines)


def test_text(tmp_path: Path) -> None:
    write_sample(tmp_path, NAME.replace("P001", "P003"), 5, video=False)
    path, outcomes = write_sample(tmp_path, NAME, 5, video=False), Outcomes()

    @inputs(300)
    @given(st.one_of(rewritten().map(str.encode), damaged(WHOLE.encode())))
    def feed(content: bytes) -> None:
        path.write_bytes(content)
        cache = tmp_path / "cache"
        outcomes.of(lambda: use_dataset(cache, name="ntu60", root=str(tmp_path), frames="rendered"), NAME)

    feed()
    assert outcomes.succeeded > 10 and outcomes.refused > 150
