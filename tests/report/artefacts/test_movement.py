from dataclasses import replace

from d3d.report.artefacts.movement import movement_notes
from d3d.report.rows import Row
from tests.report.measured_rows import marks, row


def moved(label: str, *seeds: tuple[float, float, float], **params: str) -> Row:
    """A row whose points moved so far along t, y and x with each of its seeds."""
    plain = row(label, *[marks(1, 2)] * len(seeds))
    cells = {}
    for seed, tokens in enumerate(seeds):
        metrics = {f"moved_{axis}": value for axis, value in zip("tyx", tokens, strict=True)}
        cells[seed] = replace(plain.cells[seed], metrics=metrics, params=params)
    return replace(plain, cells=cells)


def test_a_few_rows_say_their_mean_over_seeds_each() -> None:
    rows = [moved("full", (0.4, 0.2, 0.1), (0.6, 0.4, 0.3)), row("no_deformable", marks(1, 2)), moved("b", (1, 1, 1))]
    assert list(movement_notes(rows)) == [
        "Mean distance by which 3D deformable attention moved its points, in tokens along t, y and x: "
        "full 0.50, 0.30, 0.20; b 1.00, 1.00, 1.00."
    ]


def test_many_rows_say_their_ranges() -> None:
    (note,) = movement_notes([moved(f"row {i}", (0.1 * i, 0.2, 0.3)) for i in range(1, 5)])
    assert note.endswith("along t, y and x: 0.10 to 0.40, 0.20 to 0.20, 0.30 to 0.30 over 4 rows.")


def test_an_axis_without_movement_is_warned_of_once_for_all_its_rows() -> None:
    rows = [
        moved("a", (0.4, 0.0009, 0)),
        moved("b", (0.4, 0, 0)),
        moved("c", (0.4, 0.001, 0.001)),
        moved("d", (0, 1, 1)),
    ]
    _, *warnings = movement_notes(rows)
    assert warnings == [
        f"Warning: 3D deformable attention does not move its points along {where}: there it only resamples the tokens "
        "at fixed places."
        for where in ("y and x in a; b", "t in d")
    ]


def test_a_single_frame_leaves_nowhere_to_go_in_time() -> None:
    still = (0.0, 0.5, 0.5)
    assert len(list(movement_notes([moved("a", still, **{"training.frames": "1"})]))) == 1
    assert len(list(movement_notes([moved("a", still, **{"training.frames": "2"})]))) == 2


def test_nothing_is_said_where_nothing_was_recorded_or_counts() -> None:
    unfinished = replace(moved("a", (1, 1, 1)), asked={0: "a 0", 1: "a 1"})
    assert list(movement_notes([row("old", marks(1, 2)), row("missing", None), unfinished])) == []
