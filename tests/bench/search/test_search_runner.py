"""Studies carried out without Ray: a stand-in asks the searcher and the scheduler as Tune does."""

import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from shutil import copytree
from typing import Any

import optuna
import pytest
import yaml
from mlflow.entities import Run
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console

from d3d.bench.plan.cell import Cell
from d3d.bench.plan.planning import Plan, Report, make_plan
from d3d.bench.record.provenance import Code
from d3d.bench.record.schema import write_plan
from d3d.bench.record.tracking import Record, prepare
from d3d.bench.run.failures import Attempts, Failure
from d3d.bench.run.progress import Progress
from d3d.bench.run.summary import describe
from d3d.bench.run.worker import Proposal
from d3d.bench.search.plots import draw_searches
from d3d.bench.search.running_study import OpenStudy, Trial
from d3d.bench.search.search_runner import InTurn
from d3d.bench.search.study_storage import FILE, Studies
from d3d.bench.search.tuned_rows import with_tuned
from d3d.data.clip import Dataset
from d3d.errors import ConfigError
from d3d.prediction import Prediction
from d3d.training.loop import EpochResult
from tests.bench.conftest import launch_of
from tests.systems import d3d_model

EPOCHS = 9
SPACE = {"training.learning_rate": {"float": [1e-4, 1e-2], "log": True}, "model.norm": {"choices": ["pre", "printed"]}}
TWO = """
title: two windows
section: none
command: none
cost: none
rows:
  - {label: narrow, settings: {model.temporal_window: 4}}
  - {label: wide, settings: {model.temporal_window: 8}}
"""


class Killed(BaseException):
    """The launch is gone from one moment to the next: nothing is tidied up."""


class Launches:
    """Launches of one command in a storage folder of its own, each in the state that the one before it left."""

    def __init__(self, folder: Path, *arguments: str, **changes: Any) -> None:
        self.folder = folder
        self.checkpoints: dict[str, int] = {}  # cell → epochs
        self.losses = iter(range(0))  # attempts at trials whose worker is lost
        self.given_up = iter(range(0))  # that are the last then
        search, two = folder / "search.yaml", folder / "two.yaml"
        search.write_text(yaml.safe_dump({"title": "", "cost": "", "trials": 6, "space": SPACE} | changes))
        two.write_text(TWO)
        self.arguments = [f"ablation='{two}'", f"search='{search}'", f"training.epochs={EPOCHS}", *arguments]

    def planned(self, *arguments: str) -> Plan:
        return with_tuned(make_plan(launch_of(self.folder, *self.arguments, *arguments)))

    def carry_out(self, *arguments: str, slots: int = 1, failing: str = "", code: Code | None = None) -> Plan:
        """Runs what the studies have left. Trials with this norm fail. With `code` nothing counts that other made."""
        plan = self.planned(*arguments)
        record = prepare(plan.launch.tracking_uri, self.folder)
        there = Studies(self.folder)
        opened = [OpenStudy(study, plan.standings[study.id].left, there) for study in plan.studies]
        progress = Progress([], 0, Console(quiet=True), expected=plan.trials_left)
        tags = {"code_digest": code.digest if code else "c0de"}
        search = InTurn(opened, record, slots, lambda cell: tags, progress, Attempts(), lambda cell: code)
        self._drive(search, record, failing)
        assert progress.expected == 0
        return self.planned(*arguments)

    def trials(self) -> dict[str, list[FrozenTrial]]:
        """Of each study, as Optuna has them."""
        storage = Studies(self.folder).storage
        names = optuna.get_all_study_names(storage)
        return {name: optuna.load_study(study_name=name, storage=storage).trials for name in names}

    def runs(self) -> list[Run]:
        """Of all cells."""
        record = Record(f"sqlite:///{self.folder / 'mlflow.db'}")
        return list(record.client.search_runs(record.experiments, "tags.kind = 'cell'"))

    def _drive(self, search: InTurn, record: Record, failing: str) -> None:
        """What Tune does, an epoch of each running trial at a time."""
        running: dict[str, Iterator[None]] = {}
        for id in map(str, count()):
            proposed = search.suggest(id)
            if isinstance(proposed, dict):
                running[id] = self._train(search, record, id, proposed["proposal"], failing)
            elif not running:
                assert proposed == search.FINISHED
                return
            for each, trial in list(running.items()):
                if next(trial, "ended") == "ended":
                    del running[each]

    def _train(self, search: InTurn, record: Record, id: str, proposal: Proposal, failing: str) -> Iterator[None]:
        """What a worker does; an epoch is checkpointed once it is reported."""
        cell = proposal.cell
        run = record.begin(cell, proposal.tags, code=search.code_of_cell(cell))
        if next(self.losses, None) is not None:
            search.on_trial_complete(id, error=True)
            if next(self.given_up, None) is None:
                search.put_back(id, cell.id)
            else:
                search.give_up(id, Failure("memory", "CUDA out of memory"))
            return
        for epoch in range(self.checkpoints.get(cell.id, 0) + 1, EPOCHS + 1):
            if d3d_model(cell.config).norm == failing:
                run.fail(Failure("loss", "the loss of epoch 1 is nan"))
                break
            run.log_epoch(EpochResult(epoch, {"train_loss": 1.0, "eval_top1": accuracy(cell) * epoch / EPOCHS}))
            if search.judge(id, {"epoch": epoch, "top1": accuracy(cell) * epoch / EPOCHS}):
                break
            self.checkpoints[cell.id] = epoch
            yield
        else:
            right = round(1000 * accuracy(cell))
            run.finish([Prediction(str(clip), int(clip < right), 1) for clip in range(1000)])
        search.on_trial_complete(id)


def accuracy(cell: Cell) -> float:
    """A number of its own for each cell."""
    return int(cell.id, 16) % 997 / 1000


def plan_of(report: Report) -> dict[str, Any]:
    """Its plan.json."""
    written: dict[str, Any] = json.loads(write_plan(report.recorded))
    return written


def plain(trials: dict[str, list[FrozenTrial]]) -> dict[str, list[Any]]:
    return {
        name: [
            (each.number, each.state.name, each.params, each.values, each.intermediate_values, each.user_attrs)
            for each in own
        ]
        for name, own in trials.items()
    }


@pytest.fixture
def launches(
    dataset: Dataset, empty_record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Launches]:
    """Makes launches, each in a folder of its own unless that of others is given."""
    monkeypatch.setattr("d3d.bench.plan.planning.open_dataset", lambda config, cache: dataset)
    numbers = count()

    def make(*arguments: str, folder: Path | None = None, **changes: Any) -> Launches:
        if folder is None:
            folder = copytree(empty_record, tmp_path / str(next(numbers)))
        return Launches(folder, *arguments, **changes)

    return make


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
    for standing in done.standings.values():
        trials = launch.trials()[standing.study]
        best = max((trial for trial in trials if trial.state == TrialState.COMPLETE), key=lambda trial: trial.values[0])
        assert standing.pruned == sum(trial.state == TrialState.PRUNED for trial in trials) > 0
        assert (standing.trials, standing.epochs) == (6, sum(trial.user_attrs["epochs"] for trial in trials))
        assert standing.best is not None
        assert (standing.best.top1, standing.best.settings) == (best.values[0], best.params)


KILLS = (  # in what, after how many calls of it
    (Record, "begin", 2),
    (Trial, "report", 4),
    (InTurn, "judge", 3),
    (InTurn, "on_trial_complete", 1),
    (Trial, "tell", 1),
)


def test_a_study_that_is_killed_again_and_again_ends_as_an_undisturbed_one(
    launches: Callable[..., Launches], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, pieces = launches(), launches()
    whole.carry_out()
    for owner, method, calls in KILLS:
        left, original = iter(range(calls)), getattr(owner, method)

        def killed(*arguments: Any, left: Iterator[int] = left, original: Any = original, **keywords: Any) -> Any:
            if next(left, None) is None:
                raise Killed
            return original(*arguments, **keywords)

        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr(owner, method, killed)
            pieces.carry_out()
    pieces.carry_out()
    assert plain(pieces.trials()) == plain(whole.trials())
    statuses = [sorted((run.data.tags["cell"], run.info.status) for run in each.runs()) for each in (pieces, whole)]
    assert statuses[0] == statuses[1]


def test_a_larger_budget_runs_the_difference_and_a_smaller_one_nothing(launches: Callable[..., Launches]) -> None:
    launch = launches(trials=3)
    launch.carry_out()
    before = plain(launch.trials())
    assert launch.planned("search.trials=2").trials_left == 0
    more = launch.carry_out("search.trials=4")
    after = plain(launch.trials())
    assert all(after[name][:3] == before[name] and len(after[name]) == 4 for name in before)
    assert [standing.trials for standing in more.standings.values()] == [4, 4]


def test_a_trial_that_fails_counts_and_says_why(launches: Callable[..., Launches]) -> None:
    launch = launches(trials=8)
    done = launch.carry_out(failing="printed")
    trials = [trial for own in launch.trials().values() for trial in own]
    failed = [trial for trial in trials if trial.state == TrialState.FAIL]
    assert failed == [trial for trial in trials if trial.params["model.norm"] == "printed"] != []
    assert {trial.user_attrs["reason"] for trial in failed} == {"the loss of epoch 1 is nan"}
    assert len(failed) == sum(standing.failed for standing in done.standings.values())
    assert sum(run.info.status == "FAILED" for run in launch.runs()) == len(failed)
    assert done.trials_left == 0


def test_a_trial_whose_worker_is_lost_is_tried_again_and_counts_once(launches: Callable[..., Launches]) -> None:
    whole, unlucky = launches(), launches()
    whole.carry_out()
    unlucky.losses = iter(range(5))
    unlucky.carry_out()
    assert plain(unlucky.trials()) == plain(whole.trials())
    assert {run.info.status for run in unlucky.runs()} <= {"FINISHED", "KILLED"}


def test_a_trial_that_is_given_up_says_why(launches: Callable[..., Launches]) -> None:
    launch = launches(trials=2)
    launch.losses, launch.given_up = iter(range(1)), iter(range(1))
    done = launch.carry_out()
    [failed] = [each for own in launch.trials().values() for each in own if each.state == TrialState.FAIL]
    assert failed.user_attrs["reason"] == "CUDA out of memory"
    [run] = [run for run in launch.runs() if run.info.status == "FAILED"]
    assert run.data.tags["failure"] == "memory"
    assert done.trials_left == 0


def test_settings_that_do_not_go_together_are_a_failed_trial(launches: Callable[..., Launches]) -> None:
    space = {"model.width": {"choices": [4, 5]}, "model.heads": {"choices": [4, 8]}}  # 4 × 5 is no multiple of 8
    launch = launches(space=space, trials=4)
    done = launch.carry_out()
    failed = [each for own in launch.trials().values() for each in own if each.state == TrialState.FAIL]
    assert [each.params for each in failed] == [{"model.width": 5, "model.heads": 8}] * 2
    assert "model.heads=8: must divide" in failed[0].user_attrs["reason"]
    assert {standing.trials for standing in done.standings.values()} == {4}


def test_trials_of_two_studies_that_come_to_one_cell_train_it_once(launches: Callable[..., Launches]) -> None:
    space = {"training.frames": {"choices": [4, 12]}, "model.norm": {"choices": ["pre", "printed"]}}
    launch = launches(space=space, trials=4, pruner="none")  # both windows are cut to 4 frames
    launch.carry_out(slots=2)
    trials = [trial for own in launch.trials().values() for trial in own]
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 8
    assert len({trial.user_attrs["cell"] for trial in trials}) == len(launch.runs()) == 4 + 2


def test_a_study_whose_cells_were_trained_before_ends_as_the_one_that_trained_them(
    launches: Callable[..., Launches],
) -> None:
    first = launches(trials=8)
    first.carry_out()
    done = plain(first.trials())
    assert {state for own in done.values() for _, state, *_ in own} == {"COMPLETE", "PRUNED"}
    launches("search.name=again", folder=first.folder, trials=8).carry_out()
    again = {name: own for name, own in plain(first.trials()).items() if name not in done}
    assert [*again.values()] == [*done.values()]


def test_a_trial_of_other_code_is_recalled_unless_it_is_to_be_rerun(launches: Callable[..., Launches]) -> None:
    first = launches(trials=4, pruner="none")
    first.carry_out()
    trained = len(first.runs())
    launches("search.name=kept", folder=first.folder, trials=4, pruner="none").carry_out()
    assert len(first.runs()) == trained
    new = Code("new", frozenset({"new"}))
    launches("search.name=rerun", folder=first.folder, trials=4, pruner="none").carry_out(code=new)
    assert len(first.runs()) == 2 * trained
    launches("search.name=again", folder=first.folder, trials=4, pruner="none").carry_out(code=new)
    assert len(first.runs()) == 2 * trained, "this code has trained them"


def test_several_objectives_have_a_front_and_the_most_accurate_of_it_is_taken(
    launches: Callable[..., Launches], tmp_path: Path
) -> None:
    space = {"model.width": {"int": [4, 16], "step": 4}, "training.learning_rate": {"float": [1e-4, 1e-2]}}
    launch = launches(space=space, objectives=["top1", "gmacs"], pruner="none", trials=4)
    done = launch.carry_out(slots=2)
    for study, standing in zip(done.studies, done.standings.values(), strict=True):
        trials = launch.trials()[standing.study]
        assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 4
        widths = {trial.params["model.width"]: trial.values[1] for trial in trials}
        assert sorted(widths.values()) == [widths[width] for width in sorted(widths)]
        assert standing.best is not None
        assert standing.best.top1 == max(trial.values[0] for trial in trials)
        assert standing.epochs == 4 * EPOCHS
        assert study.search.objectives == ("top1", "gmacs")
    pictures = draw_searches(done.studies, launch.folder, tmp_path)
    assert {path.name for path in pictures} == {
        f"two_{row}-{kind}.png" for row in ("narrow", "wide") for kind in ("history", "pareto", "importance")
    }
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)


def test_a_study_made_over_something_else_is_left_alone(launches: Callable[..., Launches]) -> None:
    first = launches(trials=2)
    first.carry_out()
    before = plain(first.trials())
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"space": SPACE | {"model.norm": {"choices": ["printed", "pre"]}}}, "", "search.space.model.norm={choices: ["),
        ({"space": SPACE | {"model.depth": {"int": [1, 2]}}}, "", "model.depth=1, not None, and 1 more;"),
        ({"objectives": ["top1", "gmacs"], "pruner": "none"}, "", "search.objectives=['top1'], not"),
        ({}, "model.depth=2", "model.depth=1, not 2;"),
        ({}, "seeds=[1]", "seed=0, not 1;"),
    ]
    for changes, argument, words in cases:
        other = launches(*[argument] if argument else [], folder=first.folder, trials=2, **changes)
        with pytest.raises(ConfigError) as caught:
            other.planned()
        assert str(caught.value).startswith("study two: narrow, smoke, synthetic, files, search: was made with ")
        assert words in str(caught.value)
        assert str(caught.value).endswith("put that back, or begin another with search.name=OTHER")
        assert other.planned("search.name=other").trials_left == 4
    assert plain(first.trials()) == before


def test_the_plan_tells_the_tables_what_the_search_came_to(launches: Callable[..., Launches]) -> None:
    launch = launches("seeds=2", trials=4)
    [before] = launch.planned().reports
    assert plan_of(before)["tuned"] == {
        "search": "search",
        "points": [],
        "studies": {
            row: {
                "study": f"two: {row}, smoke, synthetic, files, search",
                "trials": 0, "pruned": 0, "failed": 0, "epochs": 0, "validation_top1": None, "settings": None,
            }
            for row in ("narrow", "wide")
        },
    }  # fmt: skip
    said = describe(launch.planned(), {})
    assert "search search: 2 studies of 4 trials, 0 done, 8 to run: at most about" in said
    assert "then at most 4 trainings with the settings they find" in said
    done = launch.carry_out()
    [after] = done.reports
    assert after.id == before.id
    assert after.id != launch.planned("search.trials=5").reports[0].id != launch.planned("search.name=b").reports[0].id
    tuned = plan_of(after)["tuned"]
    assert [(point["row"], point["seed"]) for point in tuned["points"]] == [
        ("narrow", 0), ("wide", 0), ("narrow", 1), ("wide", 1),
    ]  # fmt: skip
    cells = {cell.id: cell for cell in done.cells}
    for point in tuned["points"]:
        study, config = tuned["studies"][point["row"]], cells[point["cell"]].config
        assert study["settings"] == {
            "training.learning_rate": config.training.learning_rate,
            "model.norm": d3d_model(config).norm,
        }
        assert (config.data.split, config.seed) == ("test", point["seed"])
        assert d3d_model(config).temporal_window == point["axes"]["model.temporal_window"]
        assert done.tags_of(point["cell"]) == {"ablation.two": "true", "tuned": study["study"]}
        assert 0 < study["validation_top1"] < 100
    assert plan_of(launch.planned("search.trials=5").reports[0])["tuned"]["points"] == [], "it is not over yet"


def test_without_a_search_nothing_is_tuned(plan: Callable[..., Plan], tmp_path: Path) -> None:
    [report] = with_tuned(plan("ablation=modules")).reports
    assert report.recorded.tuned is None
    assert not (tmp_path / FILE).exists()
