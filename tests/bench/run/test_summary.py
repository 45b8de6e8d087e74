import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from d3d.bench.kinds.registry import KINDS, PRETRAINING, TRAINING
from d3d.bench.plan.estimate import duration
from d3d.bench.plan.planning import Plan
from d3d.bench.record.tracking import Record
from d3d.bench.run.failures import Failure
from d3d.bench.run.progress import Ended, Progress
from d3d.bench.run.summary import describe, doubts, summarise
from d3d.data.clip import Dataset
from d3d.prediction import PartPrediction, Prediction
from d3d.terminal import console
from tests.bench.conftest import finished_in, save_weights

TAGS = {"code_digest": "c0de"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replaces the timing: a training clip takes three quarters of a second, and so a test clip a quarter."""
    monkeypatch.setattr("d3d.bench.plan.estimate.seconds_per_clip", lambda config, dataset, threads: 0.75)


def finish(record: Record, plan: Plan, right: Callable[[int], int], clips: int = 200) -> None:
    """Finishes each cell, the i-th with `right(i)` clips predicted correctly."""
    for i, cell in enumerate(plan.cells):
        predictions = [Prediction(str(clip), 1, 1 if clip < right(i) else 0) for clip in range(clips)]
        record.begin(cell, TAGS).finish(predictions)


def test_a_plan_says_what_is_asked_for_and_what_is_there(
    plan: Callable[..., Plan], record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = plan("ablation=stride_grid", "resources.cpus=1")
    said = describe(grid, {})
    assert "25 points, 16 distinct cells, 0 finished, 1 shared with 14 other ablations" in said
    with monkeypatch.context() as patched:
        patched.setattr(Plan, "shared", {"full": 1, "norm": 1, "depth": 2})
        assert "0 finished, 1 shared with full and norm, 2 shared with depth" in describe(replace(grid), {})
    assert "16 to train: about 16 s, 1 at a time (1 s each, timed just now, 4 of 16 settings)" in said
    finish(record, grid, lambda i: i)
    assert "16 distinct cells, 16 finished" in describe(grid, finished_in(record))
    assert "to train" not in describe(grid, finished_in(record))


def test_a_plan_says_what_should_be_known_of_its_data(
    plan: Callable[..., Plan], dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules = plan("ablation=modules", "resources.cpus=1")
    assert not doubts(modules, {})
    remarked = replace(dataset, remarks=("its joints are taken for others",))
    made = replace(modules, opened=dict.fromkeys(modules.opened, remarked))
    assert doubts(made, {}) == ["note: its joints are taken for others"]


def test_all_is_described_ablation_by_ablation(
    plan: Callable[..., Plan], record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    everything = plan("ablation=all", "resources.cpus=1")
    said = describe(everything, {}).splitlines()
    assert said[0] == f"all: {len(everything.reports)} ablations"
    assert "  stride_grid    25 points, 16 distinct cells, 0 finished" in said
    points = sum(len(report.points) for report in everything.reports)
    total = f"in all         {points} points, {len(everything.cells)} distinct cells, 0 finished"
    assert said[-2].strip() == f"{total}, 4 shared with 11 other ablations, 1 shared with star_attention"
    counts = {kind: sum(cell.kind is kind for cell in everything.cells) for kind in KINDS}
    todo = ", ".join(f"{count} to {kind.verb}" for kind, count in counts.items() if count)
    assert said[-1].startswith(f"{todo}: about {counts[TRAINING] + counts[PRETRAINING]} s, 1 at a time")
    assert all(verb in todo for verb in ("train", "test", "fit", "measure"))
    norm = [Path(f"tables/norm{end}") for end in (".csv", ".md", "_tabular.tex")]
    summarise(everything, {}, Ended(), [], {"depth": [Path("tables/depth.csv")], "norm": norm})
    assert capsys.readouterr().out.splitlines()[:2] == ["tables/depth.csv", "tables/norm.csv, .md, _tabular.tex"]


def test_weights_that_are_gone_are_said_to_be(plan: Callable[..., Plan], record: Record) -> None:
    finish(record, plan("ablation=full"), lambda i: i)
    said = describe(plan("ablation=joint_noise"), finished_in(record))
    assert "6 distinct cells, 1 finished" in said
    assert "1 to train, 5 to test (1 of them once more: weights that another cell needs are gone or damaged)" in said


def test_a_plan_says_what_other_code_made(plan: Callable[..., Plan], record: Record) -> None:
    kept = plan("ablation=full", "seeds=3")
    own, *others = kept.cells
    record.begin(own, {"code_digest": kept.codes["training of d3d"].digest}).finish([Prediction("0001", 1, 1)])
    assert not doubts(kept, finished_in(record))
    for cell in others:
        record.begin(cell, TAGS).finish([Prediction("0001", 1, 1)])
    said = describe(kept, finished_in(record))
    assert "3 distinct cells, 3 finished" in said
    [doubt] = doubts(kept, finished_in(record))
    assert doubt == "2 of 3 finished cells were made by other code; they are kept (stale=rerun runs them again)"
    assert "to train" not in said
    again = plan("ablation=full", "seeds=3", "stale=rerun")
    said = describe(again, finished_in(record))
    assert "3 distinct cells, 1 finished" in said
    [doubt] = doubts(again, finished_in(record))
    assert doubt == "2 of 3 finished cells were made by other code; they are run again (stale=keep keeps them)"
    assert "2 to train:" in said
    assert "once more" not in said


def test_an_ablation_of_measurements_shows_no_accuracy(
    plan: Callable[..., Plan], capsys: pytest.CaptureFixture[str]
) -> None:
    measured = plan("ablation=complexity")
    summarise(measured, {}, Ended(), [], {})
    assert capsys.readouterr().out == f"{measured.launch.storage / 'mlflow.db'}\n"


def test_the_best_of_each_window_is_marked(
    plan: Callable[..., Plan], record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = plan("ablation=stride_grid")
    finish(record, grid, lambda i: 100 + i)  # cells come in the order of window, then stride
    files = {"figure7a": [Path(f"tables/figure7a.{kind}") for kind in ("csv", "md")]}
    summarise(grid, finished_in(record), Ended(), ["note: mixed code"], files)
    shown = capsys.readouterr().out
    rows = {line.split("│")[1].strip(): line for line in shown.splitlines() if line.startswith("│")}
    assert rows.keys() == {"4", "6", "8", "10"}
    assert "*51.50" in rows["4"], "stride 4"
    assert rows["4"].count("*") == 1
    assert rows["8"].count("*56.50") == 4, "strides from 4 on are one training"
    assert "note: mixed code" in shown
    assert "tables/figure7a.csv, .md\n" in shown
    assert "under fixed names" not in shown
    summarise(grid, finished_in(record), Ended(), [], files, [Path("tables/latest/figure7a.csv")])
    assert capsys.readouterr().out.count("complete tables and figures, under fixed names: tables/latest\n") == 1


def test_seeds_have_a_spread_and_stand_beside_what_a_paper_prints(
    plan: Callable[..., Plan], record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    modules = plan("ablation=modules", "seeds=3")
    finish(record, modules, lambda i: 100 + i)
    summarise(modules, finished_in(record), Ended(), [], {}, published={"full": 94.3, "elsewhere": 1.0})
    shown = capsys.readouterr().out
    rows = {line.split("│")[1].strip(): line.split("│")[2:-1] for line in shown.splitlines() if line.startswith("│")}
    assert rows.keys() == {row.label for row in modules.launch.ablations[0].rows}
    assert [entry.strip() for entry in rows["full"]] == ["94.3", "52.50 ± 2.50"]
    assert not rows["no_joint"][0].strip()
    assert shown.startswith("top-1 in %, mean ± standard deviation over seeds\n")


def test_a_plan_says_which_trainings_go_on_and_from_where(
    plan: Callable[..., Plan], record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("d3d.bench.run.summary.MOST_CONTINUED", 1)
    full = plan("ablation=full", "training.epochs=5", "seeds=4")
    for cell, epochs in zip(full.cells, (5, 2, 3), strict=False):
        save_weights(full.launch.storage / "cells" / cell.id, cell.config, epochs)
    assert describe(full, {}).splitlines()[-2:] == [
        "goes on after epoch 2 of 5: full: full model, seed 1",
        "so do 1 others, each after the last epoch of its checkpoint",
    ]
    assert "goes on" not in describe(plan("ablation=full", "training.epochs=5", "stale=rerun"), {})


PREDICTED = {"verb": (0, 0, 0, 1), "noun": (0, 1, 1, 0)}  # of four clips, of which all should be 0
LABELS = ("a [/b] [x] c", ":car: [bold]d", "model.norm=\"pre\" 'x'")


def test_labels_are_shown_as_they_are(
    plan: Callable[..., Plan], tmp_path: Path, record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"label": label, "settings": {"model.depth": depth}} for depth, label in enumerate(LABELS, 1)]
    described = {"title": "[/mine] :car:", "section": "", "command": "", "cost": ""}
    (tmp_path / "mine.yaml").write_text(json.dumps({**described, "rows": rows}))
    mine = plan(f"ablation='{tmp_path / 'mine.yaml'}'")
    finish(record, mine, lambda i: 100 + i)
    print(describe(mine, {}))
    summarise(mine, finished_in(record), Ended(), [], {})
    progress = Progress(mine.cells, 0, console())
    for cell in mine.cells:
        progress.started(cell.id)
    console().print(progress.table())
    shown = capsys.readouterr().out
    assert described["title"] in shown
    assert [shown.count(label) for label in LABELS] == [2, 2, 2], "at the end, and while it runs"


def test_what_is_missing_shows_as_missing_and_failures_say_why(
    plan: Callable[..., Plan], capsys: pytest.CaptureFixture[str]
) -> None:
    full = plan("ablation=full", "seeds=3")
    first, second, third = (cell.id for cell in full.cells)
    failed = {
        first: Failure("unforeseen", "Traceback\nValueError: no\n"),
        second: Failure("memory", "CUDA out of memory"),
        third: Failure("unforeseen", "ValueError: no"),
    }
    summarise(full, {}, Ended(failed, [f"{first}: a checkpoint was damaged"]), [], {})
    shown = capsys.readouterr().out
    assert "–" in shown
    assert shown[shown.index(first) :].splitlines()[:-1] == [
        f"{first}: a checkpoint was damaged",
        "failed, out of memory, even alone on the device: 1 cell",
        f"  full: full model, seed 1 ({second}): CUDA out of memory",
        "failed, an unforeseen error at every attempt: 2 cells",
        f"  full: full model, seed 0 ({first}): ValueError: no",
        f"  full: full model, seed 2 ({third}): ValueError: no",
        f"to try again what failed, and nothing else: {full.reports[0].command}",
    ]


def test_a_point_counts_only_with_all_of_its_seeds(
    plan: Callable[..., Plan], record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    finish(record, plan("ablation=full"), lambda i: 50)
    both = plan("ablation=full", "seeds=2")
    summarise(both, finished_in(record), Ended(), [], {})
    assert "–" in capsys.readouterr().out
    finish(record, plan("ablation=full", "seeds=[1]"), lambda i: 100)
    summarise(both, finished_in(record), Ended(), [], {})
    assert "37.50" in capsys.readouterr().out, "the mean of 25 and 50 %"


def test_of_labels_that_are_a_verb_and_a_noun_both_are_shown(
    plan: Callable[..., Plan], record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    full = plan("ablation=full")
    verbs, nouns = ([PartPrediction(name, 0, label) for label in labels] for name, labels in PREDICTED.items())
    predictions = [
        Prediction(str(clip), 0, max(verb.predicted, noun.predicted), parts=(verb, noun))
        for clip, (verb, noun) in enumerate(zip(verbs, nouns, strict=True))
    ]
    record.begin(full.cells[0], TAGS).finish(predictions)
    summarise(full, finished_in(record), Ended(), [], {})
    shown = [line.replace("│", " ").replace("┃", " ").split() for line in capsys.readouterr().out.splitlines()]
    assert ["measured", "verb", "noun"] in shown
    assert [*full.reports[0].points[0].row.split(), "25.00", "75.00", "50.00"] in shown


@pytest.mark.parametrize(
    ("seconds", "said"), [(40, "40 s"), (360, "6 min"), (3.5 * 3600, "3.5 h"), (12 * 86400, "12 days")]
)
def test_durations_are_for_readers(seconds: float, said: str) -> None:
    assert duration(seconds) == said
