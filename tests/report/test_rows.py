import math
from dataclasses import replace

import pytest

from d3d.bench.record.schema import Point
from d3d.errors import RecordError
from d3d.prediction import Prediction, in_fold
from d3d.report.record import Cell
from d3d.report.rows import (
    chance_note,
    clips_tested,
    interval_heading,
    interval_note,
    missing_lines,
    missing_note,
    parts_of,
    rows_of,
    seeds_note,
    setting,
    takes_of,
)
from tests.report.measured_rows import cell, launch, marks, row, with_verbs


def test_numbers_of_a_row_are_over_its_seeds() -> None:
    accuracy = row("a", marks(60, 120), marks(66, 120), marks(90, 120)).accuracy
    assert accuracy is not None
    assert (accuracy.mean, accuracy.clips) == (60.0, 120)
    assert accuracy.std == pytest.approx(math.sqrt((10**2 + 5**2 + 15**2) / 2))
    assert accuracy.low < 60 < accuracy.high


def test_a_row_over_folds_is_the_mean_over_all_tests_and_a_clip_counts_once() -> None:
    said = [[Prediction(f"{n}", 1, int(n < right)) for n in range(clips)] for right, clips in ((40, 40), (10, 60))]
    tests = tuple(in_fold(each, fold) for fold, predictions in enumerate(said, start=1) for each in predictions)
    made = replace(cell("a 0", []), metrics={"top1": 0.5}, folds=("f1", "f2"), read_predictions=lambda: tests)
    joined = replace(row("a", []), cells={0: made})
    assert joined.accuracy is not None and joined.sample is not None
    assert (joined.accuracy.mean, joined.accuracy.clips) == (50, 100)
    assert joined.of_folds == {1: 100, 2: pytest.approx(100 / 6)}
    assert row("b", marks(1, 2)).of_folds == {}
    assert joined.sample.takes == 60, "a clip without a take is its own, in whichever fold"
    assert joined.sample.clips == pytest.approx(100**2 / (40 * 2**2 + 20)), "two tests of a clip weigh as one of twice"
    plan = replace(launch(), folds=(1, 2))
    assert clips_tested(plan, [joined]) == "100  clips of folds 1, 2 together".replace("  ", f" {plan.split} ")


def test_a_missing_seed_leaves_no_number_unless_partial() -> None:
    assert row("a", marks(1, 2), None).accuracy is None
    accuracy = row("a", marks(1, 2), None, partial=True).accuracy
    assert accuracy is not None and accuracy.mean == 50


def test_seeds_tested_on_different_clips_are_refused() -> None:
    with pytest.raises(RecordError, match="a: its seeds were tested on different clips: a 0 on 4, a 1 on 3"):
        _ = row("a", marks(1, 4), marks(1, 3)).accuracy


def test_an_interval_is_of_the_trainings_too_unless_there_is_one() -> None:
    one, several = row("a", marks(90, 120)), row("a", *(marks(right, 120) for right in (70, 90, 110)))
    assert one.accuracy and several.accuracy
    assert (one.accuracy.low, one.accuracy.high) == pytest.approx((66.56, 81.89), abs=0.005), "Wilson's"
    assert several.accuracy.low < 50 and 90 < several.accuracy.high <= 100
    assert interval_heading([one]) == "95 % interval (these weights, other clips)"
    assert interval_heading([several, several]) == "95 % interval (other trainings, other clips)"
    assert interval_heading([one, several]) == "95 % interval"
    assert [note.split(" is ")[0] for note in interval_note([one, several])] == [
        "The interval of a row with several seeds",
        "The interval of a row with one seed",
    ]


def test_clips_of_one_take_say_nothing_of_another() -> None:
    accuracy = row("a", *[marks(3, 4)] * 3, takes=["t"] * 4).accuracy
    assert accuracy is not None and accuracy.mean == 75
    assert math.isnan(accuracy.low) and math.isnan(accuracy.high)


def test_a_take_that_any_cell_knows_is_known() -> None:
    old, new = row("a", marks(1, 2)), row("b", marks(1, 2), takes=["t", "t"])
    assert set(takes_of(old).values()) == {"clip 0000", "clip 0001"}
    assert takes_of(old, new) == takes_of(new, old) == {"0000": "take t", "0001": "take t"}


def test_a_row_as_it_was_with_fewer_seeds() -> None:
    whole = row("a", *(marks(right, 10) for right in (1, 2, 3, 4, 5)))
    assert list(whole.first(3).counted) == [0, 1, 2]
    assert not whole.first(8).counted, "it has no eight seeds"
    gap = row("a", marks(1, 10), marks(2, 10), None, marks(4, 10))
    assert not gap.counted and not gap.first(3).counted
    assert len(row("a", *[marks(1, 10)] * 3, None).first(3).counted) == 3, "what comes later is not asked for"


def test_seeds_of_the_same_weights_are_those_both_have() -> None:
    weights = row("full", *[marks(5, 10)] * 4)
    tests = row("noise", *[marks(4, 10)] * 3, tested="full")
    assert weights.same_weights(tests) == tests.same_weights(weights) == (0, 1, 2)
    assert weights.same_weights(row("other", *[marks(4, 10)] * 3)) == ()
    assert weights.same_training(row("again", *[marks(5, 10)] * 3, shared="full"))
    assert not weights.same_training(tests)


def test_rows_keep_the_plans_order_and_seeds_ascend() -> None:
    points = [Point("b", {}, 1, "c1"), Point("b", {}, 0, "c0"), Point("a", {}, 0, "c0")]
    rows = rows_of(launch(*points), {"c0": cell("c0", marks(1, 2))}, partial=False)
    assert [each.label for each in rows] == ["b", "a"]
    assert list(rows[0].asked.items()) == [(0, "c0"), (1, "c1")]
    assert rows[0].missing == (1,)
    assert rows[1].missing == ()


def test_a_plan_that_names_two_cells_for_a_seed_of_a_row_is_refused() -> None:
    with pytest.raises(RecordError, match=r"launch=1a: b, seed 0 has two cells"):
        rows_of(launch(Point("b", {}, 0, "c0"), Point("b", {}, 0, "c1")), {}, partial=False)


def test_missing_cells_are_named_once_with_their_command() -> None:
    rows = [
        row("a", None, marks(1, 2), None),
        row("b", None, marks(1, 2), None, shared="a"),
        row("c", *[marks(1, 2)] * 3),
    ]
    (line,) = missing_lines(rows, "run it")
    assert line == "a (and 1 more rows), seeds 0, 2: not finished (cells a 0 a 2); run: run it"
    (note,) = missing_note(rows, "run it")
    assert note == "— not finished: a (seed 0, 2); b (seed 0, 2). To fill: `run it`"
    assert missing_lines(rows[2:], "run it") == ()
    assert missing_note(rows[2:], "run it") == []


def test_one_seed_is_warned_of() -> None:
    assert seeds_note([row("a", marks(1, 2))])
    assert not seeds_note([row("a", marks(1, 2), None)])


def test_a_heading_has_the_overrides_as_they_were_typed() -> None:
    rows = [row("a", marks(1, 2))]
    assert setting(launch(), rows).startswith("preset quick, data synthetic, T = ")
    changed = replace(launch(), overrides=("model.norm=pre", "training.epochs=30"))
    assert setting(changed, rows).startswith(
        "preset quick with model.norm=pre, training.epochs=30, data synthetic, T = "
    )
    old = replace(launch(), command="python orchestrate.py ablation=depth model.norm=pre seeds=3 storage=x")
    assert setting(old, rows).startswith("preset quick with model.norm=pre, data synthetic"), "its plan lists none"


def test_the_clips_are_of_the_split_that_the_cells_were_tested_on() -> None:
    plain = row("a", marks(3, 4))
    assert clips_tested(replace(launch(), split="test"), [plain]) == "4 test clips"
    assert clips_tested(replace(launch(), split="validation"), [row("a", None)]) == "— validation clips"
    own = {0: replace(plain.cells[0], params={"data.split": "validation"})}
    both = [plain, replace(plain, cells=own), row("b", marks(1, 9))]
    assert clips_tested(replace(launch(), split="test"), both) == "4 to 9 test clips and 4 validation clips"


def test_chance_and_the_majority_class_are_of_the_clips_at_hand() -> None:
    plain = row("a", marks(4, 4))

    def labelled(*labels: int) -> Cell:
        predictions = tuple(Prediction(str(clip), label, 0) for clip, label in enumerate(labels))
        return replace(cell("c", marks(1, 1)), read_predictions=lambda: predictions)

    alike = {0: labelled(0, 0, 1, 2), 1: labelled(0, 0, 1, 2)}
    (note,) = chance_note([replace(plain, asked=dict.fromkeys(alike, "c"), cells=alike)])
    assert note == "On 4 clips chance is 33.3 %, the majority class 50.0 %."
    other = alike | {2: labelled(1, 1, 1, 2, 2)}
    (both,) = chance_note([replace(plain, asked=dict.fromkeys(other, "c"), cells=other)])
    assert both == f"On 5 clips chance is 50.0 %, the majority class 60.0 %; {note[0].lower()}{note[1:]}"
    assert chance_note([row("a", None)]) == []
    (parts,) = chance_note([with_verbs(plain, marks(2, 4))])
    assert parts.endswith("; of the verb chance is 100.0 %, the majority class 100.0 %.")


def test_a_row_can_be_looked_at_by_its_verbs() -> None:
    plain = row("a", marks(1, 4), marks(2, 4))
    both = with_verbs(plain, marks(3, 4), marks(4, 4))
    seen = both.of("verb")
    assert seen and seen.accuracy and (seen.accuracy.mean, seen.correct) == (87.5, [3, 4])
    assert both.of("") is both and both.of("noun") is None and plain.of("verb") is None
    assert parts_of([row("b", None), both]) == ("verb",) and parts_of([plain, row("b", None)]) == ()
