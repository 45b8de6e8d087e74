"""`seeds=settle`: how often a launch looks at its claims, with how many seeds of a row, and how strictly.

Looking five times must not be five chances. Each look tests at a level of its own, and the levels add up to 0.05, so
that by a union bound all looks together are wrong no more often than one test at 0.05. Nothing need be known of how
the looks depend on each other.
"""

from dataclasses import dataclass

from d3d.errors import ConfigError


@dataclass(frozen=True)
class Look:
    """A row has so many seeds when it is looked at, and its claims are tested at this level."""

    seeds: int
    alpha: float


LOOKS = (Look(3, 0.005), Look(5, 0.010), Look(8, 0.010), Look(12, 0.0125), Look(20, 0.0125))
LEAST, MOST = LOOKS[0].seeds, LOOKS[-1].seeds  # seeds of a row: below the least nothing is tested


def looks(most: int) -> tuple[Look, ...]:
    """The looks with at most so many seeds. The last one takes all of them, where `most` lies between two.

    Raises ConfigError unless `most` is between LEAST and MOST.
    """
    if not LEAST <= most <= MOST:
        rule = f"must be between {LEAST}, below which no claim is tested, and {MOST}"
        raise ConfigError(f"seeds.most={most}: {rule}")
    before = tuple(look for look in LOOKS if look.seeds < most)
    return (*before, Look(most, LOOKS[len(before)].alpha))
