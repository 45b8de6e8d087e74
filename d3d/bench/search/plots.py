"""The pictures of a study that Optuna draws: how it went, what mattered, and what accuracy costs."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import matplotlib
import optuna
from matplotlib import pyplot
from matplotlib.axes import Axes
from optuna.trial import TrialState
from optuna.visualization import matplotlib as draw

from d3d.bench.search.planned_study import Study
from d3d.bench.search.study_storage import Studies

NAMES = {"top1": "top-1 on the validation split", "gmacs": "GMACs of a clip"}
LEAST = 4  # complete trials, below which nothing can be said of what mattered


def draw_searches(studies: Iterable[Study], storage: Path, folder: Path) -> list[Path]:
    """A PNG for each picture of each study that has a complete trial."""
    matplotlib.use("Agg")
    there, paths = Studies(storage), []
    for study in studies:
        name = there.find(study)
        if name is not None:
            begun = optuna.load_study(study_name=name, storage=there.storage)
            for kind, axes in _pictures(study, begun):
                label = re.sub(r"[^\w.-]+", "_", study.label)
                paths.append(folder / f"{label}-{kind}.png")
                axes.set_title("", loc="left")  # where one of the pictures has a title of its own
                axes.set_title(study.label)
                pyplot.savefig(paths[-1], bbox_inches="tight", dpi=120)
                pyplot.close("all")
    return paths


def _pictures(study: Study, begun: optuna.Study) -> Iterator[tuple[str, Axes]]:
    trials = begun.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not trials:
        return
    names = [NAMES[each] for each in study.search.objectives]
    single = len(names) == 1
    target = None if single else _top1
    yield "history", draw.plot_optimization_history(begun, target=target, target_name=names[0])
    if not single:
        yield "pareto", draw.plot_pareto_front(begun, target_names=names)
    if len(trials) >= LEAST and len({_top1(trial) for trial in trials}) > 1:
        mattered = None if single else _missed  # what matters for a target to be low is what is drawn
        yield "importance", draw.plot_param_importances(begun, target=mattered, target_name=names[0])


def _top1(trial: optuna.trial.FrozenTrial) -> float:
    return float(trial.values[0])


def _missed(trial: optuna.trial.FrozenTrial) -> float:
    return -_top1(trial)
