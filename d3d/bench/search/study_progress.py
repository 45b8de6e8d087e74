"""Study progress: how many trials of a study have ended, and which was best, in plain numbers without Optuna."""

from dataclasses import dataclass

from d3d.bench.declare.ablations import Value
from d3d.bench.record import schema


@dataclass(frozen=True)
class BestTrial:
    """The most accurate complete trial; of equally accurate ones the cheapest. Its settings become the tuned row."""

    number: int
    top1: float  # fraction of the validation clips
    settings: dict[str, Value]


@dataclass(frozen=True)
class StudyProgress:
    """Counts over the trials of a study that have ended."""

    study: str  # its name in Optuna
    budget: int  # the number of trials asked for
    trials: int = 0  # that have ended: complete, pruned or failed
    pruned: int = 0
    failed: int = 0
    epochs: int = 0  # trained in total
    best: BestTrial | None = None  # None before the first complete trial

    @property
    def left(self) -> int:
        """Trials still to be run; 0 if the study already has more trials than the budget."""
        return max(0, self.budget - self.trials)

    @property
    def recorded(self) -> schema.Study:
        """The study's entry in plan.json."""
        return schema.Study(
            study=self.study,
            trials=self.trials,
            pruned=self.pruned,
            failed=self.failed,
            epochs=self.epochs,
            validation_top1=None if self.best is None else 100 * self.best.top1,
            settings=None if self.best is None else self.best.settings,
        )
