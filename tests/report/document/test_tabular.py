"""The bare tabular, measured with the letters of TeX that matplotlib brings."""

import re
from pathlib import Path

import pytest
from matplotlib import get_data_path
from matplotlib.ft2font import FT2Font, LoadFlags

from d3d.report.document.blocks import Bold, Grid
from d3d.report.document.tabular import COLUMN, SIZES, tabular, width

NASTY = r"""50 % of $x_1 & #2 {a} ~ b^c \d"""
LONG = "temporal window 10, temporal stride 10"


def lines_of(grid: Grid) -> list[list[str]]:
    """The entries of each line, the header first."""
    text = tabular("T", grid).decode()
    lines = [line for line in text.splitlines() if line.endswith(r" \tabularnewline")]
    return [re.split(r"(?<!\\) & ", line.removesuffix(r" \tabularnewline")) for line in lines]


def columns_of(grid: Grid) -> str:
    """The declaration of the columns."""
    [declared] = re.findall(r"\\begin\{tabular\}\{@\{\}(.*)@\{\}\}", tabular("T", grid).decode())
    return str(declared)


@pytest.fixture(scope="module")
def roman() -> FT2Font:
    """Computer Modern, of which matplotlib has the size of 10 points."""
    font = FT2Font(str(Path(get_data_path(), "fonts", "ttf", "cmr10.ttf")))
    font.set_size(10, 72)
    return font


def test_no_letter_is_wider_than_estimated(roman: FT2Font) -> None:
    wider = 0.5313 / 0.5  # digits of 8 points, beside those of 10 points at 8
    for character in sorted({*map(chr, range(0x21, 0x7F))} - set('"#$%&\\^_{|}~<>')):
        advance = roman.load_char(ord(character), LoadFlags.NO_HINTING).linearHoriAdvance / 65536 / 10
        assert wider * advance <= width(character) / 8 <= wider * advance + 0.25, character


def test_it_has_the_columns_that_were_chosen_and_marks() -> None:
    grid = Grid(("row", "long", "n"), (("no_joint", "x", Bold("1")), ("b", "y", "2")), "lwr", (0, 2), ("1✓ 2×", ""))
    assert lines_of(grid) == [
        ["row", "n", "claims"],
        ["no joint", r"\textbf{1}", r"1$\surd$ 2$\times$"],
        ["b", "2", ""],
    ]
    assert columns_of(grid) == "lrl"
    unmarked = Grid(grid.header, grid.rows, grid.align, marks=("", ""))
    assert [len(line) for line in lines_of(unmarked)] == [3, 3, 3] and lines_of(unmarked)[1][1] == "x"


def test_text_is_text_and_braces_match() -> None:
    grid = Grid((NASTY, NASTY), ((NASTY, Bold(NASTY)), ("[a] x", "* y")), "lr")
    assert {len(line) for line in lines_of(grid)} == {2}
    text = re.sub(r"\\[{}%]", "", tabular("T\n\\input{x}", grid).decode())
    assert text.count("{") == text.count("}")
    assert text.startswith("% T \\input") and text.count(r"\input") == 1, "in the comment alone"
    assert not re.search(r"\\(tabularnewline|midrule)\n[\[*]", text)


def test_a_header_is_no_wider_than_its_numbers_if_its_words_are_not() -> None:
    grid = Grid(("row", "counted / printed"), (("a", "2.00"),), "lr")
    assert lines_of(grid)[0][1] == r"\shortstack[r]{counted\\/\\printed}"
    assert lines_of(Grid(("row", "a b"), (("a", "200.00"),), "lr"))[0][1] == "a b"
    assert lines_of(Grid(("row", "STAR [1]"), (("a", "1"),), "lr"))[0][1] == r"\shortstack[r]{STAR\\{}[1]}"
    assert lines_of(Grid(("row", "pre-trained"), (("a", "✓"),), "ll"))[0][1] == r"\shortstack[l]{pre-\\trained}"


def test_long_names_are_broken_and_numbers_at_their_brackets_alone() -> None:
    names = Grid(("row", "top-1", "other"), ((LONG, "88.10 ± 2.42", "90.00 ± 1.00"),) * 2, "lrr")
    assert re.fullmatch(r"p\{\d+\.\dpt\}rr", columns_of(names))
    assert lines_of(names)[1][0] == rf"\raggedright {LONG}"
    wide = Grid(("method", *"abcd"), (("Ours", *["92.50 ± 0.83 (−7.20)"] * 4),), "lrrrr")
    assert re.fullmatch(r"l(p\{\d+\.\dpt\}){4}", columns_of(wide))
    assert lines_of(wide)[1][1] == r"\raggedleft 92.50~$\pm$~0.83 ($-$7.20)"


@pytest.mark.parametrize(("numbers", "letters"), [(1, 8), (2, 8), (3, 7)])
def test_it_is_no_wider_than_a_column(numbers: int, letters: int) -> None:
    entry = "88.10 ± 2.42"
    grid = Grid(("row", *["n"] * numbers), ((LONG, *[Bold(entry)] * numbers),), "l" + "r" * numbers, marks=("1✓ 2○",))
    text = tabular("T", grid).decode()
    [size], [gap] = re.findall(r"\\fontsize\{(.*?)\}", text), re.findall(r"\\tabcolsep\}\{(.*?)pt", text)
    name = re.match(r"p\{(.*?)pt\}", columns_of(grid))
    fixed = numbers * width(entry, bold=True) + max(width("claims"), width("1✓ 2○"))
    used = float(name[1]) if name else width(LONG)
    assert used + SIZES[letters] * fixed + 2 * float(gap) * (numbers + 1) <= COLUMN + 0.1
    assert int(size) == letters
