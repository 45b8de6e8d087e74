import random
from collections.abc import Sequence

import pytest

from experiments.claims import parse_claim
from tables.document import Grid, Text
from tables.rows import Row
from tables.verdicts import Verdict, compare, judge, ordering, orderings, p_text, rivals, verdict_blocks
from tests.tables.rows import marks, row

CLIPS = 200


def verdict(text: str, *rows: Row, reference: str | None = None) -> Verdict:
    claim = parse_claim(text)
    return judge(claim, rows, compare(rows, reference, [claim]))


def noisy(label: str, share: float, seeds: int = 3) -> Row:
    """Clips right at random, others for each seed."""
    generator = random.Random(label)
    return row(label, *([generator.random() < share for _ in range(CLIPS)] for _ in range(seeds)))


def test_a_claim_holds_fails_or_cannot_be_told() -> None:
    high, low, near = (row(label, marks(right, CLIPS)) for label, right in (("a", 180), ("b", 120), ("c", 178)))
    assert verdict("a > b", high, low).outcome == "holds"
    assert verdict("b > a", high, low).outcome == "fails"
    assert verdict("a > c", high, near).outcome == "cannot be told apart"


def test_a_verdict_flips_when_the_numbers_do() -> None:
    for right, outcome in ((180, "holds"), (60, "fails")):
        assert verdict("a > b", row("a", marks(right, CLIPS)), row("b", marks(120, CLIPS))).outcome == outcome


def test_a_chain_holds_where_each_link_does_and_fails_where_one_does() -> None:
    rows = [row(label, marks(right, CLIPS)) for label, right in (("a", 180), ("b", 120), ("c", 60), ("d", 61))]
    assert verdict("a > b > c", *rows).outcome == "holds"
    assert verdict("a > c > b", *rows).outcome == "fails"
    open_one = verdict("a > b > c > d", *rows)
    assert open_one.outcome == "cannot be told apart"
    assert open_one.p_value == 1.0
    assert open_one.measured == "a 90.00; b 60.00; c 30.00; d 30.50"


def test_the_best_of_a_group_is_judged_against_all_others() -> None:
    rows = [row(f"g {i}", marks(right, CLIPS)) for i, right in enumerate((180, 120, 60))] + [
        row("h", marks(200, CLIPS))
    ]
    assert verdict("best(g) = g 0", *rows).outcome == "holds"
    failing = verdict("best(g) = g 1", *rows)
    assert failing.outcome == "fails"
    assert failing.measured == "g 1 60.00; best of the others: g 0 90.00"


def test_a_rival_that_is_the_same_training_is_none() -> None:
    rows = [row("g 0", marks(180, CLIPS)), row("g 1", marks(180, CLIPS), shared="g 0"), row("g 2", marks(60, CLIPS))]
    (part,) = parse_claim("best(g) = g 0").parts
    assert not isinstance(part, str) and [other.label for other in rivals(part, rows)] == ["g 2"]  # type: ignore[arg-type]
    assert verdict("best(g) = g 0", *rows).outcome == "holds"
    assert verdict("g 0 > g 1", *rows).outcome == "cannot be told apart"


def test_level_holds_where_clips_are_many_and_fails_where_rows_differ() -> None:
    def level(right: int, clips: int) -> str:
        return verdict("a ~ b", row("a", marks(clips // 2, clips)), row("b", marks(right, clips))).outcome

    assert level(5001, 10000) == "holds"
    assert level(7000, 10000) == "fails"
    assert level(51, 100) == "cannot be told apart"


def test_a_missing_row_cannot_be_judged() -> None:
    there, gone = row("a", marks(1, 2)), row("b", None)
    assert verdict("a > b", there, gone) == Verdict("a > b", "cannot be judged", None, "a 50.00; b —")
    assert verdict("a > elsewhere", there).outcome == "cannot be judged"


def test_seeds_that_scatter_more_than_they_differ_tell_nothing() -> None:
    scattered = row("a", marks(200, CLIPS), marks(100, CLIPS), marks(150, CLIPS))
    steady = row("b", *[marks(140, CLIPS)] * 3)
    difference = compare([scattered, steady], "b", [])["a", "b"]
    assert difference.points == pytest.approx(5)
    assert not difference.clear
    assert verdict("a > b", scattered, steady).outcome == "cannot be told apart"


def test_rows_whose_seeds_scatter_are_not_level_on_any_number_of_clips() -> None:
    scattered = row("a", marks(6000, 10000), marks(4000, 10000))
    assert verdict("a ~ b", scattered, row("b", *[marks(5000, 10000)] * 2)).outcome == "cannot be told apart"
    level = row("c", marks(5010, 10000), marks(4990, 10000))
    assert verdict("c ~ b", level, row("b", *[marks(5000, 10000)] * 2)).outcome == "holds"


def test_p_values_grow_with_the_number_of_rows_that_are_tested() -> None:
    rows = [noisy("full", 0.8), *(noisy(f"r{i}", 0.7) for i in range(6))]

    def p_value(some: Sequence[Row]) -> float:
        return compare(some, "full", [])["r0", "full"].p_value

    assert p_value(rows[:2]) < p_value(rows)


def test_a_pair_that_is_asked_for_twice_is_tested_once() -> None:
    rows = [noisy("full", 0.8), noisy("r", 0.7)]
    alone = compare(rows, "full", [])["r", "full"].p_value
    again = compare(rows, "full", [parse_claim("full > r"), parse_claim("r > full")])
    assert again["r", "full"].p_value == again["full", "r"].p_value == alone
    assert again["r", "full"].points == -again["full", "r"].points


def test_noise_is_hardly_ever_called_a_difference() -> None:
    """Rows of one accuracy, fifty times: family-wise at most one in twenty, with room for chance."""
    alarms = 0
    for repeat in range(50):
        rows = [noisy(f"{repeat} {i}", 0.7) for i in range(5)]
        found = compare(rows, rows[0].label, [])
        alarms += any(each.p_value < 0.05 and each.clear for each in found.values())
    assert alarms <= 7


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
    assert ordering({}) == ""


def test_the_verdict_section_counts_and_lists() -> None:
    verdicts = [
        Verdict("a > b", "holds", 0.00001, "…"),
        Verdict("b > c", "holds", 0.01, "…"),
        Verdict("c ~ d", "cannot be judged", None, "…"),
    ]
    said, grid, _ = verdict_blocks(verdicts)
    assert isinstance(said, Text) and said.text == "Of 3 claims — holds: 2; cannot be judged: 1."
    assert isinstance(grid, Grid) and [line[2] for line in grid.rows] == ["< 0.0001", "0.0100", "—"]
    assert p_text(0.049) == "0.0490"
