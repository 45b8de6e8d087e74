import pytest

from d3d.bench.declare.claims import Best, parse_claim
from d3d.report.rows import Row
from d3d.report.statistics.verdicts import Verdict, judge, rivals, row_difference
from tests.report.measured_rows import marks, noisy, row, with_verbs

CLIPS = 1000


def verdict(text: str, *rows: Row, settle: int | None = None) -> Verdict:
    (judged,) = judge([parse_claim(text)], rows, settle)
    return judged


def steady(label: str, right: int, seeds: int = 3, clips: int = CLIPS) -> Row:
    """Trainings a clip apart from each other."""
    return row(label, *(marks(right + seed, clips) for seed in range(seeds)))


def test_a_claim_holds_fails_or_is_inconclusive() -> None:
    high, low, near = steady("a", 900), steady("b", 800), steady("c", 898)
    assert verdict("a > b", high, low).outcome == "holds"
    assert verdict("b > a", high, low).outcome == "fails"
    assert verdict("a > c", high, near).outcome == "inconclusive"


def test_an_inconclusive_claim_says_what_may_hide_and_how_many_seeds_would_show_it() -> None:
    found = verdict("a > b", noisy("a", 0.93, spread=0.01), noisy("b", 0.90, spread=0.02, start=1))
    assert found.outcome == "inconclusive"
    assert found.seeds == 3
    low, high = found.difference.removesuffix(")").split(" (")[1].split(" to ")
    assert float(low.replace("−", "-")) < 0 < float(high)
    assert f"a difference from {low} to {high} is possible; if it is as measured, about " in found.remark
    assert found.remark.endswith(" seeds a row would settle it")
    same = verdict("a > b", steady("a", 900), row("b", *(marks(right, CLIPS) for right in (895, 901, 906))))
    assert "it takes more than 100 seeds a row or more test clips to settle it" in same.remark


@pytest.mark.parametrize(
    ("seeds", "said"), [(1, "1 seed, a test needs at least 3"), (2, "2 seeds, a test needs at least 3")]
)
def test_under_three_seeds_nothing_is_tested(seeds: int, said: str) -> None:
    found = verdict("a > b", steady("a", 990, seeds), steady("b", 10))
    assert (found.outcome, found.p_value) == ("not tested", None)
    assert found.remark == f"{said}; `seeds=settle` runs as many as are needed"


def test_what_is_missing_is_named() -> None:
    there, unfinished = steady("a", 500), row("b", None, None, None)
    assert verdict("a > b", there, unfinished).remark == "not finished: b"
    assert verdict("a > elsewhere", there).remark == "the table has no row elsewhere"
    assert {verdict("a > b", there, unfinished).outcome, verdict("a > elsewhere", there).outcome} == {"not tested"}
    assert verdict("best(a) = a", there).remark.startswith("its group has no other row")


def test_one_computation_under_two_labels_is_not_tested() -> None:
    rows = steady("a", 900), row("b", *(marks(900 + seed, CLIPS) for seed in range(3)), shared="a")
    for text in ("a > b", "a ~ b"):
        found = verdict(text, *rows)
        assert (found.outcome, found.remark) == ("not tested", "a and b are one computation under two labels")


def test_rows_on_different_clips_or_of_one_take_are_not_tested() -> None:
    assert "tested on different clips" in verdict("a > b", steady("a", 50), steady("b", 10, clips=100)).remark
    one = [row(label, *[marks(right, 10)] * 3, takes=["t"] * 10) for label, right in (("a", 9), ("b", 1))]
    assert verdict("a > b", *one).remark == "all test clips are of one take"


def steady_verbs(label: str, right: int, verbs: int) -> Row:
    """Trainings that have so many actions and so many verbs right."""
    return with_verbs(steady(label, right), *(marks(verbs + seed, CLIPS) for seed in range(3)))


def test_a_claim_about_the_verb_is_judged_by_the_verb() -> None:
    rows = steady_verbs("a", 300, 500), steady_verbs("b", 200, 700)
    action, verb = judge([parse_claim("a > b"), parse_claim("verb: a > b")], rows)
    assert (action.outcome, verb.outcome) == ("holds", "fails")
    assert (verb.claim, verb.measured) == ("verb: a > b", "a 50.10; b 70.10")
    assert verdict("verb: best(a) = a", *rows, steady_verbs("a 2", 900, 400)).outcome == "holds"


def test_claims_about_the_verb_and_the_action_are_one_family() -> None:
    rows = [noisy(label, share) for label, share in (("a", 0.63), ("b", 0.6))]
    own = [[list(cell.correct.values()) for cell in row.cells.values()] for row in rows]
    rows = [with_verbs(row, *right) for row, right in zip(rows, own, strict=True)]
    alone = verdict("a > b", *rows).p_value
    together = judge([parse_claim("a > b"), parse_claim("verb: a > b")], rows)
    assert alone and [each.p_value for each in together] == pytest.approx([2 * alone] * 2)


@pytest.mark.parametrize("settle", [None, 12])
def test_a_claim_about_what_nothing_predicts_is_not_tested_and_counts_nowhere(settle: int | None) -> None:
    rows = noisy("a", 0.63), noisy("b", 0.6)
    action, noun = judge([parse_claim("a > b"), parse_claim("noun: a > b")], rows, settle)
    assert (noun.outcome, noun.remark, noun.open) == ("not tested", "the data has no noun", False)
    assert action.p_value == verdict("a > b", *rows, settle=settle).p_value
    some = verdict("verb: a > b", with_verbs(rows[0], *[marks(5, 1000)] * 3), rows[1], settle=settle)
    assert (some.outcome, some.remark, some.open) == ("not tested", "b: no verb was predicted", False)


def test_a_claim_about_the_verb_waits_for_the_rows_that_are_not_finished() -> None:
    unfinished = row("b", None)
    assert verdict("verb: a > b", steady("a", 900), unfinished).remark == "the data has no verb"
    assert verdict("verb: a > b", steady_verbs("a", 900, 900), unfinished).remark == "not finished: b"
    assert verdict("verb: a > b", row("a", None), unfinished).remark == "not finished: a, b"


def test_a_chain_holds_where_each_link_does_and_fails_where_one_does() -> None:
    rows = [steady(label, right) for label, right in (("a", 900), ("b", 600), ("c", 300), ("d", 302))]
    assert verdict("a > b > c", *rows).outcome == "holds"
    assert verdict("a > c > b", *rows).outcome == "fails"
    open_one = verdict("a > b > c > d", *rows)
    assert open_one.outcome == "inconclusive"
    assert open_one.difference.startswith("c − d: −0.20 (")
    assert open_one.measured == "a 90.10; b 60.10; c 30.10; d 30.30"


def test_the_weakest_pair_decides_that_a_claim_holds_and_needs_no_correction() -> None:
    rows = noisy("a", 0.9), noisy("b", 0.87), noisy("c", 0.5)
    alone, chain = verdict("a > b", *rows), verdict("a > b > c", *rows)
    assert alone.p_value == chain.p_value


def test_a_margin_must_be_cleared() -> None:
    high, low = steady("a", 900), steady("b", 850)
    assert verdict("a > b by 2", high, low).outcome == "holds"
    assert verdict("a > b by 5", high, low).outcome == "inconclusive"
    assert verdict("a > b by 9", high, low).outcome == "fails"


def test_the_best_of_a_group_is_judged_against_all_others() -> None:
    rows = [steady(f"g {i}", right) for i, right in enumerate((900, 600, 300))] + [steady("h", 990)]
    assert verdict("best(g) = g 0", *rows).outcome == "holds"
    failing = verdict("best(g) = g 1", *rows)
    assert failing.outcome == "fails"
    assert failing.measured == "g 1 60.10; best of the others: g 0 90.10"
    assert failing.difference.startswith("g 1 − g 0: −30.00 (")


def test_a_best_that_another_row_is_not_clearly_above_does_not_fail() -> None:
    rows = [noisy("g 0", 0.90, spread=0.02), noisy("g 1", 0.91, spread=0.02), noisy("g 2", 0.3)]
    assert verdict("best(g) = g 0", *rows).outcome == "inconclusive"


def test_a_rival_that_is_the_same_training_is_none() -> None:
    rows = [steady("g 0", 900), row("g 1", *[marks(900, CLIPS)] * 3, shared="g 0"), steady("g 2", 300)]
    assert [other.label for other in rivals(Best("g", "g 0"), rows)] == ["g 2"]
    assert verdict("best(g) = g 0", *rows).outcome == "holds"


def test_level_holds_within_its_margin_and_fails_beyond() -> None:
    def level(right: int, text: str = "a ~ b", clips: int = 10000) -> str:
        return verdict(text, steady("a", clips // 2, clips=clips), steady("b", right, clips=clips)).outcome

    assert level(5001) == "holds"
    assert level(5150) == "fails"
    assert level(5150, "a ~ b within 2") == "holds"
    assert level(5110) == "inconclusive", "apart from zero is not beyond the margin"
    assert level(51, clips=100) == "inconclusive"


def test_rows_whose_seeds_scatter_tell_nothing_on_any_number_of_clips() -> None:
    scattered = row("a", *(marks(right, 10000) for right in (6000, 4000, 5000)))
    assert verdict("a ~ b", scattered, steady("b", 5000, clips=10000)).outcome == "inconclusive"
    assert verdict("a > b", scattered, steady("b", 4400, clips=10000)).outcome == "inconclusive"


def test_tests_of_the_same_weights_are_paired() -> None:
    """What the trainings differ by, all their tests differ by."""
    weights = row("full", *(marks(right, CLIPS) for right in (700, 800, 900)))
    tested = [(right - 30) for right in (700, 800, 900)]
    noise = row("noise", *(marks(right, CLIPS) for right in tested), tested="full")
    apart = row("noise", *(marks(right, CLIPS) for right in tested))
    assert verdict("full > noise", weights, noise).outcome == "holds"
    assert verdict("full > noise", weights, apart).outcome == "inconclusive"
    more = row("full", *(marks(right, CLIPS) for right in (700, 800, 900, 600)))
    assert len(row_difference(more, noise).trainings) == 1, "of the seeds that both have"


def test_takes_known_from_either_row_count() -> None:
    """A record from before takes were kept beside one that has them."""
    takes = [f"t{index // 4}" for index in range(400)]
    old, new = (row(label, *[marks(right, 400)] * 3) for label, right in (("a", 320), ("b", 300)))
    dated = row("b", *[marks(300, 400)] * 3, takes=takes)
    assert row_difference(old, dated).takes == 100
    assert row_difference(old, new).takes == 400
    assert row_difference(old, dated).error > row_difference(old, new).error


def test_p_values_grow_with_the_number_of_claims() -> None:
    rows = [noisy("full", 0.8), *(noisy(f"r{i}", 0.78) for i in range(6))]
    claims = [parse_claim(f"full > r{i}") for i in range(6)]
    alone = judge(claims[:1], rows)[0].p_value
    among = judge(claims, rows)[0].p_value
    assert alone is not None and among is not None and alone < among


def test_a_claim_that_lacks_seeds_counts_and_one_that_is_no_test_does_not() -> None:
    rows = [noisy("full", 0.8), noisy("a", 0.77), row("b", None, None, None)]
    alone, _, unfinished = (
        judge([parse_claim("full > a"), *map(parse_claim, others)], rows)[0].p_value
        for others in ([], ["full > nowhere"], ["full > b"])
    )
    assert alone is not None and unfinished == pytest.approx(2 * alone)
    assert judge([parse_claim("full > a"), parse_claim("full > nowhere")], rows)[0].p_value == alone


def test_with_settle_the_first_look_that_tells_counts_and_later_seeds_change_nothing() -> None:
    """A settled claim stays settled, whatever the seeds say that came later for another claim."""
    low = steady("b", 500, seeds=8)
    high = row("a", *(marks(right, CLIPS) for right in (499, 700, 703, 700, 704, 0, 0, 0)))
    near, far = steady("c", 500, seeds=3), steady("d", 900, seeds=3)
    found = judge([parse_claim("d > c"), parse_claim("a > b")], [high, low, near, far], settle=20)
    assert [(each.outcome, each.seeds) for each in found] == [("holds", 3), ("inconclusive", 8)]
    assert found[0].looks == 1 and found[1].looks == 3
    turned = row("a", *(marks(right, CLIPS) for right in (700, 701, 702, 700, 701, 0, 0, 0)))
    assert verdict("a > b", turned, low, settle=8).outcome == "holds"
    assert verdict("a > b", turned, low).outcome == "inconclusive"


def test_a_look_is_stricter_than_a_single_one() -> None:
    rows = noisy("a", 0.90), noisy("b", 0.875)
    plain = verdict("a > b", *rows)
    assert plain.p_value is not None and 0.005 < plain.p_value < 0.05
    assert plain.outcome == "holds"
    assert verdict("a > b", *rows, settle=20).outcome == "inconclusive"
