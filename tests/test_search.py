"""A search, run as a user runs it, killed without a word in the middle of it, and run again."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import optuna
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from optuna.trial import TrialState

from d3d.bench.database import sqlite_uri
from d3d.bench.record.run_files import files_of, read_file
from d3d.bench.record.schema import DATABASE, EXPERIMENT, File
from d3d.bench.search.study_storage import StudyStorage
from tests.test_orchestrate import COMMAND, MINE, User, steps

SEARCH = """
title: the learning rate
cost: seconds
trials: 2
space:
  training.learning_rate: {float: [1.0e-4, 1.0e-2], log: true}
"""
SETTING = ["preset=smoke", "data.clips=90", "training.epochs=3", "resources.cpus=1"]
LAUNCH = ["ablation=mine.yaml", "search=rate.yaml", *SETTING]
NAMES = {row: f"mine: {row}, smoke, synthetic, files, rate" for row in ("narrow", "wide")}


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path)


def runs(storage: Path, kind: str) -> list[Run]:
    client = MlflowClient(f"sqlite:///{storage / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], f"tags.kind = '{kind}'"))


def trials(storage: Path) -> dict[str, list[optuna.trial.FrozenTrial]]:
    studies = StudyStorage(storage).storage
    names = optuna.get_all_study_names(studies)
    return {name: optuna.load_study(study_name=name, storage=studies).trials for name in names}


def kill_in_the_search(user: User) -> list[str]:
    """Starts the launch and ends it, with all of its processes, when a trial is done. Returns what it printed."""
    process = subprocess.Popen(
        [*COMMAND, *LAUNCH],
        cwd=user.folder, env=user.environment, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    shown = []
    for line in process.stdout:
        shown.append(line)
        if "(1/4 done" in line:
            break
    child = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0]
    environment = Path(f"/proc/{child}/environ").read_bytes().decode().split("\0")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    [temporary] = [line.removeprefix("TMPDIR=") for line in environment if line.startswith("TMPDIR=/tmp/d3d-")]
    shutil.rmtree(temporary, ignore_errors=True)  # which a launch that is killed cannot do
    return shown


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds the temporary folder of a launch in /proc")
def test_a_search_is_killed_and_continued_to_exactly_its_budget(user: User) -> None:
    storage = user.folder / "results"
    (user.folder / "mine.yaml").write_text(MINE)
    (user.folder / "rate.yaml").write_text(SEARCH)

    shown = kill_in_the_search(user)
    assert any("search rate: 2 studies of 2 trials, 0 done, 4 to run" in line for line in shown), shown
    before = {  # a trial can be killed before it has any setting
        name: {each.number: each.params for each in own if each.params} for name, own in trials(storage).items()
    }
    assert set(before) <= set(NAMES.values())

    done = user.run(*LAUNCH)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    after = trials(storage)
    assert after.keys() == set(NAMES.values())
    of_cells = runs(storage, "cell")
    searched = {(run.data.tags["study"], run.data.tags["trial"]): run for run in of_cells if "study" in run.data.tags}
    for name, own in after.items():
        assert [each.number for each in own] == [0, 1]
        assert before.get(name, {}).items() <= {each.number: each.params for each in own}.items()
        for each in own:
            run = searched.pop((name, str(each.number)))
            pruned = each.state == TrialState.PRUNED
            assert each.state in (TrialState.COMPLETE, TrialState.PRUNED)
            assert run.info.status == ("KILLED" if pruned else "FINISHED")
            assert steps(storage, run) == list(range(1, each.user_attrs["epochs"] + 1))
    assert searched == {}
    assert len({run.data.tags["cell"] for run in of_cells}) == len(of_cells)

    [report] = runs(storage, "report")
    uri = sqlite_uri(storage / DATABASE)
    plan = json.loads(read_file(report, uri, File.PLAN))
    assert {row: study["trials"] for row, study in plan["tuned"]["studies"].items()} == {"narrow": 2, "wide": 2}
    finished = {run.data.tags["cell"]: run.data.tags for run in of_cells if run.info.status == "FINISHED"}
    for point in plan["tuned"]["points"]:
        assert finished[point["cell"]]["tuned"] == NAMES[point["row"]]
    pictures = {Path(each.path).name for each in files_of(report, uri).list_artifacts(File.SEARCH)}
    assert {"mine_narrow-history.png", "mine_wide-history.png"} <= pictures
    assert "tuned" in done.stdout
    assert sorted(path.name for path in storage.iterdir() if not path.name.startswith((".", "mlflow", "optuna"))) == [
        "artifacts", "cells", "data", "logs", "tables",
    ]  # fmt: skip
    assert not list(user.home.iterdir())
