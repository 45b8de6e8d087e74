"""Baselines without deep learning: three classical methods that read a clip's joints and nothing else.

Each is a regression on one-hot labels; the class with the largest output is predicted. Hyper-parameters are chosen by
cross-validation on the training clips, which never divides a group; the test clips are used once, at the end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor

from d3d.config import BaselineConfig
from d3d.data.clip import Clip, Dataset
from d3d.data.samples.sampling import regular_indices
from d3d.data.validation_split import grouped_folds
from d3d.prediction import Prediction, top1

Features = NDArray[np.float64]

VISIBILITY = 0.5  # weight of the visibility features: the best of 0, ¼, ½ and 1 in cross-validation on Penn Action
# Of values that are equally good the first is chosen.
STRENGTHS = (1000.0, 100.0, 10.0, 1.0)  # α of ridge regression, for hundreds of features
KERNEL_STRENGTHS = (1.0, 0.1, 0.01, 0.001)
KERNEL_SCALES = (1.0, 3.0, 10.0, 30.0, 100.0)  # γ of the Gaussian kernel, times the number of features


@dataclass(frozen=True)
class Classified:
    """The predictions of a classical method for the test clips, and the hyper-parameters that were chosen."""

    predictions: tuple[Prediction, ...]
    validation_top1: float  # the mean over the folds of the training clips, a fraction
    chosen: Mapping[str, float]  # hyper-parameters

    @property
    def top1(self) -> float:
        """The fraction of test clips that are predicted correctly."""
        return top1(self.predictions)


def classify(baseline: BaselineConfig, frames: int, dataset: Dataset) -> Classified:
    """Fits the method to the training clips, seen in `frames` frames each, and predicts the test clips.

    Raises DataError where the training clips cannot be divided for cross-validation.
    """
    folds = grouped_folds(dataset, f"baseline.method={baseline.method}")
    train, test = (np.array([features(clip, frames) for clip in clips]) for clips in (dataset.train, dataset.test))
    labels = np.eye(len(dataset.classes))[[clip.label for clip in dataset.train]]
    method, choices = _method(baseline, train.shape[1])
    search = GridSearchCV(method, choices, scoring=_top1, cv=folds).fit(train, labels)
    predictions = tuple(
        Prediction(
            clip.id,
            clip.label,
            int(scores.argmax()),
            clip.group,
            parts=tuple(part.predict(clip.label, scores) for part in dataset.parts),
        )
        for clip, scores in zip(dataset.test, search.predict(test), strict=True)
    )
    return Classified(predictions, float(search.best_score_), dict(search.best_params_))


def features(clip: Clip, frames: int) -> Features:
    """3·T·R numbers: the joints' positions in the T = `frames` centred frames of a test, then their visibility.

    Positions are relative to the mean of all visible joints of the clip, in units of their root mean square distance
    from it. So the person's place and size in the clip do not count, but its movement through the picture does. An
    invisible joint gets its position in the nearest frame that shows it, or the mean where no frame does.
    """
    indices = regular_indices(clip.length, frames)
    visible = clip.visible[indices]
    joints = clip.joints[indices].astype(np.float64)
    seen = joints[visible]
    if not len(seen):
        return np.zeros(3 * visible.size)
    centred = joints - seen.mean(axis=0)
    size = np.sqrt((centred[visible] ** 2).sum(axis=1).mean())
    placed = np.take_along_axis(centred, _nearest_visible(visible)[..., None], axis=0) / max(size, 1e-6)
    placed[:, ~visible.any(axis=0)] = 0
    return np.concatenate([placed.ravel(), VISIBILITY * visible.ravel()])


def _nearest_visible(visible: NDArray[np.bool_]) -> NDArray[np.int64]:
    """T×R: the frame nearest to each that shows the joint, the earlier of two; any frame where none shows it."""
    frames = np.arange(len(visible))
    away = np.abs(frames[:, None] - frames)
    nearest: NDArray[np.int64] = np.where(visible, away[..., None], len(frames)).argmin(axis=1)
    return nearest


def _method(baseline: BaselineConfig, size: int) -> tuple[Any, dict[str, Sequence[float]]]:
    """The method, and the candidates for its hyper-parameters; `size` is the number of features."""
    match baseline.method:
        case "ridge":
            return Ridge(), {"alpha": STRENGTHS}
        case "kernel ridge":
            scales = [scale / size for scale in KERNEL_SCALES]
            return KernelRidge(kernel="rbf"), {"alpha": KERNEL_STRENGTHS, "gamma": scales}
        case "nearest neighbour":
            return KNeighborsRegressor(n_neighbors=1), {}
    raise AssertionError("the configuration names no method")


def _top1(method: Any, clips: Features, labels: Features) -> float:
    return float((method.predict(clips).argmax(axis=1) == labels.argmax(axis=1)).mean())
