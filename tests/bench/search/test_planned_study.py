import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from d3d.bench.plan.planning import Plan
from d3d.bench.search.planned_study import PlannedStudy
from d3d.data.clip import Dataset
from d3d.data.skeleton import nameless
from d3d.errors import ConfigError, DataError
from tests.systems import d3d_model

SPACE = {
    "training.learning_rate": {"float": [1e-4, 1e-2], "log": True},
    "model.offset_range": {"float": [0.5, 2.0]},
    "model.sigma": {"float": [0.5, 2.0]},
    "model.depth": {"int": [1, 2]},
}


@pytest.fixture
def studies(plan: Callable[..., Plan], tmp_path: Path) -> Callable[..., dict[str, PlannedStudy]]:
    """The studies of a launch by row, for a space."""

    def of(space: dict[str, Any], *arguments: str) -> dict[str, PlannedStudy]:
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump({"title": "", "cost": "", "trials": 2, "space": space}))
        planned = plan(f"search='{path}'", *arguments)
        return {study.label: study for study in planned.studies}

    return of


def test_a_row_leaves_open_what_it_does_not_vary_and_what_matters_to_it(
    studies: Callable[..., dict[str, PlannedStudy]],
) -> None:
    modules = studies(SPACE, "ablation=modules")
    assert modules.keys() == {
        f"modules: {row}" for row in ("full", "no_deformable", "deformable_only", "no_joint", "no_temporal")
    }
    assert set(modules["modules: full"].space) == set(SPACE)
    assert set(modules["modules: no_deformable"].space) == set(SPACE) - {"model.offset_range"}
    rgb_only = modules["modules: deformable_only"]
    assert set(rgb_only.space) == set(SPACE) - {"model.sigma"}, "no head reads a Gaussian there"
    depth = studies(SPACE, "ablation=depth")
    assert {frozenset(study.space) for study in depth.values()} == {frozenset(SPACE) - {"model.depth"}}


def test_trials_are_the_rows_own_training_on_the_validation_split(
    studies: Callable[..., dict[str, PlannedStudy]],
) -> None:
    study = studies(SPACE, "ablation=modules", "seeds=[3,4]")["modules: no_joint"]
    cell = study.trial_cell(7, {"model.depth": 2})
    assert cell.label == "modules: no_joint, mine trial 7, seed 3"
    assert (cell.config.data.split, d3d_model(cell.config).depth) == ("validation", 2)
    assert not d3d_model(cell.config).joint_attention
    tuned = study.tuned_cell("modules: no_joint", {"model.depth": 2}, 4)
    assert tuned.label == "modules: no_joint, tuned, seed 4"
    assert (tuned.config.data.split, d3d_model(tuned.config).depth, tuned.config.seed) == ("test", 2, 4)


def test_rows_that_leave_the_same_open_share_a_study(plan: Callable[..., Plan]) -> None:
    both = plan("ablation=all", "search=optuna")
    by_row = {(each.ablation.name, row): study.id for each in both.reports for row, study in each.studies.items()}
    assert by_row["full", "full model"] == by_row["modules", "full"] == by_row["test_frames", "frames 12"]
    assert by_row["modules", "full"] != by_row["modules", "no_joint"]
    assert len(both.studies) == len(set(by_row.values())) < len(by_row)
    assert {name for name, _ in by_row}.isdisjoint({"complexity", "baselines"}), "nothing is trained there"


def test_the_definition_of_a_study_is_all_that_its_trials_share(
    studies: Callable[..., dict[str, PlannedStudy]],
) -> None:
    same = studies(SPACE, "ablation=full")["full: full model"]
    assert json.loads(json.dumps(same.definition)) == same.definition, "Optuna keeps JSON"

    def id(*arguments: str, space: dict[str, Any] = SPACE) -> str:
        return studies(space, "ablation=full", *arguments)["full: full model"].id

    assert id("training.learning_rate=1e-3", "seeds=[0,1]", "search.trials=9") == same.id
    others = [
        id("training.epochs=7"), id("seeds=[1,0]"), id("search.name=other"), id("search.seed=1"),
        id("search.pruner=none"), id("search.pruner=none", "search.objectives=[top1,gmacs]"),
        id(space=SPACE | {"model.depth": {"int": [1, 3]}}),
    ]  # fmt: skip
    assert len({same.id, *others}) == 8


@pytest.mark.parametrize(
    ("space", "arguments", "words"),
    [
        ({"model.depth": {"int": [0, 2]}}, ["ablation=full"], "model.depth=0: must be at least 1 ("),
        ({"model.drop_path": {"float": [0, 1]}}, ["ablation=full"], "model.drop_path=1.0: must be in [0, 1) ("),
        ({"model.width": {"int": [2, 7]}}, ["ablation=full", "model.heads=8"], "must divide 4 × model.width = 12"),
        ({"model.norm": {"choices": ["pre", "post"]}}, ["ablation=full"], "model.norm=post: must be 'pre' or"),
        ({"model.depth": {"choices": ["two", 3]}}, ["ablation=full"], "model.depth=two: must be a valid integer"),
        ({"model.depth": {"int": [1, 3]}}, ["ablation=depth"], "no key of the search space makes a difference"),
        ({"model.offset_range": {"float": [0, 1]}}, ["ablation=modules"], "row no_deformable of modules"),
        (
            {"model.depth": {"int": [1, 3]}},
            ["ablation=full", "search.trials=4"],
            "the space has only 3 different points",
        ),
        (SPACE, ["ablation=complexity"], "complexity trains nothing to be tuned; leave it out"),
    ],
)
def test_a_space_that_does_not_suit_a_row_is_refused(
    space: dict[str, Any], arguments: list[str], words: str, studies: Callable[..., dict[str, PlannedStudy]]
) -> None:
    with pytest.raises(ConfigError) as caught:
        studies(space, *arguments)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_search_flips_clips_only_where_left_and_right_are_known(
    studies: Callable[..., dict[str, PlannedStudy]], dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = replace(dataset, skeleton=nameless(13))
    monkeypatch.setattr("d3d.bench.plan.planning.open_dataset", lambda config, cache: unknown)
    with pytest.raises(DataError, match=r"augmentation\.flip=true: "):
        studies({"augmentation.flip": {"choices": [True, False]}}, "ablation=full", "augmentation.flip=false")


def test_more_frames_than_the_clips_have_are_refused(studies: Callable[..., dict[str, PlannedStudy]]) -> None:
    with pytest.raises(DataError, match=r"training\.frames"):
        studies({"training.frames": {"choices": [12, 19]}}, "ablation=full")
