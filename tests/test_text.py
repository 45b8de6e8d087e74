import pytest
from hypothesis import given
from hypothesis import strategies as st

from d3d.text import from_spreadsheet_entry, one_line, printable, shown, spreadsheet_entry

ODD = st.text(st.sampled_from("=+-@'1.eE \t\r\na＝"), max_size=6)


@given(ODD)
def test_a_spreadsheet_takes_no_entry_for_a_formula_and_loses_none(text: str) -> None:
    entry = spreadsheet_entry(text)
    assert from_spreadsheet_entry(entry) == text
    if entry.strip(" ")[:1] in tuple("=+-@\t\r\n＝"):
        float(entry)  # a number stays one


@pytest.mark.parametrize("text", ["-1.5", "+3", "-.5e-3", "1e5", "full", "no_joint", "—", "−1.2", "'quoted'", ""])
def test_numbers_and_words_stay_as_they_are(text: str) -> None:
    assert spreadsheet_entry(text) == from_spreadsheet_entry(text) == text


def test_a_line_has_no_breaks_and_nothing_that_controls_a_terminal() -> None:
    assert one_line(" a\n b\u2028c ") == "a b c"
    assert shown("a\n\x1b[31mb\u202e") == r"a \x1b[31mb\u202e"
    assert shown("naïve\u00a0行動") == "naïve 行動"
    assert printable("a\nb\x1b") == r"a\nb\x1b"
