"""How far a study is, in plain numbers: what plan.json, the tables and the terminal are told of it."""

from dataclasses import dataclass

from d3d.bench.declare.ablations import Value
from d3d.bench.record import schema


@dataclass(frozen=True)
class Best:
    """The trial whose settings are taken: the most accurate, and of equally accurate ones the cheapest."""

    trial: int
    top1: float  # on the validation split, a fraction
    settings: dict[str, Value]


@dataclass(frozen=True)
class Standing:
    """Of its trials that have ended, however they ended."""

    study: str  # its name in Optuna
    asked: int  # the budget, in trials
    trials: int = 0
    pruned: int = 0
    failed: int = 0
    epochs: int = 0  # trained over all of them
    best: Best | None = None

    @property
    def left(self) -> int:
        """Trials still to be carried out; a study that has more than is asked for is left as it is."""
        return max(0, self.asked - self.trials)

    @property
    def recorded(self) -> schema.Study:
        """Its part of plan.json."""
        return schema.Study(
            study=self.study,
            trials=self.trials,
            pruned=self.pruned,
            failed=self.failed,
            epochs=self.epochs,
            validation_top1=None if self.best is None else 100 * self.best.top1,
            settings=None if self.best is None else self.best.settings,
        )
