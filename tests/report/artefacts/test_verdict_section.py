from d3d.bench.declare.claims import parse_claim
from d3d.report.artefacts.verdict_section import orderings, tally, verdict_blocks
from d3d.report.document.blocks import Grid, Text
from d3d.report.statistics.verdicts import Verdict, judge
from tests.report.measured_rows import row


def test_orderings_and_tau() -> None:
    published = {"a": 99.7, "b": 97.0, "c": 92.2}
    texts = [
        block.text for block in orderings(published, {"c": 80.0, "b": 80.001, "a": 70.0}) if isinstance(block, Text)
    ]
    assert texts[0] == "Published ordering: a > b > c."
    assert texts[1] == "Measured ordering: b = c > a."
    assert texts[2] == "Kendall's τ between them, over 3 rows, = −0.82."
    (few,) = orderings(published, {"a": 1.0})
    assert isinstance(few, Text) and "two rows" in few.text
    assert "not defined" in str(orderings(published, dict.fromkeys(published, 50.0))[2])


def test_the_verdict_section_counts_and_lists() -> None:
    verdicts = [
        Verdict("a > b", "holds", 0.00001, "…", seeds=3, difference="+1"),
        Verdict("b > c", "holds", 0.01, "…", seeds=5, difference="+2"),
        Verdict("c ~ d", "not tested", None, "…", remark="no row d"),
    ]
    said, grid, _ = verdict_blocks(verdicts)
    assert isinstance(said, Text) and said.text == "Of 3 claims — holds: 2; not tested: 1."
    assert isinstance(grid, Grid)
    assert grid.header == ("claim", "verdict", "p", "measured", "seeds", "difference", "remark")
    assert [line[2] for line in grid.rows] == ["< 0.0001", "0.0100", "—"]
    _, counted, _ = verdict_blocks([Verdict("a > b", "holds", None, "…")])
    assert isinstance(counted, Grid) and counted.header == ("claim", "verdict", "p", "measured")


def test_a_tally_counts_or_says_why_nothing_was_tested() -> None:
    few = judge(
        [parse_claim(text) for text in ("a > b", "b > a")], [row("a", [True] * 9), row("b", [True] * 8 + [False])]
    )
    assert str(tally("figure7a", "", few)) == (
        "figure7a: not tested: 1 seed, a test needs at least 3; `seeds=settle` runs as many as are needed"
    )
    some = [*few, Verdict("a > c", "holds", 0.01, "…")]
    assert str(tally("table4", "tuned", some)) == "table4, tuned: of 3 claims 1 holds, 2 not tested"


def test_a_tally_names_what_is_lacking_if_more_seeds_can_help() -> None:
    few = Verdict("a > b", "not tested", None, "", remark="1 seed, a test needs at least 3", lacking=True)
    same = Verdict("b > c", "not tested", None, "", remark="b and c are one computation under two labels", void=True)
    settled = Verdict("a > c", "holds", 0.001, "")
    assert str(tally("figure7a", "", [few, same])) == "figure7a: not tested: 1 seed, a test needs at least 3"
    assert str(tally("figure7a", "", [same])) == f"figure7a: not tested: {same.remark}"
    assert str(tally("table4", "tuned", [few, settled])) == "table4, tuned: of 2 claims 1 holds, 1 not tested"
