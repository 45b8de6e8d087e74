"""The studies in Optuna's own database, in the storage folder: found again, begun, and read."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from d3d.bench.database import make_database, sqlite_uri
from d3d.bench.search.planned_study import Study
from d3d.bench.search.study_progress import Best, Standing
from d3d.errors import ConfigError, RecordError

FILE = "optuna.db"
PATIENCE = 60  # seconds to wait for another process, such as the dashboard, to let go of the file
DIRECTIONS = {"max": StudyDirection.MAXIMIZE, "min": StudyDirection.MINIMIZE}
ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)

optuna.logging.set_verbosity(optuna.logging.ERROR)


def standings(studies: Iterable[Study], storage: Path) -> dict[str, Standing]:
    """How far each study is, by id; nothing is made where there is none yet.

    Raises ConfigError where one has the name of another that was made over something else.
    """
    there = Studies(storage) if (storage / FILE).exists() else None
    return {study.id: there.standing(study) if there else _untouched(study) for study in studies}


class Studies:
    """All studies of a storage folder. Raises RecordError where their database cannot be used."""

    def __init__(self, storage: Path) -> None:
        path = storage / FILE
        with _explained(path):
            if not path.exists():
                make_database(path, RDBStorage)
            self.storage = RDBStorage(sqlite_uri(path), {"connect_args": {"timeout": PATIENCE}})
            summaries = optuna.get_all_study_summaries(self.storage, include_best_trial=False)
        self.made_over = {each.study_name: each.user_attrs.get("made_over") for each in summaries}

    def find(self, study: Study) -> str | None:
        """The name of the study that was made over the same, if there is one. Raises ConfigError."""
        for name, made_over in self.made_over.items():
            if made_over == study.made_over:
                return name
        other = self.made_over.get(study.name)
        if other is None:
            return None
        changed = {key for key in other.keys() | study.made_over if other.get(key) != study.made_over.get(key)}
        key = sorted(changed)[0]
        was, now = (_shown(each.get(key)) for each in (other, study.made_over))
        more = f", and {len(changed) - 1} more" if len(changed) > 1 else ""
        fault = f"study {study.name}: was made with {key}={was}, not {now}{more}"
        raise ConfigError(f"{fault}; put that back, or begin another with search.name=OTHER")

    def begin(self, study: Study) -> optuna.Study:
        """The study, made where there is none; what was being tried when it was left is to be tried again."""
        directions = [DIRECTIONS[mode] for mode in study.search.modes]
        name = self.find(study)
        begun = optuna.create_study(
            storage=self.storage, study_name=name or study.name, directions=directions, load_if_exists=True
        )
        if name is None:
            begun.set_metric_names(list(study.search.objectives))
            begun.set_user_attr("made_over", study.made_over)  # last: without it nothing was tried
        self.let_go(begun)
        return begun

    def let_go(self, begun: optuna.Study) -> None:
        """No trial is left RUNNING: it waits, and will be handed out again with its number and settings."""
        for trial in begun.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self.storage.set_trial_state_values(self.trial_id(begun, trial.number), TrialState.WAITING)

    def trial_id(self, begun: optuna.Study, number: int) -> int:
        """What the storage calls a trial."""
        study_id = self.storage.get_study_id_from_name(begun.study_name)
        return self.storage.get_trial_id_from_study_id_trial_number(study_id, number)

    def standing(self, study: Study) -> Standing:
        """How far a study is."""
        name = self.find(study)
        if name is None:
            return _untouched(study)
        trials = optuna.load_study(study_name=name, storage=self.storage).get_trials(deepcopy=False, states=ENDED)
        states = [trial.state for trial in trials]
        return Standing(
            study=name,
            asked=study.search.trials,
            trials=len(trials),
            pruned=states.count(TrialState.PRUNED),
            failed=states.count(TrialState.FAIL),
            epochs=sum(trial.user_attrs.get("epochs", 0) for trial in trials),
            best=_best(study, [trial for trial in trials if trial.state == TrialState.COMPLETE]),
        )


def _untouched(study: Study) -> Standing:
    return Standing(study.name, study.search.trials)


def _best(study: Study, trials: list[FrozenTrial]) -> Best | None:
    """The most accurate, which of several objectives is one end of the Pareto front; then the cheapest, then the first.

    `values` holds top-1, then costs.
    """
    if not trials:
        return None
    best = min(trials, key=lambda trial: (-trial.values[0], *trial.values[1:], trial.number))
    return Best(best.number, best.values[0], {key: best.params[key] for key in study.space})


def _shown(value: Any) -> str:
    return shorten(str(value), 60)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (StorageInternalError, SQLAlchemyError, RuntimeError, OSError) as error:
        raise RecordError(f"{path}: {shorten(str(error), 200)}; mend it, or move it away to begin anew") from error
