"""A running study and its trials: the part of a study that talks to Optuna while the trials are being trained.

What happens to a trial is written first to the MLflow record and then to the study. If a launch is killed between the
two, the next launch finds the trial still waiting in the study, and reads in the record how it ended.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Literal

from mlflow.entities import Run
from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from ray.tune.search.optuna import OptunaSearch

from d3d.analysis.complexity import forward_gmacs
from d3d.bench.declare.searches import Pruner
from d3d.bench.plan.cell import Cell
from d3d.bench.record.schema import Metric, Tag
from d3d.bench.search.planned_study import PlannedStudy
from d3d.bench.search.proposals import Proposals
from d3d.bench.search.study_storage import StudyStorage
from d3d.errors import ConfigError

End = Literal["complete", "pruned", "failed"]


@dataclass
class Trial:
    """One trial of a running study."""

    study: "RunningStudy"
    key: str  # its id in Ray's Optuna searcher
    number: int  # in the study, from 0
    cell: Cell
    epoch: int  # the last epoch that the study has counted
    stopped: bool  # whether the study has pruned it
    shown: bool = False  # whether the progress display of this launch knows it

    @property
    def tags(self) -> dict[str, str]:
        """The tags of the trial's run."""
        return {Tag.STUDY: self.study.name, Tag.TRIAL: str(self.number)}

    def report(self, epoch: int, top1: float) -> bool:
        """Tells the study the validation top-1 (a fraction) after an epoch, and returns whether to prune the trial.

        An epoch that the study has already counted changes nothing. Trial 0, which is the row as it is, is never
        pruned, because the other trials have to be compared with it.
        """
        if epoch <= self.epoch:
            return False
        if self._reported(epoch, top1) and self.number > 0:
            self.study.note(self.number, "stopped", True)  # asked again, the pruner might decide otherwise
            self.stopped = True
        self.study.note(self.number, "epochs", epoch)
        self.epoch = epoch
        return self.stopped

    def replay(self, curve: Iterable[tuple[int, float]]) -> None:
        """Tells the study the epochs and top-1 of a cell that was trained earlier, for the pruning of other trials."""
        for epoch, top1 in curve:
            if epoch > self.epoch:
                self._reported(epoch, top1)

    def end_of(self, run: Run | None) -> End | None:
        """How the trial ended according to the newest run of its cell; None if the trial still has to be trained.

        A run that was pruned or failed as a trial of another study, or as another trial of this one, does not count.
        """
        if run is None:
            return None
        if run.info.status == "FINISHED":
            return "complete"
        if all(run.data.tags.get(key) == value for key, value in self.tags.items()):
            if run.data.tags.get(Tag.PRUNED) == "true":
                return "pruned"
            if run.info.status == "FAILED":
                return "failed"
        return None

    def tell(self, end: End, run: Run | None) -> None:
        """Ends the trial in the study, with the results or the reason of failure that its run holds."""
        result = None
        if end == "complete" and run:
            self.study.note(self.number, "epochs", self.cell.epochs)
            result = {"top1": run.data.metrics[Metric.TOP1]}
            if "gmacs" in self.study.plan.search.objectives:
                result["gmacs"] = forward_gmacs(self.cell.config, self.study.plan.dataset.skeleton)
        if end == "failed" and run and Tag.REASON in run.data.tags:
            self.study.note(self.number, "reason", run.data.tags[Tag.REASON])
        self.study.search.on_trial_complete(self.key, result, error=end == "failed")

    def _reported(self, epoch: int, top1: float) -> bool:
        """Reports an epoch, and returns whether the pruner would stop the trial, which it never does after the last."""
        self.study.search.on_trial_result(self.key, {"top1": top1, "training_iteration": epoch})
        return epoch < self.cell.epochs and self.study.should_prune(self.number)


class RunningStudy:
    """A study with trials left. Ray's Optuna searcher asks and tells Optuna; this class maps trials to cells."""

    def __init__(self, plan: PlannedStudy, left: int, storage: StudyStorage) -> None:
        """`left` is the number of trials still to be handed out."""
        self.plan = plan
        self.left = left
        self.storage = storage
        self.optuna = storage.load_or_create(plan)
        self.name = self.optuna.study_name
        self.proposals = Proposals(plan.space, plan.recipe, plan.search.seed)
        self.search = self._search()

    def ask(self) -> Trial | None:
        """The next trial, interrupted ones before new ones; None if it failed at once because of invalid settings."""
        self.left -= 1
        key = str(self.left)
        settings = self.search.suggest(key)
        assert settings
        number = self.proposals.number
        try:
            cell = self.plan.trial_cell(number, settings)
        except ConfigError as error:
            self.note(number, "reason", str(error))
            self.search.on_trial_complete(key, error=True)
            return None
        self.note(number, "cell", cell.id)
        known = self.optuna.get_trials(deepcopy=False)[number].user_attrs
        return Trial(self, key, number, cell, known.get("epochs", 0), known.get("stopped", False))

    def note(self, number: int, key: str, value: str | int | bool) -> None:
        """Stores a user attribute of a trial, which the dashboard shows."""
        self.storage.storage.set_trial_user_attr(self.storage.trial_id(self.optuna, number), key, value)

    def should_prune(self, number: int) -> bool:
        """Whether the pruner stops a trial at the last epoch it reported."""
        return self._pruner.prune(self.optuna, self.optuna.get_trials(deepcopy=False)[number])

    def close(self) -> None:
        """Leaves no trial RUNNING."""
        self.storage.requeue_running(self.optuna)

    def _search(self) -> OptunaSearch:
        objectives: list[str] = [*self.plan.search.objectives]
        modes: list[str] = [*self.plan.search.modes]
        single = len(objectives) == 1
        return OptunaSearch(
            space=self.proposals.distributions,
            metric=objectives[0] if single else objectives,
            mode=modes[0] if single else modes,
            sampler=self.proposals,
            study_name=self.name,
            storage=self.storage.storage,
        )

    @cached_property
    def _pruner(self) -> BasePruner:
        return make_pruner(self.plan.search.pruner, self.plan.config.training.epochs)


def make_pruner(name: Pruner, epochs: int) -> BasePruner:
    """Optuna's pruner of this name for trainings of so many epochs.

    No pruner acts in the first third of the epochs, where accuracies are mostly noise. Successive halving decides
    after one third and after two thirds, the median rule after every later epoch.
    """
    first = ceil(epochs / 3)
    if name == "halving":
        return SuccessiveHalvingPruner(min_resource=first, reduction_factor=2)
    return MedianPruner(n_warmup_steps=first) if name == "median" else NopPruner()
