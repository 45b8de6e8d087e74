from collections.abc import Callable
from dataclasses import replace

import pytest

from d3d.bench.plan.cell import Cell
from d3d.bench.plan.estimate import TIMINGS, estimate
from d3d.bench.plan.planning import Plan
from d3d.bench.plan.timing import seconds_per_clip
from d3d.bench.record.tracking import Record
from d3d.config import Config
from d3d.data.clip import Dataset
from d3d.prediction import Prediction
from d3d.training.loop import EpochResult
from tests.bench.conftest import finished_in


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> list[Config]:
    """Replaces the timing: a clip takes as many seconds as it has frames. The list has what was timed."""
    timed: list[Config] = []

    def seconds(config: Config, dataset: Dataset, threads: int) -> float | None:
        timed.append(config)
        return float(config.training.frames)

    monkeypatch.setattr("d3d.bench.plan.estimate.seconds_per_clip", seconds)
    return timed


@pytest.fixture
def planned(plan: Callable[..., Plan], dataset: Dataset) -> Callable[..., Plan]:
    """A plan on a dataset of 60 training and 30 test clips, for one CPU."""

    def of(*arguments: str) -> Plan:
        made = plan("resources.cpus=1", "resources.gpus_per_cell=0", *arguments)
        clips = replace(dataset, train=dataset.train * 60, test=dataset.test * 30)
        return replace(made, opened=dict.fromkeys(made.opened, clips))

    return of


def finish(record: Record, cell: Cell, clips_per_second: float, device: str = "cpu") -> None:
    run = record.begin(cell, {"code_digest": "c0de", "device": device})
    run.log_epoch(EpochResult(1, {"train_loss": 0.5, "clips_per_second": clips_per_second}))
    run.finish([Prediction("0001", 1, 1)])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["training.epochs=1"],
            "about 14 min, 1 at a time (14 min each, timed just now)",
        ),  # 70 clips of 12 s
        (["training.epochs=80"], "about 18.7 h, 1 at a time (18.7 h each, timed just now)"),
        (["training.epochs=80", "tracking.test_every=80"], "about 16.0 h"),  # tested once
        (["training.epochs=1", "training.frames=4"], "about 5 min"),
        (["training.epochs=1", "seeds=3"], "about 42 min, 1 at a time (14 min each"),
    ],
)
def test_work_is_counted_in_clips(
    planned: Callable[..., Plan], timed: list[Config], arguments: list[str], said: str
) -> None:
    plan = planned("ablation=full", *arguments)
    assert said in estimate(plan, {}, plan.cells)
    assert len(timed) == 1, "seeds cost the same"


def test_rows_of_different_cost_are_each_estimated(planned: Callable[..., Plan], timed: list[Config]) -> None:
    plan = planned("ablation=frames", "training.epochs=1")
    cells = plan.cells[:TIMINGS]
    frames = [cell.config.training.frames for cell in cells]
    assert len(set(frames)) == len(frames) > 1
    said = estimate(plan, {}, cells)
    assert [config.training.frames for config in timed] == frames
    shortest, longest = (f"{70 * each(frames) / 60:.0f} min" for each in (min, max))
    assert f"({shortest} to {longest} each, timed just now)" in said
    assert f"about {70 * sum(frames) / 60:.0f} min" in said


def test_the_record_is_asked_first_and_other_epochs_and_rates_are_no_other_cost(
    planned: Callable[..., Plan], record: Record, timed: list[Config]
) -> None:
    finish(record, planned("ablation=full", "seeds=[7]").cells[0], clips_per_second=2)
    plan = planned("ablation=full", "training.epochs=30", "training.learning_rate=0.1")
    said = estimate(plan, finished_in(record), plan.cells)
    assert said == "about 18 min, 1 at a time (18 min each, from the record)"  # 30 × 70 clips of half a second
    assert timed == []
    wider = planned("ablation=full", "model.width=8")
    assert "timed just now" in estimate(wider, finished_in(record), wider.cells)
    both = [*plan.cells, *wider.cells]
    assert "from the record and, for 1, timed just now" in estimate(plan, finished_in(record), both)


def test_a_training_on_a_gpu_says_nothing_of_one_on_a_cpu(
    planned: Callable[..., Plan], record: Record, timed: list[Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned("ablation=full")
    finish(record, plan.cells[0], clips_per_second=2, device="NVIDIA H100")
    assert "timed just now" in estimate(plan, finished_in(record), plan.cells)
    monkeypatch.setattr("d3d.bench.plan.estimate.gpus_per_cell", lambda asked: 1.0)
    monkeypatch.setattr("d3d.bench.plan.estimate.slots", lambda launch: 1)
    assert "from the record" in estimate(plan, finished_in(record), plan.cells)
    assert "no estimate" in estimate(plan, {}, plan.cells)
    assert len(timed) == 1


def test_no_more_settings_are_timed_than_a_start_bears(planned: Callable[..., Plan], timed: list[Config]) -> None:
    plan = planned("ablation=stride_grid")
    assert f"timed just now, {TIMINGS} of 16 settings" in estimate(plan, {}, plan.cells)
    assert len(timed) == TIMINGS < len(plan.cells) == 16
    first, last = (cell.config.model for cell in (plan.cells[0], plan.cells[-1]))
    assert (timed[0].model, timed[-1].model) == (first, last), "the costs of a grid lie between those of its ends"


def test_a_clip_too_large_is_not_tried(plan: Callable[..., Plan], dataset: Dataset) -> None:
    paper = plan("ablation=full", "preset=paper", "resources.gpus_per_cell=0")
    assert seconds_per_clip(paper.cells[0].config, dataset, 1) is None
    assert estimate(paper, {}, paper.cells).startswith("no estimate")


def test_a_batch_is_timed_without_reading_frames(plan: Callable[..., Plan], dataset: Dataset) -> None:
    smoke = plan("ablation=full")
    seconds = seconds_per_clip(smoke.cells[0].config, dataset, 1)
    assert seconds is not None and 0 < seconds < 60
