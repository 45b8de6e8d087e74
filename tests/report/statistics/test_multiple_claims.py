import math

import numpy as np

from d3d.report.statistics.multiple_claims import decide

NONE = math.nan  # cannot be tested
LACKS = math.inf  # seeds


def test_one_look_is_holms() -> None:
    found = decide([[0.01, 1.0, 0.02, 0.9]], [[1.0, 0.0001, 1.0, 0.9]], [0.05])
    assert found.outcome.tolist() == [1, -1, 1, 0]
    assert found.p_value.tolist() == [0.03, 0.0004, 0.04, 0.9]
    assert found.level.tolist() == [0.05 / 3, 0.05 / 4, 0.05 / 2, 0.05]


def test_an_open_claim_has_the_level_at_which_the_correction_stopped() -> None:
    found = decide([[0.001, 0.03, 0.9]], [[1.0, 1.0, 1.0]], [0.05])
    assert found.outcome.tolist() == [1, 0, 0]
    assert found.level.tolist()[1:] == [0.025, 0.025]


def test_what_is_settled_stays_so_and_frees_the_others() -> None:
    claims = [[0.001, 0.02], [0.9, 0.009]]
    found = decide(claims, np.ones((2, 2)), [0.005, 0.010])
    assert found.outcome.tolist() == [1, 1], "0.009 of one open claim is below 0.010; of two it would not be"
    assert found.look.tolist() == [0, 1]
    assert found.p_value.tolist() == [0.002, 0.009]


def test_a_claim_that_lacks_seeds_counts_and_keeps_what_was_found() -> None:
    found = decide([[0.004, 0.3], [LACKS, 0.006]], [[1.0, 1.0], [LACKS, 1.0]], [0.005, 0.010])
    assert found.outcome.tolist() == [0, 0], "two are in the family at both looks"
    assert found.look.tolist() == [0, 1]
    assert found.p_value.tolist() == [0.008, 0.012]
    assert decide([[LACKS]], [[LACKS]], [0.05]).outcome.tolist() == [0]


def test_what_cannot_be_tested_is_no_part_of_the_family() -> None:
    found = decide([[0.03, NONE]], [[1.0, NONE]], [0.05])
    assert found.outcome.tolist() == [1, 0]
    assert math.isnan(found.p_value[1])


def test_leading_axes_are_as_many_families() -> None:
    generator = np.random.default_rng(0)
    claims, contrary = generator.random((2, 3, 20, 4)) ** 3
    whole = decide(claims, contrary, [0.05, 0.1, 0.1])
    for table in range(20):
        one = decide(claims[:, table], contrary[:, table], [0.05, 0.1, 0.1])
        assert one.outcome.tolist() == whole.outcome[table].tolist()
        assert one.look.tolist() == whole.look[table].tolist()
