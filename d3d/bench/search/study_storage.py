"""Study storage: the Optuna database in the storage folder, in which studies are found, created and read."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from json import JSONDecodeError
from pathlib import Path
from textwrap import shorten

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import NOT_FOUND_MSG
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from d3d.bench.database import has_tables, make_database, sqlite_uri
from d3d.bench.search.planned_study import PlannedStudy
from d3d.bench.search.study_progress import BestTrial, StudyProgress
from d3d.errors import ConfigError, RecordError

FILE = "optuna.db"
DEFINITION = "made_over"  # the attribute of an Optuna study that holds `PlannedStudy.definition`
DIRECTIONS = {"max": StudyDirection.MAXIMIZE, "min": StudyDirection.MINIMIZE}
ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)

optuna.logging.set_verbosity(optuna.logging.ERROR)


def progress_of_studies(studies: Iterable[PlannedStudy], storage: Path) -> dict[str, StudyProgress]:
    """The progress of each study, by its id. Creates nothing.

    Raises ConfigError if the database has a study of the same name with another definition, RecordError if the
    database cannot be used.
    """
    database = StudyStorage(storage) if has_tables(storage / FILE) else None
    with study_errors_explained(storage):
        return {study.id: database.progress_of(study) if database else _not_started(study) for study in studies}


class StudyStorage:
    """All studies of a storage folder. Creates the database if there is none, and raises RecordError if it cannot."""

    def __init__(self, storage: Path) -> None:
        path = storage / FILE
        with study_errors_explained(storage):
            try:
                make_database(path, RDBStorage)
                self.storage = RDBStorage(sqlite_uri(path))
            except (RuntimeError, OSError) as error:  # RuntimeError: another version of Optuna made it
                raise _unusable(storage, str(error)) from error
            summaries = optuna.get_all_study_summaries(self.storage, include_best_trial=False)
        self.definitions = {each.study_name: each.user_attrs.get(DEFINITION) for each in summaries}

    def find(self, study: PlannedStudy) -> str | None:
        """The name of the stored study with the same definition, or None if there is none.

        Raises ConfigError if the name of the planned study is taken by a study with another definition.
        """
        for name, definition in self.definitions.items():
            if definition == study.definition:
                return name
        other = self.definitions.get(study.name)
        if other is None:
            return None
        changed = {key for key in other.keys() | study.definition if other.get(key) != study.definition.get(key)}
        key = sorted(changed)[0]
        was, now = (shorten(str(each.get(key)), 60) for each in (other, study.definition))
        more = f", and {len(changed) - 1} more" if len(changed) > 1 else ""
        fault = f"study {study.name}: was created with {key}={was}, not {now}{more}"
        raise ConfigError(f"{fault}; restore the old value, or start another study with search.name=OTHER")

    def load_or_create(self, study: PlannedStudy) -> optuna.Study:
        """The stored study, created if there is none, with the trials of an interrupted launch queued again."""
        directions = [DIRECTIONS[mode] for mode in study.search.modes]
        name = self.find(study)
        stored = optuna.create_study(
            storage=self.storage, study_name=name or study.name, directions=directions, load_if_exists=True
        )
        if name is None:
            stored.set_metric_names(list(study.search.objectives))
            stored.set_user_attr(DEFINITION, study.definition)  # last: a study without it has no trials yet
        self.requeue_running(stored)
        return stored

    def requeue_running(self, study: optuna.Study) -> None:
        """Sets running trials to WAITING; they will be handed out again with the same number and settings."""
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self.storage.set_trial_state_values(self.trial_id(study, trial.number), TrialState.WAITING)

    def trial_id(self, study: optuna.Study, number: int) -> int:
        """The database's id of a trial."""
        study_id = self.storage.get_study_id_from_name(study.study_name)
        return self.storage.get_trial_id_from_study_id_trial_number(study_id, number)

    def progress_of(self, study: PlannedStudy) -> StudyProgress:
        """The progress of a study. Raises ConfigError as `find` does."""
        name = self.find(study)
        if name is None:
            return _not_started(study)
        trials = optuna.load_study(study_name=name, storage=self.storage).get_trials(deepcopy=False, states=ENDED)
        states = [trial.state for trial in trials]
        return StudyProgress(
            study=name,
            budget=study.search.trials,
            trials=len(trials),
            pruned=states.count(TrialState.PRUNED),
            failed=states.count(TrialState.FAIL),
            epochs=sum(trial.user_attrs.get("epochs", 0) for trial in trials),
            best=_best(study, [trial for trial in trials if trial.state == TrialState.COMPLETE]),
        )


def _not_started(study: PlannedStudy) -> StudyProgress:
    return StudyProgress(study.name, study.search.trials)


def _best(study: PlannedStudy, trials: list[FrozenTrial]) -> BestTrial | None:
    """The most accurate trial, which with several objectives is one end of the Pareto front.

    Ties are decided by cost and then by number. `values` of a trial holds top-1 first, then the costs.
    """
    if not trials:
        return None
    best = min(trials, key=lambda trial: (-trial.values[0], *trial.values[1:], trial.number))
    return BestTrial(best.number, best.values[0], {key: best.params[key] for key in study.space})


@contextmanager
def study_errors_explained(storage: Path) -> Iterator[None]:
    """Turns the errors that Optuna raises while it uses the database of a storage folder into a RecordError."""
    try:
        yield
    except (StorageInternalError, SQLAlchemyError, JSONDecodeError) as error:
        reason = str(error.__cause__ or error)  # Optuna's own message does not say what happened
        raise _unusable(storage, reason) from error
    except KeyError as error:
        if error.args != (NOT_FOUND_MSG,):
            raise
        raise _unusable(storage, "somebody deleted a study or a trial in it") from error


def _unusable(storage: Path, reason: str) -> RecordError:
    way_out = "repair the file, or move it away to start new studies, and run the same command again"
    return RecordError(f"{storage / FILE}: {shorten(reason.splitlines()[0], 200)}; {way_out}")
