"""Compares two rows of the record, which may be of two launches or of two records: how much better one is, and why."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from d3d.errors import ConfigError
from d3d.report.contrast.selected import Selected
from d3d.report.rows import MISSING, Row
from d3d.report.statistics.inference import LEAST_SEEDS, Estimate, holm
from d3d.report.statistics.verdicts import obstacle, row_difference
from d3d.report.statistics.wording import too_few


@dataclass(frozen=True)
class Outcomes:
    """The test clips by which of two rows predicts them correctly; fractions over clips and all pairs of seeds."""

    both: float
    left: float  # only the left row
    right: float
    neither: float
    only_left: tuple[str, ...]  # clips that every seed of the left row has right and none of the right row
    only_right: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Contrast:
    """Two rows that were tested on the same clips."""

    left: Row
    right: Row
    outcomes: Outcomes
    estimate: Estimate | None  # of the difference left − right, as a fraction; None where it has no distribution
    p_value: float | None  # two-sided, corrected for all contrasts made together; None where it was not tested
    changed: Mapping[str, tuple[str, str]]  # what differs → its value on the left and on the right

    @property
    def clips(self) -> int:
        """The number of test clips."""
        return len(next(iter(self.left.cells.values())).correct)

    @property
    def reason(self) -> str:
        """Why the difference was not tested; empty if it was."""
        if self.p_value is not None:
            return ""
        if self.left.same_training(self.right):
            return "the same computation"
        fewest = min((len(row.counted) for row in (self.left, self.right) if row.random), default=0)
        return obstacle(self.left, self.right) or too_few(fewest, f"`seeds={LEAST_SEEDS}` runs them")


def contrast(left: Selected, right: Selected) -> tuple[Contrast, ...]:
    """Compares two rows, or the rows that two launches have in common, by label.

    p-values are corrected for all of them (Holm 1979). Raises ConfigError where only one of the two is a whole launch,
    where two launches have no row in common, and where rows were tested on different clips; RecordError where the
    record contradicts itself.
    """
    pairs = _pairs(left, right)
    estimates = [None if obstacle(*pair) else row_difference(*pair) for pair in pairs]
    p_values = holm([_p_value(*pair, estimate) for pair, estimate in zip(pairs, estimates, strict=True)]).tolist()
    return tuple(
        Contrast(*pair, _outcomes(*pair), estimate, None if math.isnan(p) else p, changed(*pair))
        for pair, estimate, p in zip(pairs, estimates, p_values, strict=True)
    )


def _p_value(left: Row, right: Row, estimate: Estimate | None) -> float:
    """The two-sided p-value of the difference; NaN where it cannot be tested."""
    return float(estimate.apart()) if estimate and left.enough and right.enough else math.nan


def _pairs(left: Selected, right: Selected) -> list[tuple[Row, Row]]:
    if left.whole != right.whole:
        launch, row = (left, right) if left.whole else (right, left)
        labels = "; ".join(each.label for each in launch.rows)
        raise ConfigError(f"{launch.name} is a launch, {row.name} one row; name a row, {launch.name}/ROW, of: {labels}")
    if not left.whole:
        pairs = [(left.rows[0], right.rows[0])]
    else:
        theirs = {row.label: row for row in right.rows}
        pairs = [(row, theirs[row.label]) for row in left.rows if row.label in theirs]
        if not pairs:
            raise ConfigError(f"{left.name} and {right.name} have no row in common; name one row of each, LAUNCH/ROW")
    for pair in pairs:
        _require_same_clips(*pair, (left.name, right.name))
    return pairs


def _require_same_clips(left: Row, right: Row, names: tuple[str, str]) -> None:
    """Raises ConfigError where two rows were tested on different clips."""
    ours, theirs = (next(iter(row.cells.values())).correct.keys() for row in (left, right))
    if ours != theirs:
        shared = len(ours & theirs)
        fault = f"{names[0]} was tested on {len(ours)} clips, {names[1]} on {len(theirs)}; they share {shared}"
        raise ConfigError(f"{fault}; compare results on the same split of the same data")


def _outcomes(left: Row, right: Row) -> Outcomes:
    ours, theirs = _share_right(left), _share_right(right)
    only = [(clip, ours[clip], theirs[clip]) for clip in sorted(ours)]
    both = fmean(a * b for _, a, b in only)
    first, second = (fmean(share.values()) for share in (ours, theirs))
    return Outcomes(
        both,
        first - both,
        second - both,
        1 - first - second + both,
        tuple(clip for clip, a, b in only if a == 1 and b == 0),
        tuple(clip for clip, a, b in only if a == 0 and b == 1),
    )


def _share_right(row: Row) -> dict[str, float]:
    """Test clip → the fraction of the row's seeds that predict it correctly."""
    cells = list(row.counted.values())
    return {clip: fmean(cell.correct[clip] for cell in cells) for clip in cells[0].correct}


def changed(left: Row, right: Row) -> dict[str, tuple[str, str]]:
    """The configuration keys and conditions that differ; where a row's seeds have several values, all of them."""
    ours, theirs = _described(left), _described(right)
    return {
        name: (ours.get(name, MISSING), theirs.get(name, MISSING))
        for name in dict.fromkeys([*ours, *theirs])
        if ours.get(name) != theirs.get(name)
    }


def _described(row: Row) -> dict[str, str]:
    """What the row's cells are made of: configuration keys in alphabetical order, then data, code and conditions."""
    found: dict[str, dict[str, None]] = {}
    for cell in row.counted.values():
        keys = {key: value for key, value in sorted(cell.params.items()) if key != "seed"}
        digests = {"digest of the data": cell.data_digest, "digest of the code": cell.code_digest}
        for name, value in (keys | digests | dict(cell.environment)).items():
            found.setdefault(name, {})[value] = None
    seeds = {"seeds": ", ".join(map(str, row.counted))} if row.random else {}
    return seeds | {name: ", ".join(values) for name, values in found.items()}
