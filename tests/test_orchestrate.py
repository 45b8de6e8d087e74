"""The command, run as a user runs it: in a process of its own, from a folder that is not the project's."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from experiments.declarations import ablations, choices
from experiments.track import EXPERIMENT

COMMAND = [sys.executable, str(Path(__file__).parents[1] / "orchestrate.py")]
MINE = """
title: two windows
section: none
command: python orchestrate.py ablation=mine.yaml
cost: seconds
grids:
  - model.temporal_window: [4, 6]
    model.temporal_stride: [2]
"""
LAUNCH = ["ablation=mine.yaml", "preset=smoke", "data.clips=30", "training.epochs=3", "resources.cpus=1"]


class User:
    """Someone with an empty home and an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.home, self.folder = folder / "home", folder / "folder"
        self.home.mkdir()
        self.folder.mkdir()
        drop = ("RAY", "MLFLOW", "TUNE", "MPL", "XDG", "PYTEST")
        environment = {key: value for key, value in os.environ.items() if not key.startswith(drop)}
        self.environment = environment | {"HOME": str(self.home), "OMP_NUM_THREADS": "1"}

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        process = self.start(*arguments)
        out, err = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path)


def cells(storage: Path) -> dict[str, Run]:
    """The cell runs of a record, by name."""
    client = MlflowClient(f"sqlite:///{storage / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], "tags.kind = 'cell'")
    assert len({run.info.run_name for run in runs}) == len(runs)
    return {str(run.info.run_name): run for run in runs}


def steps(storage: Path, run: Run) -> list[int]:
    history = MlflowClient(f"sqlite:///{storage / 'mlflow.db'}").get_metric_history(run.info.run_id, "test_top1")
    return [metric.step for metric in history]


def test_a_launch_is_interrupted_continued_and_not_run_twice(user: User) -> None:
    storage = user.folder / "results"
    (user.folder / "mine.yaml").write_text(MINE)
    first, second = (f"temporal window {window}, temporal stride 2, seed 0" for window in (4, 6))

    process = user.start(*LAUNCH)
    assert process.stdout is not None
    shown = []
    for line in process.stdout:
        shown.append(line)
        if "(1/2 done" in line:
            process.send_signal(signal.SIGINT)
            break
    rest, err = process.communicate()
    assert process.returncode == 130, (shown, rest, err)
    assert err.strip() == f"interrupted; to continue: python orchestrate.py {' '.join(LAUNCH)}"
    before = cells(storage)
    assert before[first].info.status == "FINISHED"
    assert all(run.info.status in ("FINISHED", "KILLED") for run in before.values())

    done = user.run(*LAUNCH)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 points, 2 distinct cells, 1 finished" in done.stdout
    after = cells(storage)
    assert after[first].info.end_time == before[first].info.end_time, "it was not trained again"
    assert after[second].info.status == "FINISHED"
    assert [steps(storage, run) for run in after.values()] == [[1, 2, 3]] * 2
    assert sorted(path.name for path in (storage / "cells").iterdir()) == sorted(
        run.data.tags["cell"] for run in after.values()
    )

    again = user.run(*LAUNCH)
    assert (again.returncode, again.stderr) == (0, "")
    assert "2 distinct cells, 2 finished" in again.stdout
    assert {name: run.info.end_time for name, run in cells(storage).items()} == {
        name: run.info.end_time for name, run in after.items()
    }
    assert again.stdout.partition("top-1")[2] == done.stdout.partition("top-1")[2] != ""

    assert sorted(path.name for path in user.folder.iterdir()) == ["mine.yaml", "results"]
    assert not list(user.home.iterdir())


def test_a_dry_run_plans_and_starts_nothing(user: User) -> None:
    done = user.run("ablation=stride_grid", "preset=smoke", "data.clips=30", "dry_run=true")
    assert (done.returncode, done.stderr) == (0, "")
    assert "25 points, 16 distinct cells, 0 finished, 1 shared with full" in done.stdout
    assert "16 to train" in done.stdout
    assert [path.name for path in (user.folder / "results").iterdir()] == ["data"], "the plan needs the data's digest"
    assert not list(user.home.iterdir())


def test_help_lists_what_there_is_and_what_it_costs(user: User) -> None:
    done = user.run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    said = " ".join(done.stdout.split())
    for ablation in ablations().values():
        assert ablation.name in said
        assert ablation.title in said
        assert f"makes {ablation.artefact or 'no table'}" in said
    for choice in [*choices("preset").values(), *choices("data").values()]:
        assert choice.cost in said
    assert done.stdout.count("  python orchestrate.py ablation=") == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "ablation="),
        (["ablation=strid_grid"], "did you mean stride_grid"),
        (["ablation=full", "model.widht=3"], "did you mean model.width"),
        (["ablation=full", "resources.cpus=100000"], "this machine has"),
        (["ablation=full", "storage=/dev/null/results"], "cannot be written"),
        (["ablation=full", "data=penn_action", "data.root=."], "no labels"),
        (["ablation=mine.yaml"], "cannot be read"),
    ],
)
def test_bad_input_is_one_line_and_starts_nothing(user: User, arguments: list[str], words: str) -> None:
    done = user.run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(user.folder.iterdir())
    assert not list(user.home.iterdir())


def test_an_artefact_nobody_makes_is_refused_before_anything_is_trained(user: User) -> None:
    (user.folder / "mine.yaml").write_text(f"{MINE}artefact: figure9\n")
    done = user.run("ablation=mine.yaml")
    assert done.returncode == 2
    assert "figure9" in done.stderr
    assert [path.name for path in user.folder.iterdir()] == ["mine.yaml"]
