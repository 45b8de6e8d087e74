from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from d3d import report
from d3d.attention_maps import NUMBERS, write_maps, write_numbers
from d3d.errors import RecordError
from d3d.report.artefacts.attention_plot import chosen, draw
from tests.report.conftest import PICTURES
from tests.report.fake_record import CLIPS, FakeRecord, point, row_cell
from tests.report.maps import maps


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than everything else."""
    for module in ("attention", "further_clips"):
        monkeypatch.setattr(f"d3d.report.artefacts.{module}.draw", lambda *_: {".png": b"png"})


def looked_at(record: FakeRecord, seeds: int, own: float, others: float) -> None:
    """A launch of one row whose first number of each pair is around `own` and whose second around `others`."""
    points = []
    for seed in range(seeds):
        cell = row_cell("full", seed)
        run = record.finish(cell, 0.9, trained=f"w{seed}", attention="true", code_digest="c0de")
        generator = np.random.default_rng(seed)
        ours = [name for name in NUMBERS if name in ("frames", "joints") or name.endswith("random_hidden")]
        numbers = {
            f"{n:04d}": {
                name: float(np.clip((own if name in ours else others) + 0.1 * generator.standard_normal(), -1, 1))
                for name in NUMBERS
            }
            for n in range(CLIPS)
        }
        record.file(run, "attention.csv").write_text(write_numbers(numbers))
        record.file(run, "attention_maps.npz").write_bytes(write_maps(maps()))
        points.append(point("full", cell, seed, {"evaluation.attention": True}))
    artefacts = ["figure5", "figure6", "figureA2", "figureA3", "figureA4"]
    record.launch(points, ablation="attention", artefacts=artefacts, reference="full")


@pytest.mark.parametrize(("own", "others", "outcome"), [(0.6, 0.1, "holds"), (0.1, 0.6, "fails")])
def test_what_is_above_its_control_holds_and_what_is_below_fails(
    record: FakeRecord, undrawn: None, own: float, others: float, outcome: str
) -> None:
    looked_at(record, 3, own, others)
    built = report.build([], record.storage)
    assert [tally.outcomes for tally in built.verdicts] == [{outcome: 2}] * 2
    assert {path.suffix for path in built.latest} == {".csv", ".md", ".tex", ".txt", ".png"}
    text = record.made("figure5.md").read_text("utf-8")
    assert f"{100 * own:.0f}." in text or f"{100 * own - 1:.0f}." in text


def test_figures_of_the_appendix_go_on_with_the_clips_that_are_left(record: FakeRecord, undrawn: None) -> None:
    looked_at(record, 1, 0.6, 0.1)
    built = report.build(["figureA2", "figureA3", "figureA4"], record.storage)
    assert built.files.keys() == {"figureA2", "figureA3"} and built.latest and not built.missing
    assert [each.name for each in built.documents] == ["figureA2", "figureA3"]
    clips = pd.read_csv(record.made("figureA3.csv"))[["clip", "action", "predicted"]]
    assert clips.to_numpy().tolist() == [[2, "jump", "r$un"], [4, "jump", "r$un"]]
    note = (
        "Figure A4: 3D deformable attention, further clips: not drawn, because the test kept the maps of only 5 clips"
    )
    assert note in built.notes
    assert not built.verdicts, "Figures 5 and 6 have the verdicts"


def test_fewer_than_three_seeds_are_not_tested(record: FakeRecord, undrawn: None) -> None:
    looked_at(record, 2, 0.6, 0.1)
    built = report.build(["figure6"], record.storage)
    [tally] = built.verdicts
    assert str(tally) == "figure6: not tested: 2 seeds, a test needs at least 3; `seeds=3` runs them"


def test_a_file_that_is_damaged_is_named(record: FakeRecord) -> None:
    looked_at(record, 3, 0.6, 0.1)
    next(record.storage.rglob("attention.csv")).write_text("clip\n1\n")
    with pytest.raises(RecordError, match=r"attention\.csv, line 2"):
        report.build(["figure5"], record.storage)


def test_right_and_wrong_clips_are_drawn_in_turn_where_there_is_attention() -> None:
    assert [chosen(maps(), after) for after in range(3)] == [[1, 0, 3], [2, 4], []]
    assert chosen(replace(maps(), predicted=maps().actions)) == [0, 1, 2]
    for module in ("deformable", "joint"):
        images = draw(maps(2), module)
        assert images[".png"].startswith(b"\x89PNG") and all(images[end].startswith(b"%PDF") for end in PICTURES[1:])
        assert draw(maps(2), module) == images
    assert draw(replace(maps(), volume=np.zeros(0, np.float32)), "deformable") == {}
    assert draw(maps(), "joint", after=2) == {}
