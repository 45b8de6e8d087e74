"""A study while its trials are carried out, and the trials.

Whatever happens to a trial is written to the record first and to the study after: where a launch is killed between
the two, the next one finds the trial waiting in the study and its end in the record.
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
from d3d.bench.search.planned_study import Study
from d3d.bench.search.proposals import Proposals
from d3d.bench.search.study_storage import Studies
from d3d.errors import ConfigError

End = Literal["complete", "pruned", "failed"]


@dataclass
class Trial:
    """One trial of an open study."""

    study: "OpenStudy"
    key: str  # what Ray's searcher calls it
    number: int
    cell: Cell
    epoch: int  # the last that the study knows of
    stopped: bool  # that one pruned it
    proposed: bool = False  # it was handed out in this launch

    @property
    def tags(self) -> dict[str, str]:
        """Of its run."""
        return {Tag.STUDY: self.study.name, Tag.TRIAL: str(self.number)}

    def report(self, epoch: int, top1: float) -> bool:
        """Tells the study of an epoch; whether the trial is to be pruned. An epoch it knows of changes nothing.

        The first, which is the row as it is, is never pruned: it is what the others have to beat.
        """
        if epoch <= self.epoch:
            return False
        if self._judged(epoch, top1) and self.number > 0:
            self.study.note(self.number, "stopped", True)  # a pruner may not say it again
            self.stopped = True
        self.study.note(self.number, "epochs", epoch)
        self.epoch = epoch
        return self.stopped

    def recall(self, curve: Iterable[tuple[int, float]]) -> None:
        """Tells the study of the epochs and top-1 of a cell that was trained before: others are held to them."""
        for epoch, top1 in curve:
            if epoch > self.epoch:
                self._judged(epoch, top1)

    def end_of(self, run: Run | None) -> End | None:
        """How the newest run of its cell says that it ended; None where it has to be carried out.

        What was pruned or failed in another study, or as another trial, is not this one's end.
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
        """Ends it in the study."""
        result = None
        if end == "complete" and run:
            self.study.note(self.number, "epochs", self.cell.epochs)
            result = {"top1": run.data.metrics[Metric.TOP1]}
            if "gmacs" in self.study.plan.search.objectives:
                result["gmacs"] = forward_gmacs(self.cell.config, self.study.plan.dataset.skeleton)
        if end == "failed" and run and Tag.REASON in run.data.tags:
            self.study.note(self.number, "reason", run.data.tags[Tag.REASON])
        self.study.search.on_trial_complete(self.key, result, error=end == "failed")

    def _judged(self, epoch: int, top1: float) -> bool:
        """Tells the study; whether its pruner would stop the trial, of whose last epoch it is not asked."""
        self.study.search.on_trial_result(self.key, {"top1": top1, "training_iteration": epoch})
        return epoch < self.cell.epochs and self.study.judges(self.number)


class OpenStudy:
    """A study that has trials left. Ray's searcher asks Optuna and tells it; this knows which trial is which cell."""

    def __init__(self, plan: Study, left: int, studies: Studies) -> None:
        self.plan = plan
        self.left = left  # trials to be handed out
        self.studies = studies
        self.optuna = studies.begin(plan)
        self.name = self.optuna.study_name
        self.proposals = Proposals(plan.space, plan.recipe, plan.search.seed)
        self.search = self._search()

    def ask(self) -> Trial | None:
        """The next trial, those that were left before new ones; None where it failed: its settings cannot be."""
        self.left -= 1
        key = str(self.left)
        settings = self.search.suggest(key)
        assert settings
        number = self.proposals.number
        try:
            cell = self.plan.cell(number, settings)
        except ConfigError as error:
            self.note(number, "reason", str(error))
            self.search.on_trial_complete(key, error=True)
            return None
        self.note(number, "cell", cell.id)
        known = self.optuna.get_trials(deepcopy=False)[number].user_attrs
        return Trial(self, key, number, cell, known.get("epochs", 0), known.get("stopped", False))

    def note(self, number: int, key: str, value: str | int | bool) -> None:
        """Keeps something with a trial, where the dashboard shows it."""
        self.studies.storage.set_trial_user_attr(self.studies.trial_id(self.optuna, number), key, value)

    def judges(self, number: int) -> bool:
        """Whether a trial is to be pruned at the epoch it reported last."""
        return self._pruner.prune(self.optuna, self.optuna.get_trials(deepcopy=False)[number])

    def close(self) -> None:
        """Leaves no trial RUNNING."""
        self.studies.let_go(self.optuna)

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
            storage=self.studies.storage,
        )

    @cached_property
    def _pruner(self) -> BasePruner:
        return pruner(self.plan.search.pruner, self.plan.config.training.epochs)


def pruner(name: Pruner, epochs: int) -> BasePruner:
    """Halving looks at a third and at two thirds of the epochs; both let the first third be, which is noise."""
    first = ceil(epochs / 3)
    if name == "halving":
        return SuccessiveHalvingPruner(min_resource=first, reduction_factor=2)
    return MedianPruner(n_warmup_steps=first) if name == "median" else NopPruner()
