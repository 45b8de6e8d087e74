import pytest

from d3d.errors import ConfigError
from experiments.looks import LEAST, LOOKS, MOST, looks


@pytest.mark.parametrize("most", range(LEAST, MOST + 1))
def test_all_looks_together_are_one_test_at_five_per_cent(most: int) -> None:
    found = looks(most)
    assert sum(look.alpha for look in found) <= 0.05 + 1e-12
    seeds = [look.seeds for look in found]
    assert seeds == sorted(set(seeds)) and seeds[0] == LEAST and seeds[-1] == most
    assert all(look == full for look, full in zip(found[:-1], LOOKS, strict=False)), "an earlier end changes no look"


@pytest.mark.parametrize("most", [-1, 2, 21])
def test_fewer_seeds_than_are_tested_and_more_than_are_planned_for_are_refused(most: int) -> None:
    with pytest.raises(ConfigError, match=rf"seeds.most={most}: must be between 3.* and 20"):
        looks(most)
