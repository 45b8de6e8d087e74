import pytest

from d3d.bench.declare.looks import LOOKS, Look, looks_until
from d3d.errors import ConfigError


def test_the_levels_of_all_looks_spend_five_per_cent() -> None:
    assert sum(look.level for look in LOOKS) == pytest.approx(0.05)
    assert [look.seeds for look in LOOKS] == sorted({look.seeds for look in LOOKS})


@pytest.mark.parametrize(
    ("most", "seeds"),
    [(3, [3]), (4, [3, 4]), (5, [3, 5]), (8, [3, 5, 8]), (10, [3, 5, 8, 10]), (20, [3, 5, 8, 12, 20])],
)
def test_the_most_seeds_cut_the_looks(most: int, seeds: list[int]) -> None:
    looks = looks_until(most)
    assert [look.seeds for look in looks] == seeds
    assert [look.level for look in looks] == [look.level for look in LOOKS[: len(seeds)]]


def test_more_seeds_later_keep_the_looks_that_were_taken() -> None:
    assert looks_until(20)[:3] == looks_until(8) == (Look(3, 0.005), Look(5, 0.010), Look(8, 0.010))


@pytest.mark.parametrize("most", [-1, 0, 2, 21])
def test_a_most_that_no_verdict_can_be_taken_at(most: int) -> None:
    with pytest.raises(ConfigError, match=rf"seeds\.most={most}: must be 3 to 20"):
        looks_until(most)
