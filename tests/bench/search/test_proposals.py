import itertools
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from d3d.bench.declare.ablations import Value
from d3d.bench.declare.search_space import Choices, Real, Space, Whole
from d3d.bench.search.proposals import Proposals

SPACE: Space = {
    "training.learning_rate": Real(1e-4, 1e-2, log=True),
    "model.depth": Whole(1, 7, 2),
    "model.norm": Choices(("pre", "printed")),
}
RECIPE: dict[str, Value] = {"training.learning_rate": 2e-3, "model.depth": 2, "model.norm": "pre"}
Points = list[dict[str, Any]]


def study() -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(direction="maximize")


def propose(study: optuna.Study, trials: int, seed: int = 0, space: Space = SPACE) -> Points:
    """Asks with a sampler of its own, as every launch does, and tells what each point is worth."""
    proposals = Proposals(space, {key: RECIPE[key] for key in space}, seed)
    study.sampler = proposals
    points = []
    for _ in range(trials):
        trial = study.ask(proposals.distributions)
        assert proposals.number == trial.number
        points.append(trial.params)
        study.tell(trial, trial.params.get("training.learning_rate", 1) * trial.params.get("model.depth", 1))
    return points


def test_the_first_is_the_recipe_where_the_space_has_it() -> None:
    first = propose(study(), 1)[0]
    assert (first["training.learning_rate"], first["model.norm"]) == (2e-3, "pre")
    assert first["model.depth"] in (1, 3, 5, 7)


def test_a_study_in_pieces_proposes_what_a_whole_one_does() -> None:
    whole = propose(study(), 14)  # ten random ones, then TPE's
    pieces = study()
    assert [point for trials in (1, 3, 7, 3) for point in propose(pieces, trials)] == whole
    assert len({str(point) for point in whole}) == 14
    assert propose(study(), 14, seed=1)[1:] != whole[1:]


def test_values_are_of_their_range() -> None:
    for point in propose(study(), 12):
        assert 1e-4 <= point["training.learning_rate"] <= 1e-2
        assert point["model.depth"] in (1, 3, 5, 7)
        assert point["model.norm"] in ("pre", "printed")


@pytest.mark.parametrize("directions", [["maximize"], ["maximize", "minimize"]])
def test_every_point_of_a_finite_space_is_proposed_once(directions: list[Any]) -> None:
    space: Space = {"model.depth": Whole(1, 7, 1), "model.norm": Choices(("pre", "printed"))}
    proposals = Proposals(space, {key: RECIPE[key] for key in space}, seed=0)
    begun = optuna.create_study(directions=directions, sampler=proposals)
    points = []
    for number in range(14):
        trial = begun.ask(proposals.distributions)
        points.append(tuple(trial.params.values()))
        if number % 3:
            begun.tell(trial, [1.0] * len(directions))
        else:
            begun.tell(trial, state=TrialState.FAIL)
    assert sorted(points) == sorted(itertools.product(range(1, 8), ("pre", "printed")))
