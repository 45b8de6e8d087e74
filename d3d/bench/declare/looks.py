"""When the claims of `seeds=settle` are looked at: after how many seeds, and how much of the error each look may spend.

Looking five times must not be five chances of a false verdict. Look k tests at its own level α_k, and the levels sum to
0.05: by the union bound the chance that any look settles a claim falsely is at most that, whatever the joint law of
the looks is. The report judges; here is only the timetable, so that a plan can say beforehand what it may cost.
"""

from dataclasses import dataclass

from d3d.errors import ConfigError


@dataclass(frozen=True)
class Look:
    """One look at the claims that are still open."""

    seeds: int  # the first so many of each row count
    level: float  # α_k, shared by the open claims after Holm


LOOKS = (Look(3, 0.005), Look(5, 0.010), Look(8, 0.010), Look(12, 0.0125), Look(20, 0.0125))
LEAST, MOST = LOOKS[0].seeds, LOOKS[-1].seeds  # seeds that a verdict can be taken at


def looks_until(most: int) -> tuple[Look, ...]:
    """The looks of at most so many seeds; a `most` between two looks makes the last one at `most`.

    The levels stay as they are, so that a launch that is later given more seeds has not spent what they need. Raises
    ConfigError where `most` is not 3 to 20.
    """
    if not LEAST <= most <= MOST:
        raise ConfigError(f"seeds.most={most}: must be {LEAST} to {MOST}, the looks that a verdict can be taken at")
    within = tuple(look for look in LOOKS if look.seeds <= most)
    if within[-1].seeds == most:
        return within
    return (*within, Look(most, LOOKS[len(within)].level))
