"""Ray Tune carries out the studies of a launch, all of them at once, so that no slot idles while one has trials left.

One searcher hands out the trials of all studies in turn, and one scheduler asks each study whether a trial is to go on.
Tune shows a result to its scheduler before its searcher, and to the searcher only where the trial goes on; so here the
scheduler is where the study hears of an epoch.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from ray import tune
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from d3d.bench.kinds.registry import TRAINING
from d3d.bench.plan.cell import Cell
from d3d.bench.plan.planning import Plan
from d3d.bench.record.provenance import Code, code_of
from d3d.bench.record.tracking import Record
from d3d.bench.run.failures import Attempts, Failure
from d3d.bench.run.progress import Progress
from d3d.bench.run.schedule import CellResources, Watcher, common_tags, fit, make_job
from d3d.bench.run.worker import Proposal
from d3d.bench.search.running_study import OpenStudy, Trial
from d3d.bench.search.study_storage import Studies


def tune_rows(plan: Plan, record: Record, resources: CellResources, progress: Progress) -> None:
    """Carries out what the studies have left, within `schedule.attached`. However it ends, nothing is left RUNNING."""
    there = Studies(plan.launch.storage)
    lefts = {id: standing.left for id, standing in plan.standings.items()}
    opened = [OpenStudy(study, lefts[study.id], there) for study in plan.studies if lefts[study.id]]
    attempts = Attempts()
    search = InTurn(
        opened,
        record,
        resources.slots,
        partial(common_tags, plan),
        progress,
        attempts,
        code_of_cell=plan.continued_code,
    )
    config = tune.TuneConfig(search_alg=search, scheduler=Pruning(search), num_samples=-1, reuse_actors=True)
    job = make_job(plan, resources, {}, {})
    try:
        with progress:
            fit("search", job, resources, TRAINING, config, TrialWatcher(progress, attempts, search))
    finally:
        for study in opened:
            study.close()
        record.end(search.begun, progress.failed)


class InTurn(Searcher):
    """Hands out the trials of several studies in turn. No cell is trained by two trials at a time."""

    def __init__(
        self,
        studies: Sequence[OpenStudy],
        record: Record,
        slots: int,
        tags_of: Callable[[Cell], dict[str, str]],
        progress: Progress,
        attempts: Attempts,
        code_of_cell: Callable[[Cell], Code | None] = lambda cell: None,
    ) -> None:
        super().__init__()
        self.studies = deque(studies)
        self.record = record
        self.slots = slots
        self.tags_of = tags_of
        self.progress = progress
        self.attempts = attempts
        self.code_of_cell = code_of_cell  # the record is asked for what this code made alone; None: for what any did
        self.running: dict[str, Trial] = {}  # by the name that Tune gives them
        self.waiting: list[Trial] = []  # for their cell, which another trial is training, or to be tried again
        self.apart: list[Trial] = []  # that ran out of memory beside others
        self.lost: dict[str, Trial] = {}  # that the watcher has to say the end of, by the same name as the running
        self.stopped: set[str] = set()  # likewise; they have ended
        self.begun: set[str] = set()  # cells
        self.idle: set[str] = set()  # of them those that a worker of this launch holds, though their trial was pruned

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune keeps its searcher for a restoration that never comes."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing, likewise."""

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """A trial that has to be trained; what the record already knows the end of is told on the way.

        No more of them than there are slots: a proposal made in advance would know less.
        """
        if len(self.running) >= self.slots:
            return None
        while trial := self._next():
            if trial.stopped:
                self.record.prune(trial.cell.id)
            run = self.record.latest(trial.cell.id)
            code = self.code_of_cell(trial.cell)
            if run and code and not code.made(code_of(run)):
                run = None
            if end := trial.end_of(run):
                if run and end == "complete":
                    trial.recall(self.record.curve(run))
                trial.tell(end, run)
                self._recalled(trial)
                continue
            self.running[trial_id] = trial
            self.begun.add(trial.cell.id)
            if not trial.proposed:
                self.progress.proposed(trial.cell)
                trial.proposed = True
            step = self.attempts.step(trial.cell.id)
            tags = self.tags_of(trial.cell) | trial.tags
            proposal = Proposal(trial.cell, tags, trial.cell.id in self.idle)
            return {"cell": trial.cell.id, "step": step, "proposal": proposal}
        return None if self.running or self.waiting or self.apart else self.FINISHED

    def judge(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        """Tells its study of a trial's epoch; whether the trial is to be pruned."""
        return {"epoch", "top1"} <= result.keys() and self.running[trial_id].report(result["epoch"], result["top1"])

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Its study knows: see `judge`."""

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tells its study how a trial ended, as the record has it; not of one that may be tried again."""
        trial = self.running.pop(trial_id)
        if error:
            self.lost[trial_id] = trial
            return
        if trial.stopped:
            self.stopped.add(trial_id)
            self.idle.add(trial.cell.id)
            self.record.prune(trial.cell.id)
        run = self.record.latest(trial.cell.id)
        trial.tell(trial.end_of(run) or "failed", run)

    def put_back(self, trial_id: str, cell: str) -> None:
        """A trial that was lost is to be tried again."""
        (self.apart if self.attempts.step(cell) else self.waiting).append(self.lost.pop(trial_id))

    def give_up(self, trial_id: str, failure: Failure) -> None:
        """It is not."""
        trial = self.lost.pop(trial_id)
        self.record.end([trial.cell.id], {trial.cell.id: failure})
        trial.tell("failed", self.record.latest(trial.cell.id))

    def _recalled(self, trial: Trial) -> None:
        """A trial has ended without this launch's doing; one that was handed out is known to the progress."""
        if trial.proposed:
            self.progress.started(trial.cell.id)
            self.progress.ended(trial.cell.id)
        else:
            self.progress.recalled()

    def _next(self) -> Trial | None:
        """The next trial whose cell no other trial is training."""
        training = {trial.cell.id for trial in self.running.values()}
        for trial in self.waiting:
            if trial.cell.id not in training:
                self.waiting.remove(trial)
                return trial
        while any(study.left for study in self.studies):
            self.studies.rotate(-1)
            if self.studies[-1].left:
                asked = self.studies[-1].ask()
                if asked is None:
                    self.progress.recalled()
                elif asked.cell.id not in training:
                    return asked
                else:
                    self.waiting.append(asked)
        alone = not self.waiting and all(self.attempts.step(cell) for cell in training)
        return self.apart.pop(0) if self.apart and alone else None


class Pruning(FIFOScheduler):
    """Stops the trials that their study prunes; Optuna's rules, for they live in the study and so survive a kill."""

    def __init__(self, search: InTurn) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.search = search

    def on_trial_result(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> str:
        """Whether to go on after an epoch."""
        return self.STOP if self.search.judge(trial.trial_id, result) else self.CONTINUE


class TrialWatcher(Watcher):
    """Tells the progress which trials were pruned, too."""

    def __init__(self, progress: Progress, attempts: Attempts, search: InTurn) -> None:
        super().__init__(progress, attempts, search.put_back)
        self.search = search

    def on_trial_complete(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        fault = trial.last_result.get("fault")
        pruned = trial.trial_id in self.search.stopped
        self.progress.ended(trial.config["cell"], Failure(**fault) if fault else None, pruned=pruned)

    def gave_up(self, trial: TuneTrial, failure: Failure) -> None:
        super().gave_up(trial, failure)
        self.search.give_up(trial.trial_id, failure)
