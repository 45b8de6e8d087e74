"""The search runner: trains the trials of all studies of a launch with Ray Tune, at the same time.

One searcher hands out trials of the studies in turn, so that every slot is busy while any study has trials left. One
scheduler asks the study of a trial after each epoch whether to stop it. Tune passes a result to its scheduler before
its searcher, and to the searcher only if the trial goes on; so the scheduler is where a study learns of an epoch.
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
from d3d.bench.record.access import at_the_end
from d3d.bench.record.provenance import Code, code_of
from d3d.bench.record.tracking import Record
from d3d.bench.run.failures import Attempts, Failure
from d3d.bench.run.progress import Progress
from d3d.bench.run.schedule import CellResources, Watcher, common_tags, fit, make_job
from d3d.bench.run.worker import Proposal
from d3d.bench.search.running_study import RunningStudy, Trial
from d3d.bench.search.study_storage import StudyStorage, study_errors_explained


def run_studies(plan: Plan, record: Record, resources: CellResources, progress: Progress) -> None:
    """Runs the trials that the plan's studies have left. However it ends, no run and no trial is left RUNNING.

    Args:
        plan: The plan, with the progress of its studies.
        record: The record that the trials are logged to.
        resources: What a trial gets of a node, from `schedule.attached`, within which this has to be called.
        progress: The progress display, which expects `plan.trials_left` trials.

    Raises RecordError if the database of the studies cannot be used.
    """
    with study_errors_explained(plan.launch.storage):
        storage = StudyStorage(plan.launch.storage)
        left = {id: each.left for id, each in plan.study_progress.items()}
        studies = [RunningStudy(study, left[study.id], storage) for study in plan.studies if left[study.id]]
        attempts = Attempts()
        search = RoundRobinSearcher(
            studies,
            record,
            resources.slots,
            partial(common_tags, plan),
            progress,
            attempts,
            code_of_cell=plan.continued_code,
        )
        scheduler, watcher = PruningScheduler(search), TrialWatcher(progress, attempts, search)
        config = tune.TuneConfig(search_alg=search, scheduler=scheduler, num_samples=-1, reuse_actors=True)

        def request(proposed: dict[str, Any]) -> dict[str, float]:
            return resources.request(TRAINING, proposed["step"])

        with at_the_end(lambda: record.end(search.begun, progress.failed)):
            try:
                with progress:
                    fit("search", make_job(plan, resources, {}, {}), request, config, watcher)
            finally:
                for study in studies:
                    study.close()


class RoundRobinSearcher(Searcher):
    """Hands out the trials of several studies in turn. A cell is never trained by two trials at the same time."""

    def __init__(
        self,
        studies: Sequence[RunningStudy],
        record: Record,
        slots: int,
        tags_of: Callable[[Cell], dict[str, str]],
        progress: Progress,
        attempts: Attempts,
        code_of_cell: Callable[[Cell], Code | None] = lambda cell: None,
    ) -> None:
        """
        Args:
            studies: The studies with trials left.
            record: Tells how cells that were trained earlier ended.
            slots: How many trials may run at the same time.
            tags_of: The tags of a cell's run, apart from those of the trial.
            progress: The progress display.
            attempts: Counts how often each cell was tried; shared with the watcher.
            code_of_cell: The code that must have made a recorded run for it to count; None, the default, is any code.
        """
        super().__init__()
        self.studies = deque(studies)
        self.record = record
        self.slots = slots
        self.tags_of = tags_of
        self.progress = progress
        self.attempts = attempts
        self.code_of_cell = code_of_cell
        self.running: dict[str, Trial] = {}  # by Tune's trial id, as in `lost` and `stopped`
        self.waiting: list[Trial] = []  # to be tried again, or until another trial has trained the same cell
        self.out_of_memory: list[Trial] = []  # to be tried again with more memory once no other trial runs
        self.lost: dict[str, Trial] = {}  # whose worker died; the watcher decides whether they are tried again
        self.stopped: set[str] = set()  # pruned trials
        self.begun: set[str] = set()  # ids of all cells handed out
        self.idle: set[str] = set()  # ids of the cells of pruned trials, which a worker of this launch still holds

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune saves its searcher to restore an experiment, which this project never does."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Does nothing, for the same reason."""

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """The next trial that has to be trained, None if there is none at the moment, FINISHED if none is left.

        Trials that the record knows the end of are ended in their study on the way. No more trials than slots are
        handed out, because a proposal made earlier than necessary would rest on fewer results.
        """
        if len(self.running) >= self.slots:
            return None
        while trial := self._next():
            if trial.stopped:
                self.record.prune(trial.cell.id)
            if not self._ended_before(trial):
                return self._hand_out(trial_id, trial)
        return None if self.running or self.waiting or self.out_of_memory else self.FINISHED

    def report(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        """Tells the study of a trial about an epoch, and returns whether to prune the trial."""
        return {"epoch", "top1"} <= result.keys() and self.running[trial_id].report(result["epoch"], result["top1"])

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Does nothing: the scheduler has passed the result to `report`."""

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Ends a trial in its study as the record says, unless its worker was lost and it may be tried again."""
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
        """Queues a lost trial to be tried again."""
        queue = self.out_of_memory if self.attempts.step(cell) else self.waiting
        queue.append(self.lost.pop(trial_id))

    def give_up(self, trial_id: str, failure: Failure) -> None:
        """Ends a lost trial as failed."""
        trial = self.lost.pop(trial_id)
        self.record.end([trial.cell.id], {trial.cell.id: failure})
        trial.tell("failed", self.record.latest(trial.cell.id))

    def _ended_before(self, trial: Trial) -> bool:
        """Whether the record knows how the trial ended; then the trial is ended in its study as well."""
        run, code = self.record.latest(trial.cell.id), self.code_of_cell(trial.cell)
        if run and code and not code.made(code_of(run)):
            run = None
        end = trial.end_of(run)
        if end is None:
            return False
        if run and end == "complete":
            trial.replay(self.record.curve(run))
        trial.tell(end, run)
        if trial.shown:
            self.progress.started(trial.cell.id)
            self.progress.ended(trial.cell.id)
        else:
            self.progress.recalled()
        return True

    def _hand_out(self, trial_id: str, trial: Trial) -> dict[str, Any]:
        """The Tune configuration of a trial, which is now running."""
        cell = trial.cell
        self.running[trial_id] = trial
        self.begun.add(cell.id)
        if not trial.shown:
            self.progress.proposed(cell)
            trial.shown = True
        proposal = Proposal(cell, self.tags_of(cell) | trial.tags, cell.id in self.idle)
        return {"cell": cell.id, "step": self.attempts.step(cell.id), "proposal": proposal}

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
        only_retries_run = not self.waiting and all(self.attempts.step(cell) for cell in training)
        return self.out_of_memory.pop(0) if self.out_of_memory and only_retries_run else None


class PruningScheduler(FIFOScheduler):
    """Stops the trials that their study prunes.

    Optuna's pruners are used rather than Tune's schedulers, because their state is in the study and survives a kill.
    """

    def __init__(self, search: RoundRobinSearcher) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.search = search

    def on_trial_result(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> str:
        """STOP or CONTINUE, after an epoch."""
        return self.STOP if self.search.report(trial.trial_id, result) else self.CONTINUE


class TrialWatcher(Watcher):
    """A watcher that also tells the progress display which trials were pruned, and the searcher which were given up."""

    def __init__(self, progress: Progress, attempts: Attempts, search: RoundRobinSearcher) -> None:
        super().__init__(progress, attempts, search.put_back)
        self.search = search

    def on_trial_complete(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        fault = trial.last_result.get("fault")
        pruned = trial.trial_id in self.search.stopped
        self.progress.ended(trial.config["cell"], Failure(**fault) if fault else None, pruned=pruned)

    def gave_up(self, trial: TuneTrial, failure: Failure) -> None:
        super().gave_up(trial, failure)
        self.search.give_up(trial.trial_id, failure)
