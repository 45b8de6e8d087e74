import pytest

from d3d.bench.declare.ablations import Value, ablations
from d3d.report.artefacts.registry import ARTEFACTS, Footnote, artefact_of, misfit


@pytest.mark.parametrize("name", ablations())
def test_the_projects_own_ablations_fit_what_they_make(name: str) -> None:
    ablation = ablations()[name]
    rows = {row.label: row.settings for row in ablation.rows}
    assert [misfit(artefact_of(each, ablation.title), rows) for each in ablation.artefacts] == [None] * len(
        ablation.artefacts
    )


@pytest.mark.parametrize(
    ("artefact", "settings", "fault"),
    [
        ("figure7b", {"training.frames": 4}, None),
        ("figure7b", {"model.depth": 4}, "row a has no number of training.frames, its axis"),
        ("figure7b", {"training.frames": True}, "no number of training.frames"),
        ("figure7a", {"model.temporal_stride": 2}, "no number of model.temporal_window"),
        ("figureA1", {"evaluation.frames": None}, "no number of evaluation.frames"),
        ("table4", {"model.depth": 4}, None),
        (
            "table4",
            {"measurement.module": "joint"},
            "row a measures a module and has no top-1; name tableA1 or tableA2",
        ),
        ("mine", {"measurement.module": "joint"}, "has no top-1"),
        ("table3", {"measurement.module": "joint"}, "has no top-1"),
        ("tableA1", {"measurement.module": "joint"}, None),
        ("tableA2", {"measurement.module": "joint"}, "no row measures measurement.module: temporal"),
    ],
)
def test_what_cannot_be_made_of_the_rows_is_said(artefact: str, settings: dict[str, Value], fault: str | None) -> None:
    assert artefact in ARTEFACTS or artefact == "mine"
    found = misfit(artefact_of(artefact, "t"), {"a": settings})
    assert (found is None) if fault is None else (found is not None and fault in found)


def test_a_footnote_applies_always_or_where_a_cell_has_one_of_its_settings() -> None:
    assert Footnote("always").applies([])
    drawn = Footnote("drawn", where={"data.frames": "rendered", "data.view": "persons"})
    assert drawn.applies([{"data.frames": "files", "data.view": "persons"}])
    assert drawn.applies([{}, {"data.frames": "rendered"}])
    assert not drawn.applies([{"data.frames": "files", "data.view": "frame"}, {}])
