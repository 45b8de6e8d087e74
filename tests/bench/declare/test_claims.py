import re

import pytest

from d3d.bench.declare.claims import Best, Claim, Comparison, parse_claim
from d3d.errors import ConfigError


def test_a_pair() -> None:
    claim = parse_claim("full > no_deformable")
    assert claim == Claim("full > no_deformable", (Comparison("full", ">", "no_deformable"),))
    assert claim.labels == ("full", "no_deformable")


def test_a_chain_is_its_neighbours() -> None:
    claim = parse_claim("cross > single ~ none")
    assert claim.parts == (Comparison("cross", ">", "single"), Comparison("single", "~", "none", 1.0))
    assert claim.labels == ("cross", "single", "none")


def test_a_margin_is_stated_in_points() -> None:
    assert parse_claim("Ours > STAR [1] by 2.3").parts == (Comparison("Ours", ">", "STAR [1]", 2.3),)
    assert parse_claim("frames 12 ~ frames 16 within 2").parts == (Comparison("frames 12", "~", "frames 16", 2.0),)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a > b by 0", "`by 0` is not a margin; write a number of points above 0"),
        ("a > b by -1", "`by -1` is not a margin"),
        ("a ~ b within two", "`within two` is not a margin"),
        ("a ~ b within nan", "`within nan` is not a margin"),
        ("a ~ b within 101", "`within 101` is not a margin"),
        ("a ~ b within", "`within ` is not a margin"),
        ("a ~ b by 1", "`by` does not go with ~; write `within`"),
        ("a > b within 1", "`within` does not go with >; write `by`"),
        ("a > b > c by 1", "`by` needs a claim of two rows"),
    ],
)
def test_a_margin_that_is_none(text: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(fault)) as error:
        parse_claim(text)
    assert str(error.value).startswith(f"{text}: ") and "\n" not in str(error.value)


def test_labels_may_hold_commas_blanks_and_signs_without_blanks() -> None:
    claim = parse_claim("window 6, stride 3 > a>b (c~d)")
    assert claim.labels == ("window 6, stride 3", "a>b (c~d)")


def test_a_claim_may_be_about_the_verb_or_the_noun() -> None:
    claim = parse_claim("verb: a ~ b within 2")
    assert claim == Claim("verb: a ~ b within 2", parse_claim("a ~ b within 2").parts, "verb")
    assert parse_claim("noun:best(a) = a 1").parts == (Best("a", "a 1"),) and claim.labels == ("a", "b")
    assert parse_claim("verbs: a > b").labels == ("verbs: a", "b"), "a label may have a colon"
    with pytest.raises(ConfigError, match=r"^noun: a > a: names a row twice"):
        parse_claim("noun: a > a")
    with pytest.raises(ConfigError, match=r"^verb:: is not a claim"):
        parse_claim("verb:")


def test_blanks_do_not_matter() -> None:
    assert parse_claim("  a  >   b ") == parse_claim("a > b")


def test_the_best_of_a_group() -> None:
    claim = parse_claim("best(window 6) = window 6, stride 3")
    assert claim.parts == (Best("window 6", "window 6, stride 3"),)
    assert claim.labels == ("window 6, stride 3",)


@pytest.mark.parametrize(
    ("label", "belongs"),
    [
        ("window 1, stride 1", True),
        ("window 1", True),
        ("window 10, stride 1", False),
        ("window 1.5", False),
        ("joint window 1", False),
    ],
)
def test_a_group_takes_whole_words(label: str, belongs: bool) -> None:
    assert Best("window 1", "window 1").has(label) == belongs


@pytest.mark.parametrize(
    "text",
    ["", "full", "full >", "> full", "a > > b", "a <", "a = b", "best(a)", "best(a) ~ a 1", "best() = a", "best(a) = "],
)
def test_what_is_no_claim_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ConfigError, match=r"write `a > b`"):
        parse_claim(text)


def test_a_row_beside_itself_claims_nothing() -> None:
    with pytest.raises(ConfigError, match="twice"):
        parse_claim("a > b > a")


def test_a_best_row_outside_its_group() -> None:
    with pytest.raises(ConfigError, match="must itself start with window 6"):
        parse_claim("best(window 6) = window 60")


def test_a_peak_is_higher_than_its_neighbours() -> None:
    claim = parse_claim("stride 1 < stride 3 > stride 6")
    assert claim.parts == (Comparison("stride 3", ">", "stride 1"), Comparison("stride 3", ">", "stride 6"))
    assert parse_claim("a < b by 2").parts == parse_claim("b > a by 2").parts
