import pytest

from d3d.report.artefacts.claim_marks import claim_marks, claims_said
from d3d.report.statistics.verdicts import Outcome, Verdict


def verdict(claim: str, outcome: Outcome, p_value: float | None = None) -> Verdict:
    return Verdict(claim, outcome, p_value, "")


JUDGED = {
    "": [
        verdict("full > no_joint", "holds", 0.01),
        verdict("full > none", "not tested"),
        verdict("no_joint > none", "fails", 0.00001),
        verdict("best(no_joint) = no_joint", "inconclusive", 0.5),
    ]
}


def test_a_claim_is_marked_at_the_rows_that_it_names_without_the_reference() -> None:
    rows = [["full"], ["no_joint"], ["none"]]
    assert claim_marks(JUDGED, rows, "full") == ("", "1✓ 3× 4○", "3×")
    assert claim_marks(JUDGED, rows) == ("1✓", "1✓ 3× 4○", "3×")
    assert claim_marks({"": [verdict("best(full) = full", "holds")]}, rows, "full") == ("1✓", "", ""), (
        "it names no other"
    )


def test_a_line_of_several_rows_has_the_marks_of_all_once() -> None:
    assert claim_marks(JUDGED, [["no_joint", "none"], []], "full") == ("1✓ 3× 4○", "")


def test_after_a_search_the_claims_of_both_parts_are_numbered_on() -> None:
    parts = {"same recipe": [verdict("a > b", "holds", 0.02)], "tuned": [verdict("a > b", "fails", 0.03)]}
    assert claim_marks(parts, [["b"]]) == ("1✓ 2×",)
    [said] = claims_said(parts)
    assert "1✓ same recipe, a > b (p = 0.0200); 2× tuned, a > b (p = 0.0300)" in said


def test_the_caption_says_what_each_mark_means() -> None:
    said, untested = claims_said(JUDGED)
    assert said == (
        "Claims, by their numbers beside the rows: 1✓ full > no joint (p = 0.0100); 3× no joint > none (p < 0.0001); "
        "4○ best(no joint) = no joint (p = 0.5000) (✓ it holds, × it fails, ○ it is inconclusive; p is Holm-corrected)."
    )
    assert untested == "Not tested: full > none."


@pytest.mark.parametrize("p_value", [None, 0.01])
def test_only_p_values_that_are_there_are_spoken_of(p_value: float | None) -> None:
    [said] = claims_said({"": [verdict("a > b", "holds", p_value)]})
    assert ("p is Holm-corrected" in said) == (p_value is not None) == ("p = " in said)
    assert list(claims_said({"": []})) == []
