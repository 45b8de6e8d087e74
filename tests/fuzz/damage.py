"""Random damage to a file: bytes changed, removed, repeated, inserted, cut off."""

from hypothesis import strategies as st

ODD = (b"\x00", b"\xff", b"\n", b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80")


@st.composite
def damaged(draw: st.DrawFn, whole: bytes, header: int = 64) -> bytes:
    """The content of a file after one to four faults, half of them in the first bytes, which have its lengths."""
    content = whole
    for _ in range(draw(st.integers(1, 4))):
        if not content:
            break
        within = min(len(content), header) if draw(st.booleans()) else len(content)
        start = draw(st.integers(0, within - 1))
        end = min(len(content), start + draw(st.integers(1, 16)))
        put = draw(st.one_of(st.sampled_from(ODD), st.binary(min_size=1, max_size=8)))
        accident = draw(st.sampled_from(("change", "change", "insert", "cut out", "repeat", "cut off")))
        content = {
            "change": content[:start] + put + content[start + len(put) :],
            "insert": content[:start] + put + content[start:],
            "cut out": content[:start] + content[end:],
            "repeat": content[:end] + content[start:],
            "cut off": content[:start],
        }[accident]
    return content
