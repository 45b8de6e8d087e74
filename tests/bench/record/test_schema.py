import json
from dataclasses import fields, replace

import pytest

from d3d.analysis.complexity import Complexity
from d3d.bench.record.schema import (
    Launch,
    Metric,
    Point,
    Study,
    Tuned,
    read_classes,
    read_plan,
    read_predictions,
    write_plan,
    write_predictions,
)
from d3d.prediction import PartPrediction, Prediction

OLDEST = {
    "ablation": "depth",
    "artefacts": ["depth"],
    "title": "How many blocks",
    "section": "3",
    "claims": ["depth 2 > depth 1"],
    "preset": "quick",
    "data": "synthetic, files",
    "data_digest": "da7a",
    "frames": 12,
    "points": [{"row": "depth 1", "axes": {"model.depth": 1}, "seed": 0, "cell": "c1"}],
    "command": "python orchestrate.py ablation=depth model.norm=pre storage=there tracking.uri=http://ann:s3cret@host",
}
POINT = Point(
    "narrow", {"model.depth": 2, "training.mixup": 0.5, "model.norm": "pre", "augmentation.flip": False}, 3, "c"
)
STUDY = Study("s", 30, 12, 1, 410, 91.25, {"training.learning_rate": 0.00312345, "data.root": None})
WHOLE = Launch(
    "depth", ("depth", "table4"), "Wie viele Blöcke?", "3", ("a > b",), "quick", "synthetic", "da7a", 12, (POINT,), "x",
    reference="a", tuned=Tuned("optuna", (POINT, replace(POINT, cell="t")), {"narrow": STUDY}), settle=8, split="test",
    overrides=("model.norm=pre",), seeds=(0, 3), id="1a",
)  # fmt: skip


def test_a_plan_is_read_as_it_was_written() -> None:
    found = read_plan(write_plan(WHOLE))
    assert found == WHOLE
    types = [type(value) for value in POINT.axes.values()]
    assert [type(value) for value in found.points[0].axes.values()] == types, "1, 1.0 and true are different settings"
    assert found.cells == ("c", "t")


def test_the_plan_of_an_old_record_lacks_what_was_added_since() -> None:
    found = read_plan(json.dumps(OLDEST))
    assert (found.reference, found.tuned, found.settle, found.split, found.id) == (None, None, None, "", "")
    assert found.changes == ("model.norm=pre",), "what its command line changed"
    assert replace(found, overrides=()).changes == ()
    assert found.command.endswith(" tracking.uri=http://***@host"), "older versions recorded the password"


def test_the_plan_of_a_newer_version_may_say_more() -> None:
    assert read_plan(json.dumps(OLDEST | {"later": 1})) == read_plan(json.dumps(OLDEST))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (json.dumps(OLDEST | {"frames": "twelve"}), r"^plan\.json, frames: [^\n]*$"),
        (json.dumps({**OLDEST, "points": [{}]}), r"^plan\.json, points\.0\.row: [^\n]*$"),
        (json.dumps(OLDEST | {"ablation": "a` = 'b"}), r"^plan\.json: [^\n]* has a quote [^\n]*$"),
        (json.dumps(OLDEST)[:-1], r"^plan\.json, [^\n]*$"),
    ],
)
def test_a_plan_that_is_none_says_where(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        read_plan(text)


def test_predictions_are_read_as_they_were_written() -> None:
    names = ["0001", 'a, "b"', "line\nfeed", "separator\u2028", "Übung", "=1+1", "'=", "-5", "-x"]
    predictions = tuple(Prediction(name, number, 2, "take") for number, name in enumerate(names))
    assert read_predictions(write_predictions(predictions)) == predictions
    assert "\n=" not in write_predictions(predictions), "no formula of a spreadsheet"
    assert read_predictions("clip,label,predicted\n0001,3,4\n") == (Prediction("0001", 3, 4),), "of an old record"


def test_predictions_have_two_columns_for_each_part_of_the_labels() -> None:
    parts = (PartPrediction("verb", 1, 0), PartPrediction("noun", 2, 2))
    written = write_predictions([Prediction("0001", 5, 2, "take", parts=parts)])
    assert written == "clip,label,predicted,take,verb,predicted_verb,noun,predicted_noun\n0001,5,2,take,1,0,2,2\n"
    assert read_predictions(written)[0].parts == parts
    with pytest.raises(ValueError, match=r"^predictions\.csv, line 2: KeyError\('predicted_verb'\)$"):
        read_predictions("clip,label,predicted,take,verb\n0001,5,2,take,1\n")


def test_predictions_have_the_names_of_the_classes_that_occur() -> None:
    written = write_predictions([Prediction("0001", 2, 0, "take")], ["=a", "b", "c, d"])
    assert written == 'clip,label,predicted,take,action,predicted_action\n0001,2,0,take,"c, d",\'=a\n'
    assert read_classes(written) == {2: "c, d", 0: "=a"}
    assert read_predictions(written) == read_predictions(write_predictions([Prediction("0001", 2, 0, "take")]))
    assert read_classes("clip,label,predicted\n0001,2,0\n") == {}, "an old record"
    with pytest.raises(ValueError, match=r"^predictions\.csv, line 2: "):
        read_classes("label,predicted,action,predicted_action\nx,1,a,b\n")


def test_every_number_of_a_measurement_has_its_name() -> None:
    assert {field.name for field in fields(Complexity)} <= set(Metric)
