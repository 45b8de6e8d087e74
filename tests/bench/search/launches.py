"""Launches of a search without Ray: a stand-in asks the searcher and the scheduler as Tune does."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import optuna
import yaml
from mlflow.entities import Run
from optuna.trial import FrozenTrial
from rich.console import Console

from d3d.bench.plan.cell import Cell
from d3d.bench.plan.planning import Plan, make_plan
from d3d.bench.record.provenance import Code
from d3d.bench.record.tracking import Record, prepare
from d3d.bench.run.failures import Attempts, Failure
from d3d.bench.run.progress import Progress
from d3d.bench.run.worker import Proposal
from d3d.bench.search.running_study import RunningStudy
from d3d.bench.search.search_runner import RoundRobinSearcher
from d3d.bench.search.study_storage import StudyStorage
from d3d.bench.search.tuned_rows import with_tuned_rows
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
        return with_tuned_rows(make_plan(launch_of(self.folder, *self.arguments, *arguments)))

    def carry_out(self, *arguments: str, slots: int = 1, failing: str = "", code: Code | None = None) -> Plan:
        """Runs what the studies have left. Trials with this norm fail. With `code` nothing counts that other made."""
        plan = self.planned(*arguments)
        record = prepare(plan.launch.tracking_uri, self.folder)
        there = StudyStorage(self.folder)
        opened = [RunningStudy(study, plan.study_progress[study.id].left, there) for study in plan.studies]
        progress = Progress([], 0, Console(quiet=True), expected=plan.trials_left)
        tags = {"code_digest": code.digest if code else "c0de"}
        search = RoundRobinSearcher(opened, record, slots, lambda cell: tags, progress, Attempts(), lambda cell: code)
        self._drive(search, record, failing)
        assert progress.expected == 0
        return self.planned(*arguments)

    def trials(self) -> dict[str, list[FrozenTrial]]:
        """Of each study, as Optuna has them."""
        storage = StudyStorage(self.folder).storage
        names = optuna.get_all_study_names(storage)
        return {name: optuna.load_study(study_name=name, storage=storage).trials for name in names}

    def runs(self) -> list[Run]:
        """Of all cells."""
        record = Record(f"sqlite:///{self.folder / 'mlflow.db'}")
        return list(record.client.search_runs(record.experiments, "tags.kind = 'cell'"))

    def _drive(self, search: RoundRobinSearcher, record: Record, failing: str) -> None:
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

    def _train(
        self, search: RoundRobinSearcher, record: Record, id: str, proposal: Proposal, failing: str
    ) -> Iterator[None]:
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
            if search.report(id, {"epoch": epoch, "top1": accuracy(cell) * epoch / EPOCHS}):
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


def plain(trials: dict[str, list[FrozenTrial]]) -> dict[str, list[Any]]:
    return {
        name: [
            (each.number, each.state.name, each.params, each.values, each.intermediate_values, each.user_attrs)
            for each in own
        ]
        for name, own in trials.items()
    }
