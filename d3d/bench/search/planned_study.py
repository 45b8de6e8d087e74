"""A planned study: the hyper-parameter search for one row of an ablation, before any of its trials has run.

Each trial is an ordinary training cell on the validation split of the training clips. Rows that search the same
hyper-parameters from the same configuration share one study, even if they belong to different ablations.
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
from d3d.bench.plan.identity import short_hash
from d3d.config import Config
from d3d.data.clip import Dataset
from d3d.data.samples.augmentation import check_flip
from d3d.data.samples.sampling import check_frames
from d3d.errors import ConfigError

SPLIT: Final = "validation"  # a study never sees the test clips
MOST_CHECKED = 100  # a range with more values than this is checked at its two ends only


@dataclass(frozen=True, eq=False)
class PlannedStudy:
    """The hyper-parameter search for one row of a launch."""

    label: str  # "ABLATION: ROW" of the first row that asks for it
    name: str  # the name a new study gets in Optuna
    search: Search
    space: Space  # the part of the search's space that makes a difference to this row
    config: Config  # the row's own configuration
    dataset: Dataset  # the dataset the row itself is trained and tested on
    validation: Dataset  # the training clips of `dataset`, split into training and validation clips
    seed: int  # of the training in every trial

    @cached_property
    def id(self) -> str:
        """Hash of `definition`, independent of the ablation that asks for the study."""
        return short_hash(self.definition)

    @cached_property
    def definition(self) -> dict[str, Any]:
        """Everything the trials have in common, with dotted keys. Two studies with equal definitions are the same."""
        search, base = self.search, self.trial_cell(0, {})
        space = {key: written(range_) for key, range_ in self.space.items()}
        common = flatten(TRAINING.identity(base.config, base.data_digest, base.needs))
        return {
            **{key: value for key, value in common.items() if key not in self.space},
            **{f"search.space.{key}": value for key, value in space.items()},
            "search.name": search.name,
            "search.objectives": list(search.objectives),
            "search.pruner": search.pruner,
            "search.seed": search.seed,
        }

    @cached_property
    def starts(self) -> tuple[Cell, ...]:
        """The cells that every trial starts from, and those that they need."""
        *needs, _ = self.trial_cell(0, {}).with_needs
        return tuple(needs)

    @property
    def recipe(self) -> dict[str, Value]:
        """The row's own values of the keys that the study varies."""
        config = flatten(asdict(self.config))
        return {key: config[key] for key in self.space}

    def trial_cell(self, number: int, settings: Mapping[str, Value]) -> Cell:
        """The cell of trial `number` with these settings. Raises ConfigError for an invalid combination of settings."""
        config = with_settings(self.config, settings)
        config = replace(config, seed=self.seed, data=replace(config.data, split=SPLIT))
        return make_cell(f"{self.label}, {self.search.name} trial {number}", config, self.validation)

    def tuned_cell(self, row: str, settings: Mapping[str, Value], seed: int) -> Cell:
        """The cell that trains and tests the row like any other row, but with these settings."""
        config = with_settings(self.config, settings)
        return make_cell(f"{row}, tuned", replace(config, seed=seed), self.dataset)


def plan_study(
    launch: Launch, ablation: Ablation, row: Row, config: Config, dataset: Dataset, validation: Dataset
) -> PlannedStudy:
    """Plans the study of one row.

    Args:
        launch: A launch with a search; the trials use the first of its seeds.
        ablation: The ablation of the row. Keys that it varies are not searched.
        row: The row to tune.
        config: The row's configuration.
        dataset: The dataset that `config` is trained and tested on.
        validation: The same training clips, split into training and validation clips.

    Raises ConfigError if no key of the search space makes a difference to the row, if a value in the space is invalid,
    or if the space has fewer points than the search has trials. Raises DataError if a clip has too few frames or cannot
    be flipped.
    """
    assert launch.search
    search = launch.search
    where = f"{search.source}, row {row.label} of {ablation.name}"
    space = _searched(search.space, ablation, config, validation, where)
    if not space:
        raise ConfigError(f"{where}: no key of the search space makes a difference to this row; add one that does")
    count = point_count(space)
    if count is not None and search.trials > count:
        fault = f"search.trials={search.trials}: the space has only {count} different points"
        raise ConfigError(f"{fault}; ask for at most that many trials ({where})")
    label = f"{ablation.name}: {row.label}"
    name = f"{label}, {launch.preset}, {launch.data}, {search.name}"
    return PlannedStudy(label, name, search, space, config, dataset, validation, launch.seeds[0])


def _searched(space: Space, ablation: Ablation, config: Config, validation: Dataset, where: str) -> Space:
    """The keys of the space that the ablation does not vary itself and that change what this row computes."""
    searched, own = {}, settable(type(config.model))
    for key, range_ in space.items():
        if key in own and key not in ablation.axes:
            cells = _distinct_cells(config, key, range_, validation, where)
            if len(cells) > 1:
                searched[key] = range_
                for each in cells:
                    check_flip(validation, each.config.augmentation)
                    check_frames(validation, each.config.training.frames)
            if len({each.needs for each in cells}) > 1:
                fault = f"{key}: every value needs trainings of its own to start from, and the trials share theirs"
                raise ConfigError(f"{fault}; leave it out of the search's space ({where})")
    return searched


def _distinct_cells(config: Config, key: str, range_: Range, validation: Dataset, where: str) -> set[Cell]:
    """The cells of all values in a range: a single one if the key makes no difference."""
    values = range_.values if len(range_.values) <= MOST_CHECKED else (range_.values[0], range_.values[-1])
    try:
        return {make_cell("", with_settings(config, {key: value}), validation) for value in values}
    except ConfigError as error:
        raise ConfigError(f"{error} ({where})") from error
