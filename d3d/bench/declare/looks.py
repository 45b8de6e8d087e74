"""The schedule of the looks at claims with `seeds=settle`: the number of seeds and the significance level of each look.

Testing five times must not give five chances of a false verdict. Look k tests at its own level α_k, and the levels sum
to 0.05. By the union bound, the chance that any look settles a claim falsely is at most 0.05, for any dependence
between the looks. The report does the testing; the schedule is here so that a plan can say what a launch may cost.
"""

from dataclasses import dataclass

from d3d.errors import ConfigError


@dataclass(frozen=True)
class Look:
    """One look at the claims that are still open."""

    seeds: int  # the number of seeds of each row that count, in the order of the seeds
    level: float  # α_k, for all open claims together, which Holm's correction divides


LOOKS = (Look(3, 0.005), Look(5, 0.010), Look(8, 0.010), Look(12, 0.0125), Look(20, 0.0125))
LEAST, MOST = LOOKS[0].seeds, LOOKS[-1].seeds  # the smallest and largest number of seeds of a look


def looks_until(most: int) -> tuple[Look, ...]:
    """The looks with at most `most` seeds; if `most` is between two looks, the last look is at `most`.

    The levels do not depend on `most`, so that a launch can later be given more seeds. Raises ConfigError if `most` is
    not in 3 to 20.
    """
    if not LEAST <= most <= MOST:
        raise ConfigError(f"seeds.most={most}: must be {LEAST} to {MOST}, the range in which claims are tested")
    within = tuple(look for look in LOOKS if look.seeds <= most)
    if within[-1].seeds == most:
        return within
    return (*within, Look(most, LOOKS[len(within)].level))
