"""A study, as it is planned: the search of the settings with which one row of an ablation learns best.

Its trials are cells as any others, on a validation split of the training clips. Rows of several ablations that leave
the same open from the same configuration share one.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Final

from d3d.bench.declare.ablations import Ablation, Row, Value, flatten, settable
from d3d.bench.declare.configuration import with_settings
from d3d.bench.declare.launch import Launch
from d3d.bench.declare.search_space import Range, Space, point_count, written
from d3d.bench.declare.searches import Search
from d3d.bench.kinds.registry import TRAINING
from d3d.bench.plan.cell import Cell, make_cell
from d3d.bench.plan.identity import short_hash, training_identity
from d3d.config import Config
from d3d.data.clip import Dataset
from d3d.data.samples.augmentation import check_flip
from d3d.data.samples.sampling import check_frames
from d3d.errors import ConfigError

SPLIT: Final = "validation"  # the test clips are never looked at
TRIED = 100  # values of a range, beyond which its ends stand for all


@dataclass(frozen=True, eq=False)
class Study:
    """One search of a launch."""

    label: str  # the first row that asks for it
    name: str  # by which a person knows it where it is begun
    search: Search
    space: Space  # what of the search's space the row leaves open
    config: Config  # the row's own
    dataset: Dataset  # that the row is trained and tested on
    validation: Dataset  # its training clips, split
    seed: int  # of every trial's training

    @cached_property
    def id(self) -> str:
        """The same for the same `made_over`, whatever ablation asks for it."""
        return short_hash(self.made_over)

    @cached_property
    def made_over(self) -> dict[str, Any]:
        """All that its trials have in common, flat: two studies of which this is equal are one."""
        search, base = self.search, self.cell(0, {})
        space = {key: written(range_) for key, range_ in self.space.items()}
        common = flatten(training_identity(base.config, base.data_digest))
        return {
            **{key: value for key, value in common.items() if key not in self.space},
            **{f"search.space.{key}": value for key, value in space.items()},
            "search.name": search.name,
            "search.objectives": list(search.objectives),
            "search.pruner": search.pruner,
            "search.seed": search.seed,
        }

    @property
    def recipe(self) -> dict[str, Value]:
        """The values that the row itself has of what is varied."""
        config = flatten(asdict(self.config))
        return {key: config[key] for key in self.space}

    def cell(self, number: int, settings: Mapping[str, Value]) -> Cell:
        """Of its trial of this number. Raises ConfigError where the settings do not go together."""
        config = with_settings(self.config, settings)
        config = replace(config, seed=self.seed, data=replace(config.data, split=SPLIT))
        return make_cell(f"{self.label}, {self.search.name} trial {number}", config, self.validation)

    def tuned(self, row: str, settings: Mapping[str, Value], seed: int) -> Cell:
        """A row at these settings, tested as it is itself."""
        config = with_settings(self.config, settings)
        return make_cell(f"{row}, tuned", replace(config, seed=seed), self.dataset)


def plan_study(
    launch: Launch, ablation: Ablation, row: Row, config: Config, dataset: Dataset, validation: Dataset
) -> Study:
    """The study of a row of this configuration, which is trained on `dataset`.

    Raises ConfigError where the space leaves nothing open, holds a value that cannot be, or has fewer points than there
    are to be trials; DataError where a clip has too few frames or cannot be flipped.
    """
    assert launch.search
    search = launch.search
    where = f"{search.source}, row {row.label} of {ablation.name}"
    space = {}
    own = settable(type(config.model))
    for key, range_ in search.space.items():
        if key in own and key not in ablation.axes and len(configs := _configs(config, key, range_, where)) > 1:
            space[key] = range_
            for each in configs:
                check_flip(validation, each.augmentation)
                check_frames(validation, each.training.frames)
    if not space:
        raise ConfigError(f"{where}: the search has nothing to vary there; give it a key that matters to this row")
    count = point_count(space)
    if count is not None and search.trials > count:
        fault = f"search.trials={search.trials}: the space has {count} different points"
        raise ConfigError(f"{fault}; ask for at most that ({where})")
    label = f"{ablation.name}: {row.label}"
    name = f"{label}, {launch.preset}, {launch.data}, {search.name}"
    return Study(label, name, search, space, config, dataset, validation, launch.seeds[0])


def _configs(config: Config, key: str, range_: Range, where: str) -> set[Config]:
    """The different computations its values come to: one where the key does not matter."""
    values = range_.values if len(range_.values) <= TRIED else (range_.values[0], range_.values[-1])
    try:
        return {TRAINING.canonical(with_settings(config, {key: value})) for value in values}
    except ConfigError as error:
        raise ConfigError(f"{error} ({where})") from error
