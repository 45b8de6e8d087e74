from d3d.report.statistics.wording import ordering, p_text, signed


def test_a_p_value_has_four_decimals_or_says_that_it_is_smaller() -> None:
    assert [p_text(value) for value in (None, 0.00001, 0.049)] == ["—", "< 0.0001", "0.0490"]


def test_an_ordering_takes_what_is_equal_as_shown_for_equal() -> None:
    assert ordering({"a": 1.0, "b": 2.004, "c": 1.996}) == "b = c > a"
    assert ordering({}) == ""


def test_a_difference_has_its_sign() -> None:
    assert [signed(value) for value in (0.0123, -0.5)] == ["+1.23", "−50.00"]
