"""Studies whose trials are all carried out in one launch."""

from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.trial import TrialState

from d3d.bench.search.plots import draw_searches
from tests.bench.search.launches import EPOCHS, Launches


@pytest.mark.parametrize("slots", [1, 3])
def test_each_row_has_its_budget_and_every_trial_a_run(slots: int, launches: Callable[..., Launches]) -> None:
    launch = launches()
    done = launch.carry_out(slots=slots)
    assert launch.trials().keys() == {f"two: {row}, smoke, synthetic, files, search" for row in ("narrow", "wide")}
    by_cell = {run.data.tags["cell"]: run for run in launch.runs()}
    assert len(by_cell) == len(launch.runs()) == 12
    for name, trials in launch.trials().items():
        assert [trial.number for trial in trials] == list(range(6))
        assert trials[0].state == TrialState.COMPLETE
        for trial in trials:
            run = by_cell[trial.user_attrs["cell"]]
            assert (run.data.tags["study"], run.data.tags["trial"]) == (name, str(trial.number))
            assert not any(tag.startswith("ablation.") for tag in run.data.tags)
            pruned = trial.state == TrialState.PRUNED
            assert (run.info.status, "pruned" in run.data.tags) == (("KILLED", True) if pruned else ("FINISHED", False))
            assert trial.user_attrs["epochs"] == max(trial.intermediate_values)
            assert trial.user_attrs["epochs"] in ((3, 6) if pruned else (EPOCHS,))
    for progress in done.study_progress.values():
        trials = launch.trials()[progress.study]
        best = max((trial for trial in trials if trial.state == TrialState.COMPLETE), key=lambda trial: trial.values[0])
        assert progress.pruned == sum(trial.state == TrialState.PRUNED for trial in trials) > 0
        assert (progress.trials, progress.epochs) == (6, sum(trial.user_attrs["epochs"] for trial in trials))
        assert progress.best is not None
        assert (progress.best.top1, progress.best.settings) == (best.values[0], best.params)


def test_a_trial_that_fails_counts_and_says_why(launches: Callable[..., Launches]) -> None:
    launch = launches(trials=8)
    done = launch.carry_out(failing="printed")
    trials = [trial for own in launch.trials().values() for trial in own]
    failed = [trial for trial in trials if trial.state == TrialState.FAIL]
    assert failed == [trial for trial in trials if trial.params["model.norm"] == "printed"] != []
    assert {trial.user_attrs["reason"] for trial in failed} == {"the loss of epoch 1 is nan"}
    assert len(failed) == sum(progress.failed for progress in done.study_progress.values())
    assert sum(run.info.status == "FAILED" for run in launch.runs()) == len(failed)
    assert done.trials_left == 0


def test_settings_that_do_not_go_together_are_a_failed_trial(launches: Callable[..., Launches]) -> None:
    space = {"model.width": {"choices": [4, 5]}, "model.heads": {"choices": [4, 8]}}  # 4 × 5 is no multiple of 8
    launch = launches(space=space, trials=4)
    done = launch.carry_out()
    failed = [each for own in launch.trials().values() for each in own if each.state == TrialState.FAIL]
    assert [each.params for each in failed] == [{"model.width": 5, "model.heads": 8}] * 2
    assert "model.heads=8: must divide" in failed[0].user_attrs["reason"]
    assert {progress.trials for progress in done.study_progress.values()} == {4}


def test_trials_of_two_studies_that_come_to_one_cell_train_it_once(launches: Callable[..., Launches]) -> None:
    space = {"training.frames": {"choices": [4, 12]}, "model.norm": {"choices": ["pre", "printed"]}}
    launch = launches(space=space, trials=4, pruner="none")  # both windows are cut to 4 frames
    launch.carry_out(slots=2)
    trials = [trial for own in launch.trials().values() for trial in own]
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 8
    assert len({trial.user_attrs["cell"] for trial in trials}) == len(launch.runs()) == 4 + 2


def test_several_objectives_have_a_front_and_the_most_accurate_of_it_is_taken(
    launches: Callable[..., Launches], tmp_path: Path
) -> None:
    space = {"model.width": {"int": [4, 16], "step": 4}, "training.learning_rate": {"float": [1e-4, 1e-2]}}
    launch = launches(space=space, objectives=["top1", "gmacs"], pruner="none", trials=4)
    done = launch.carry_out(slots=2)
    for study, progress in zip(done.studies, done.study_progress.values(), strict=True):
        trials = launch.trials()[progress.study]
        assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 4
        widths = {trial.params["model.width"]: trial.values[1] for trial in trials}
        assert sorted(widths.values()) == [widths[width] for width in sorted(widths)]
        assert progress.best is not None
        assert progress.best.top1 == max(trial.values[0] for trial in trials)
        assert progress.epochs == 4 * EPOCHS
        assert study.search.objectives == ("top1", "gmacs")
    pictures = draw_searches(done.studies, launch.folder, tmp_path)
    assert {path.name for path in pictures} == {
        f"two_{row}-{kind}.png" for row in ("narrow", "wide") for kind in ("history", "pareto", "importance")
    }
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)
