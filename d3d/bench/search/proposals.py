"""Proposes the settings of a study's next trial, with Optuna's TPE sampler seeded anew for every trial.

The proposal of trial n depends only on the seed, on n and on the trials before it. A study that is killed and continued
therefore makes the same proposals as one that is not. Trial 0 uses the row's own settings wherever the space contains
them, so that the best trial is never less accurate than the row itself on the validation clips.
"""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial

from d3d.bench.declare.ablations import Value
from d3d.bench.declare.search_space import Choices, Range, Space, Whole, point_count

DRAWS = 20  # attempts to draw a new point of a finite space, before the first unused point is taken


class Proposals(BaseSampler):
    """An Optuna sampler that proposes whole points of the space, and no point of a finite space twice."""

    def __init__(self, space: Space, recipe: Mapping[str, Value], seed: int) -> None:
        """`recipe` holds the row's own values of the keys of the space."""
        self.space = space
        self.distributions = {key: distribution(each) for key, each in space.items()}
        self.recipe = {key: value for key, value in recipe.items() if _holds(space[key], value)}
        self.seed = seed
        self.number = -1  # of the last trial that was asked for

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self.number = trial.number

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self.distributions

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The values of all keys. The space stays the same from trial to trial."""
        finite = point_count(self.space) is not None
        others = [each.params for each in study.get_trials(deepcopy=False) if each.number != trial.number]
        for draw in range(DRAWS):
            point = self._draw(study, trial, draw) | (self.recipe if trial.number == 0 else {})
            if not finite or point not in others:
                return point
        points = itertools.product(*(each.values for each in self.space.values()))
        return next(each for point in points if (each := dict(zip(self.space, point, strict=True))) not in others)

    def sample_independent(self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: Any) -> Any:
        """The value of a key outside the space, which Optuna's interface requires and this project never asks for."""
        return self._sampler(trial, 0).sample_independent(study, trial, param_name, param_distribution)

    def _draw(self, study: Study, trial: FrozenTrial, draw: int) -> dict[str, Any]:
        """Draws a point as TPE itself does: keys jointly where TPE models them jointly, the others one by one."""
        sampler = self._sampler(trial, draw)
        together = sampler.sample_relative(study, trial, sampler.infer_relative_search_space(study, trial))
        return {
            key: together[key] if key in together else sampler.sample_independent(study, trial, key, each)
            for key, each in self.distributions.items()
        }

    def _sampler(self, trial: FrozenTrial, draw: int) -> TPESampler:
        seed = np.random.SeedSequence([self.seed, trial.number, draw]).generate_state(1)
        return TPESampler(seed=int(seed[0]))


def distribution(range_: Range) -> BaseDistribution:
    """A range as Optuna's distribution."""
    match range_:
        case Choices(values):
            return CategoricalDistribution(tuple(values))
        case Whole(low, high, step):
            return IntDistribution(low, high, step=step)
    return FloatDistribution(range_.low, range_.high, log=range_.log)


def _holds(range_: Range, value: Value) -> bool:
    if isinstance(range_, Whole | Choices):
        return value in range_.values
    return isinstance(value, int | float) and range_.low <= value <= range_.high
