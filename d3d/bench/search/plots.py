"""Draws the plots of a study with Optuna: its history, the importance of each key, and the Pareto front."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import matplotlib
import optuna
from matplotlib import pyplot
from matplotlib.axes import Axes
from optuna.trial import TrialState
from optuna.visualization import matplotlib as draw

from d3d.bench.search.planned_study import PlannedStudy
from d3d.bench.search.study_storage import StudyStorage, study_errors_explained

NAMES = {"top1": "top-1 on the validation split", "gmacs": "GMACs of a clip"}
LONGEST_NAME = 200  # bytes of a file's name that are taken from a label
LEAST_TRIALS = 4  # complete trials that an estimate of importance needs


def draw_searches(studies: Iterable[PlannedStudy], storage: Path, folder: Path) -> list[Path]:
    """Writes LABEL-KIND.png to the folder for each plot of each study with a complete trial, and returns the paths."""
    matplotlib.use("Agg")
    with study_errors_explained(storage):
        database, paths = StudyStorage(storage), []
        for study in studies:
            name = database.find(study)
            if name is not None:
                stored = optuna.load_study(study_name=name, storage=database.storage)
                for kind, axes in _plots(study, stored):
                    label = re.sub(r"[^\w.-]+", "_", study.label).encode()[:LONGEST_NAME].decode(errors="ignore")
                    paths.append(folder / f"{label}-{kind}.png")
                    axes.set_title("", loc="left")  # one of Optuna's plots has a title of its own here
                    axes.set_title(study.label, parse_math=False)  # a $ in a label is a dollar
                    pyplot.savefig(paths[-1], bbox_inches="tight", dpi=120)
                    pyplot.close("all")
        return paths


def _plots(study: PlannedStudy, stored: optuna.Study) -> Iterator[tuple[str, Axes]]:
    """The kind of each plot, and the plot on the current pyplot figure."""
    trials = stored.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not trials:
        return
    names = [NAMES[each] for each in study.search.objectives]
    single = len(names) == 1
    target = None if single else _top1
    yield "history", draw.plot_optimization_history(stored, target=target, target_name=names[0])
    if not single:
        yield "pareto", draw.plot_pareto_front(stored, target_names=names)
    if len(trials) >= LEAST_TRIALS and len({_top1(trial) for trial in trials}) > 1:
        minimized = None if single else _negative_top1  # Optuna assumes that a given target is minimized
        yield "importance", draw.plot_param_importances(stored, target=minimized, target_name=names[0])


def _top1(trial: optuna.trial.FrozenTrial) -> float:
    return float(trial.values[0])


def _negative_top1(trial: optuna.trial.FrozenTrial) -> float:
    return -_top1(trial)
