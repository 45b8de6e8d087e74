"""How many seeds each row should have by now, read from a record."""

import pytest

from d3d.errors import ConfigError, RecordError
from d3d.report import seeds_needed, seeds_wanted
from tests.report.fake_record import FakeRecord, point, tuned

FAR = {"a": [0.95, 0.94, 0.95, 0.95, 0.94], "b": [0.5, 0.51, 0.5, 0.5, 0.51]}
NEAR = {"c": [0.7, 0.8, 0.6, 0.7, 0.8, 0.6, 0.7, 0.8], "d": [0.8, 0.6, 0.7, 0.8, 0.6, 0.7, 0.8, 0.6], "e": [0.5] * 8}


def launch(
    record: FakeRecord, seeds: dict[str, int], most: int | None = 20, launch: str = "1a", **changes: object
) -> None:
    """Rows with their first so many seeds; `e` is named by no claim."""
    points = []
    for row, number in seeds.items():
        for seed in range(number):
            points.append(point(row, f"{row}{seed}", seed))
            record.finish(f"{row}{seed}", {**FAR, **NEAR}[row][seed])
    record.launch(points, launch, **{"claims": ["a > b", "c > d"], "settle": most} | changes)


def wanted(record: FakeRecord, launch: str = "1a") -> dict[str, dict[str, int]]:
    return seeds_wanted(record.storage, None, launch)


def test_every_row_wants_the_seeds_of_the_first_look(record: FakeRecord) -> None:
    launch(record, {"a": 1, "b": 3, "c": 2, "d": 1, "e": 1})
    assert wanted(record) == {"same recipe": dict.fromkeys("abcde", 3)}


def test_the_rows_of_open_claims_alone_go_on(record: FakeRecord) -> None:
    launch(record, {"a": 3, "b": 3, "c": 3, "d": 3, "e": 3})
    assert wanted(record) == {"same recipe": {"a": 3, "b": 3, "c": 5, "d": 5, "e": 3}}


def test_a_row_of_an_open_and_a_settled_claim_goes_on(record: FakeRecord) -> None:
    launch(record, {"a": 3, "b": 3, "c": 3, "d": 3, "e": 3}, claims=["a > b", "c > d > b"])
    assert wanted(record) == {"same recipe": {"a": 3, "b": 5, "c": 5, "d": 5, "e": 3}}


def test_no_more_is_wanted_once_the_most_is_reached(record: FakeRecord) -> None:
    seeds = {"a": 3, "b": 3, "c": 5, "d": 5, "e": 3}
    launch(record, seeds, most=5)
    assert wanted(record) == {"same recipe": seeds}
    launch(record, seeds, most=6, launch="2b")
    assert wanted(record, "2b") == {"same recipe": seeds | {"c": 6, "d": 6}}
    launch(record, seeds, most=20, launch="3c")
    assert wanted(record, "3c") == {"same recipe": seeds | {"c": 8, "d": 8}}


def test_a_claim_that_no_seed_can_settle_asks_for_none(record: FakeRecord) -> None:
    launch(record, {"a": 3, "b": 3}, claims=["a > b", "a > nowhere"])
    assert wanted(record) == {"same recipe": {"a": 3, "b": 3}}


def test_each_part_is_a_family_of_its_own(record: FakeRecord) -> None:
    points = [point(row, f"{row}{seed}", seed) for row in "cd" for seed in range(3)]
    launch(record, {"a": 3, "b": 3}, claims=["a > b", "c > d"], tuned=tuned(points, c={}, d={}))
    for each in points:
        record.finish(each["cell"], NEAR[each["row"]][each["seed"]])
    assert wanted(record) == {"same recipe": {"a": 3, "b": 3}, "tuned": {"c": 5, "d": 5}}
    lines = seeds_needed(record.storage, None, "1a")
    assert len(lines) == 1 and lines[0].startswith("tuned, c > d: inconclusive: a difference from ")


def test_a_measurement_has_no_seeds_and_a_baseline_one(record: FakeRecord) -> None:
    launch(record, {"a": 3, "b": 3}, claims=[])
    points = [point("full", f"a{seed}", seed) for seed in range(3)]
    points.append(point("ridge", "r", axes={"baseline.method": "ridge"}))
    points.append(point("joint", "m", axes={"measurement.module": "joint"}))
    record.launch(points, "2b", claims=["full > ridge"], settle=20)
    assert wanted(record, "2b") == {"same recipe": {"full": 3, "ridge": 1}}
    run = record.finish("r", 0.5)
    record.client.log_param(run, "baseline.method", "ridge")
    assert wanted(record, "2b") == {"same recipe": {"full": 3, "ridge": 1}}


def test_a_line_says_how_many_seeds_an_open_claim_needs(record: FakeRecord) -> None:
    launch(record, {"a": 3, "b": 3, "c": 5, "d": 1}, most=None, claims=["a > b", "b > a", "c > d", "a > c"])
    lines = seeds_needed(record.storage, None, "1a")
    assert lines == ("c > d: not tested: 1 seed, a test needs at least 3; `seeds=settle` runs as many as are needed",)
    points = [point(row, f"{row}{seed}", seed) for row in "ce" for seed in range(5)]
    for seed in range(5):
        record.finish(f"e{seed}", NEAR["c"][seed] - 0.12)
    record.launch(points, "2b", claims=["c > e"])
    (line,) = seeds_needed(record.storage, None, "2b")
    assert line.startswith("c > e: inconclusive: a difference from −") and "measured, about " in line


def test_what_is_no_settle_launch_is_refused(record: FakeRecord) -> None:
    launch(record, {"a": 3, "b": 3}, most=None)
    with pytest.raises(ConfigError, match="launch=1a: it was launched with given seeds"):
        wanted(record)
    with pytest.raises(RecordError, match="launch=9z: not in"):
        wanted(record, "9z")
