"""How often a verdict is false where nothing differs.

    python -m benchmarks.calibration [TABLES]
    python -m benchmarks.calibration null STORAGE

The first simulates tables whose rows differ in nothing, judges them with the project's own statistics, and prints how
many have a false verdict, how often the intervals hold what they should, and the power. The second does the same
with trainings: from a record that holds 24 seeds of one configuration it makes rows of three seeds each that differ in
nothing but their label, and judges each disjoint pair of them.

The simulated marks follow a probit model. Training s of row r has clip c right where

    μ_r + a clip_c + b own_rc + k seed_rs + noise_rsc > 0,

all terms standard normal; those of the clips are correlated by ρ within a take. μ gives the accuracy, a² + b² the share
of clips on which two trainings of one row disagree, k the standard deviation of a training's accuracy on the same
clips; b² is the interaction of row and clip. Paired rows share the seed's term and part of the noise, as tests of the
same weights do.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from math import inf, sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import owens_t
from scipy.stats import norm

from d3d.bench.declare.looks import LOOKS
from d3d.report.record import Record
from d3d.report.rows import Row, rows_of
from d3d.report.statistics.inference import (
    SIGNIFICANCE,
    Numbers,
    Sample,
    accuracy_interval,
    beside_published,
    difference,
    sample,
)
from d3d.report.statistics.multiple_claims import decide
from d3d.report.statistics.verdicts import Evidence, Pair

SEEDS = (3, 5, 10)
ROWS = 5  # of a table; the first is the reference
Claims = tuple[tuple[int, int], ...]  # pairs of rows, of which the left is said to be above the right
FAMILIES: dict[int, Claims] = {4: ((0, 1), (0, 2), (0, 3), (0, 4))}
FAMILIES[6] = (*FAMILIES[4], (3, 1), (4, 1))  # Table 4's
CHUNK = 50  # tables at once: 5 rows of 20 seeds on 1 068 clips are 21 MB of noise
SHARED = 0.7  # of the noise, between paired rows
CORRELATION = 0.7  # ρ, of the clips of one take
LOOKED_AT = max(look.seeds for look in LOOKS)
OF_A_ROW = 3  # seeds, of the rows made for the null
WAYS = 1000  # in which these rows are made


@dataclass(frozen=True)
class Setting:
    """What the trainings and the test clips are like."""

    clips: int
    spread: float  # standard deviation of a training's accuracy on the same clips, points
    accuracy: float = 0.97  # of the reference
    disagreement: float = 0.03  # share of clips that one of two trainings of a row has right and the other has not
    takes: int = 1  # clips of a take, at most: they are 1, 2, …, `takes` in turn
    own: float = 0.0  # b² / (a² + b²)
    paired: bool = False
    known: bool = True  # whether the takes are known to whoever judges
    behind: tuple[float, ...] = (0.0,) * ROWS  # points by which each row is below `accuracy`

    @property
    def name(self) -> str:
        """In a table."""
        parts = [f"{self.clips} clips, SD ±{self.spread:g}"]
        parts += [f"takes of 1 to {self.takes}"] if self.takes > 1 else []
        parts += ["row × clip"] if self.own else []
        parts += ["paired"] if self.paired else []
        parts += [] if self.known else ["judged clip by clip"]
        return ", ".join(parts)


FEW = Setting(195, 2, accuracy=0.88, disagreement=0.10)
MAIN = (Setting(1068, 2), Setting(1068, 0.5), FEW, replace(FEW, spread=5))
SETTINGS = tuple(
    replace(setting, own=own, takes=takes, paired=paired)
    for setting in MAIN
    for own, takes, paired in ((0, 1, False), (0.5, 1, False), (0, 3, False), (0.5, 3, False), (0.5, 1, True))
)
TAKES_UNKNOWN = tuple(replace(setting, own=0.5, takes=3, known=False) for setting in MAIN)


def simulate(setting: Setting, seeds: int, tables: int, generator: np.random.Generator) -> list[Sample]:
    """The rows of so many tables, each sample with the tables as its first axis."""
    takes = take_numbers(setting)
    by_clip, by_seed = shares(setting)
    level = norm.ppf(setting.accuracy - np.array(setting.behind) / 100)[:, None, None]
    correlation = CORRELATION if setting.takes > 1 else 0.0

    def of_clips(rows: int) -> Numbers:
        """Standard normal, tables×rows×1×clips, correlated within takes."""
        together = generator.standard_normal((tables, rows, 1, takes.max() + 1))[..., takes]
        alone = generator.standard_normal((tables, rows, 1, setting.clips))
        return np.asarray(sqrt(correlation) * together + sqrt(1 - correlation) * alone)

    clip, own = of_clips(1), of_clips(ROWS)
    seed = generator.standard_normal((tables, 1 if setting.paired else ROWS, seeds, 1))
    noise = generator.standard_normal((tables, ROWS, seeds, setting.clips), dtype=np.float32)
    if setting.paired:
        common = generator.standard_normal((tables, 1, seeds, setting.clips), dtype=np.float32)
        noise = np.float32(sqrt(1 - SHARED)) * noise + np.float32(sqrt(SHARED)) * common
    fixed = level + sqrt(by_clip * (1 - setting.own)) * clip + sqrt(by_clip * setting.own) * own
    threshold = -(fixed + sqrt(by_seed) * seed) / sqrt(1 - by_clip - by_seed)
    right = noise > threshold.astype(np.float32)
    units = takes if setting.known else np.arange(setting.clips)
    return [sample(right[:, row], units) for row in range(ROWS)]


def take_numbers(setting: Setting) -> NDArray[np.int64]:
    """The take of each clip: takes of 1, 2, … clips in turn."""
    sizes = np.resize(np.arange(1, setting.takes + 1), setting.clips)
    return np.repeat(np.arange(setting.clips), sizes)[: setting.clips]


def shares(setting: Setting) -> tuple[float, float]:
    """a² + b² and k² where the whole variance is 1. Raises ValueError where the noise alone spreads wider."""
    p = setting.accuracy
    z = float(norm.ppf(p))

    def both(correlation: float) -> float:
        """Φ₂(z, z; correlation), by Owen's T."""
        return p - 2 * float(owens_t(z, sqrt((1 - correlation) / (1 + correlation))))

    by_clip = float(brentq(lambda share: 2 * (p - both(share)) - setting.disagreement, 0, 1 - 1e-9))
    wanted = (setting.spread / 100) ** 2 - setting.disagreement / 2 / setting.clips
    if wanted < 0:
        raise ValueError(f"{setting.name}: the noise of so few clips alone spreads wider; raise the spread")
    return by_clip, float(brentq(lambda share: both(share) - p**2 - wanted, 0, 1 - by_clip - 1e-9))


@dataclass
class Rates:
    """Of simulated tables, by what was counted: for each table the share that is so."""

    found: dict[str, list[Numbers]] = field(default_factory=dict)

    def count(self, name: str, so: NDArray[np.bool_]) -> None:
        """Tables, or tables×claims."""
        self.found.setdefault(name, []).append(so.reshape(len(so), -1).mean(axis=1))

    def rate(self, name: str) -> tuple[float, float]:
        """Per cent, and half of its 95 % Monte Carlo interval."""
        values = np.concatenate(self.found[name])
        return 100 * float(values.mean()), 100 * 1.96 * float(values.std()) / sqrt(len(values))

    def text(self, name: str) -> str:
        """For a table."""
        rate, half = self.rate(name)
        return f"{rate:.1f} ± {half:.1f}"


def first(row: Sample, seeds: int) -> Sample:
    """The first so many trainings of a row."""
    return replace(row, accuracies=row.accuracies[..., :seeds], residuals=row.residuals[..., :seeds, :])


def evidence(rows: Sequence[Sample], claims: Claims, paired: bool) -> list[Evidence]:
    """Of claims that one row is above another."""
    pairs = [Pair("", difference(rows[left], rows[right], paired), (0.0, inf)) for left, right in claims]
    return [Evidence("", (pair,)) for pair in pairs]


def outcomes(looks: Sequence[Sequence[Evidence]], levels: Sequence[float], alone: bool = False) -> NDArray[np.int64]:
    """Tables×claims: 1 holds, −1 fails, 0 is open; the claims of a table are a family, or each is one alone."""
    holding, failing = (
        np.array([np.stack([getattr(each, kind) for each in look], axis=-1) for look in looks])
        for kind in ("holding", "failing")
    )
    if alone:
        return decide(holding[..., None], failing[..., None], levels).outcome[..., 0]
    return decide(holding, failing, levels).outcome


def measure(setting: Setting, tables: int, seeds: Sequence[int] = SEEDS, settle: bool = True, start: int = 0) -> Rates:
    """What comes of tables of a setting at each number of seeds, and with `seeds=settle`."""
    rates, generator = Rates(), np.random.default_rng(start)
    expected = setting.accuracy - setting.behind[-1] / 100
    for _ in range(0, tables, CHUNK):
        rows = simulate(setting, LOOKED_AT if settle else max(seeds), CHUNK, generator)
        timetables = {str(number): [(number, SIGNIFICANCE)] for number in seeds}
        if settle:
            timetables["settle"] = [(look.seeds, look.level) for look in LOOKS]
        for name, timetable in timetables.items():
            looks = [[first(row, number) for row in rows] for number, _ in timetable]
            levels = [level for _, level in timetable]
            for size, claims in FAMILIES.items():
                tested = [evidence(some, claims, setting.paired) for some in looks]
                decided, single = outcomes(tested, levels), outcomes(tested, levels, alone=True)
                rates.count(f"one of {size}, {name}", single != 0)
                rates.count(f"any of {size}, {name}", np.asarray((decided != 0).any(axis=-1)))
                ahead = len(FAMILIES[4])  # claims that the reference is above another row
                rates.count(f"alone, holds of {size}, {name}", single[:, :ahead] > 0)
                rates.count(f"holds of {size}, {name}", decided[:, :ahead] > 0)
        for number in seeds:
            low, high = accuracy_interval(first(rows[-1], number))
            rates.count(f"interval, {number}", np.asarray((low <= expected) & (expected <= high)))
            low, high = difference(first(rows[0], number), first(rows[-1], number), setting.paired).interval()
            gap = (setting.behind[-1] - setting.behind[0]) / 100
            rates.count(f"difference, {number}", np.asarray((low <= gap) & (gap <= high)))
    return rates


def other_claims(setting: Setting, tables: int, seeds: int) -> Rates:
    """False verdicts on claims of other kinds, each where it is hardest not to have one."""
    rates, generator = Rates(), np.random.default_rng(1)
    apart, tied = replace(setting, behind=(0, 1, 1, 1, 1)), replace(setting, behind=(0, 0, 5, 5, 5))
    for _ in range(0, tables, CHUNK):
        rows = simulate(apart, seeds, CHUNK, generator)
        level = Pair("", difference(rows[0], rows[1]), (-0.01, 0.01))
        rates.count("level, holds", level.holding < SIGNIFICANCE)
        rates.count("level, fails", level.failing < SIGNIFICANCE)
        by = Pair("", difference(rows[0], rows[1]), (0.01, inf))
        rates.count("by", np.minimum(by.holding, by.failing) < SIGNIFICANCE)
        rows = simulate(tied, seeds, CHUNK, generator)
        best = Evidence("", tuple(Pair("", difference(rows[0], row), (0.0, inf), 1) for row in rows[1:]))
        rates.count("best", np.minimum(best.holding, best.failing) < SIGNIFICANCE)
        printed = Pair("", beside_published(rows[0], rows[1].accuracies[:, 0]), (0.0, inf))
        rates.count("published", np.minimum(printed.holding, printed.failing) < SIGNIFICANCE)
    return rates


def calibrate(tables: int) -> None:
    """Prints the tables of docs/verdicts.md."""
    print(f"False holds + false fails in per cent, {tables} tables a line, ± half of the 95 % Monte Carlo interval\n")
    print("| setting | seeds | one claim | any of 4 | any of 6 | interval holds | of a difference |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for setting in (*SETTINGS, *TAKES_UNKNOWN):
        rates = measure(setting, tables, settle=setting.known)
        for seeds in SEEDS:
            names = [f"{name}, {seeds}" for name in ("one of 6", "any of 4", "any of 6", "interval", "difference")]
            print(f"| {setting.name} | {seeds} | {' | '.join(map(rates.text, names))} |", flush=True)
        if setting.known:
            names = ["one of 6, settle", "any of 4, settle", "any of 6, settle"]
            print(f"| {setting.name} | settle | {' | '.join(map(rates.text, names))} | | |", flush=True)
    print("\n| setting | seeds | level, holds | level, fails | > by 1 | best of 5 | beside a printed number |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for setting in (replace(each, takes=3, own=0.5) for each in MAIN):
        for seeds in SEEDS:
            rates = other_claims(setting, tables, seeds)
            names = ["level, holds", "level, fails", "by", "best", "published"]
            print(f"| {setting.name} | {seeds} | {' | '.join(map(rates.text, names))} |", flush=True)
    print("\nPower: claims that hold, in per cent, where the reference is 1.1 points above the others\n")
    print("| setting | alone, 3, 5, 10 seeds | of a family of 6, 3, 5, 10 seeds | of a family of 6, settle |")
    print("|---|---:|---:|---:|")
    for setting in (replace(each, own=own, behind=(0, 1.1, 1.1, 1.1, 1.1)) for each in MAIN[:2] for own in (0, 0.5)):
        rates = measure(setting, tables)
        alone, six = (
            ", ".join(f"{rates.rate(f'{name}holds of 6, {seeds}')[0]:.0f}" for seeds in SEEDS)
            for name in ("alone, ", "")
        )
        print(f"| {setting.name} | {alone} | {six} | {rates.rate('holds of 6, settle')[0]:.0f} |", flush=True)


def null(storage: Path) -> None:
    """Prints how many verdicts are false on rows of one configuration, made of a record's seeds.

    Raises LookupError where no row of the record has seeds for two such rows.
    """
    row = longest(Record(storage))
    trainings = row.sample
    if trainings is None or trainings.seeds < 2 * OF_A_ROW:
        raise LookupError(f"{storage}: no row has {2 * OF_A_ROW} finished seeds; launch ablation=full seeds=24")

    seeds, accuracies = trainings.seeds, 100 * trainings.accuracies
    measured = f"{accuracies.mean():.2f} ± {accuracies.std(ddof=1):.2f} % of {trainings.clips:.0f} clips"
    print(f"{row.label}: {seeds} trainings, {measured}")
    once = false_verdicts(trainings, np.arange(seeds)[None])
    print(f"rows of {OF_A_ROW} seeds in their order: {once.sum()} false of {once.size} verdicts")
    generator = np.random.default_rng(0)
    orders = [np.stack([generator.permutation(seeds) for _ in range(CHUNK)]) for _ in range(WAYS // CHUNK)]
    share = np.mean([false_verdicts(trainings, order) for order in orders])
    print(f"{WAYS} other ways to make the rows: {100 * share:.1f} % false")


def false_verdicts(trainings: Sample, orders: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Of each pair of the rows that consecutive trainings make, in each of the orders of the trainings."""
    parts = [orders[:, at : at + OF_A_ROW] for at in range(0, orders.shape[1] - OF_A_ROW + 1, OF_A_ROW)]
    rows = [
        replace(trainings, accuracies=trainings.accuracies[part], residuals=trainings.residuals[part]) for part in parts
    ]
    return np.stack([difference(left, right).apart() < SIGNIFICANCE for left, right in combinations(rows, 2)])


def longest(record: Record) -> Row:
    """The row of a record with the most finished seeds."""
    launches = record.launches()
    rows = [row for launch in launches for row in rows_of(launch, record.cells(launch), partial=True) if row.random]
    return max((row for row in rows if row.cells), key=lambda row: len(row.cells))


if __name__ == "__main__":
    if sys.argv[1:2] == ["null"]:
        null(Path(sys.argv[2]))
    else:
        calibrate(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
