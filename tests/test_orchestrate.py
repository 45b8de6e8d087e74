"""The command, run as a user runs it: in a process of its own, from a folder that is not the project's."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from PIL import Image
from rich.console import Console

from d3d.analysis.complexity import Complexity
from d3d.bench.declare.ablations import ablations, choices
from d3d.bench.declare.compose import compose
from d3d.bench.declare.searches import searches
from d3d.bench.plan.planning import Plan, make_plan
from d3d.bench.record.provenance import read_code
from d3d.bench.record.schema import EXPERIMENT
from d3d.bench.record.tracking import finished_cells, prepare
from d3d.bench.run.execute import Execution
from d3d.bench.run.progress import Ended
from d3d.command import main
from tests.data.penn_files import write_label, write_root

COMMAND = [sys.executable, str(Path(__file__).parents[1] / "orchestrate.py")]
MINE = """
title: two windows, and one of them tested with fewer frames
section: none
command: python orchestrate.py ablation=mine.yaml
cost: seconds
claims: [wide ~ wide at 8 frames]
rows:
  - {label: narrow, settings: {model.temporal_window: 4}}
  - {label: wide, settings: {model.temporal_window: 8}}
  - {label: wide at 8 frames, settings: {model.temporal_window: 8, evaluation.frames: 8}}
"""
SETTLED = """
title: a claim that a few clips cannot settle, and one that nothing can
section: none
command: python orchestrate.py ablation=settled.yaml
cost: seconds
claims: [a > b, c > the same as c]
rows:
  - {label: a, settings: {model.temporal_window: 4}}
  - {label: b, settings: {model.temporal_window: 6}}
  - {label: c, settings: {model.temporal_window: 12}}
  - {label: the same as c, settings: {model.temporal_window: 13}}
"""
LAUNCH = ["ablation=mine.yaml", "preset=smoke", "data.clips=30", "training.epochs=3", "resources.cpus=1"]


def _heed_signals() -> None:
    """In a new process: what a shell starts with & ignores SIGINT, and what nohup starts SIGHUP."""
    for each in (signal.SIGINT, signal.SIGHUP):
        signal.signal(each, signal.SIG_DFL)


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
            preexec_fn=_heed_signals,
        )  # fmt: skip

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        process = self.start(*arguments)
        out, err = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path)


Here = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def here(user: User, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Here:
    """Carries out a command of the user in this process: what starts nothing needs no process of its own."""
    monkeypatch.chdir(user.folder)
    monkeypatch.setenv("HOME", str(user.home))

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        status, said = main(arguments), capfd.readouterr()
        return subprocess.CompletedProcess(arguments, status, said.out, said.err)

    return run


def cells(storage: Path) -> dict[str, Run]:
    """The cell runs of a record, by name."""
    client = MlflowClient(f"sqlite:///{storage / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], "tags.kind = 'cell'")
    assert len({run.info.run_name for run in runs}) == len(runs)
    return {str(run.info.run_name): run for run in runs}


def steps(storage: Path, run: Run) -> list[int]:
    history = MlflowClient(f"sqlite:///{storage / 'mlflow.db'}").get_metric_history(run.info.run_id, "eval_top1")
    return [metric.step for metric in history]


def test_a_launch_is_interrupted_continued_and_not_run_twice(user: User, here: Here) -> None:
    storage = user.folder / "results"
    (user.folder / "mine.yaml").write_text(MINE)
    (user.folder / "queue.py").write_text("raise ImportError('a file of the user, named as a library')")
    first, second, test = (f"mine: {row}, seed 0" for row in ("narrow", "wide", "wide at 8 frames"))

    process = user.start(*LAUNCH)
    assert process.stdout is not None
    shown = []
    for line in process.stdout:
        shown.append(line)
        if "(1/3 done" in line:
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
    assert "3 points, 3 distinct cells, 1 finished" in done.stdout
    after = cells(storage)
    assert after[first].info.end_time == before[first].info.end_time, "it was not trained again"
    assert {run.info.status for run in after.values()} == {"FINISHED"}
    assert {name: steps(storage, run) for name, run in after.items()} == {
        first: [1, 2, 3], second: [1, 2, 3], test: [],
    }  # fmt: skip
    assert after[test].data.tags["trained"] == after[second].data.tags["cell"]
    assert sorted(path.name for path in (storage / "cells").iterdir()) == sorted(
        after[training].data.tags["cell"] for training in (first, second)
    )
    folders = list((storage / "tables").iterdir())
    assert len(folders) == 2 and storage / "tables" / "latest" in folders
    for folder in folders:
        assert sorted(path.name for path in folder.iterdir()) == [
            "mine.csv",
            "mine.md",
            "mine.tex",
            "mine.txt",
            "mine_tabular.tex",
        ]

    again = here(LAUNCH[0], "-q", *LAUNCH[1:])
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout.startswith("top-1 in %\n"), "no more than the summary"
    log = (storage / "logs" / "mine.log").read_text("utf-8")
    assert log.count(f"  $ python orchestrate.py {' '.join(LAUNCH)}\n") == 3
    assert "  interrupted\n" in log and "3 distinct cells, 3 finished" in log
    assert {name: run.info.end_time for name, run in cells(storage).items()} == {
        name: run.info.end_time for name, run in after.items()
    }
    assert again.stdout.partition("top-1")[2] == done.stdout.partition("top-1")[2] != ""

    assert sorted(path.name for path in user.folder.iterdir()) == ["mine.yaml", "queue.py", "results"]
    assert not list(user.home.iterdir())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a few megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("takes the right to mount a disk")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)  # what Ray started may end a moment after its launch


def test_a_full_disk_stops_a_launch_which_goes_on_when_there_is_room(user: User, small_disk: Path) -> None:
    storage = small_disk / "results"
    arguments = ["ablation=full", "preset=smoke", "data.clips=30", "training.epochs=3", "resources.cpus=1"]
    launch = [*arguments, f"storage={storage}"]
    make_plan(compose(launch))  # makes the data
    prepare(f"sqlite:///{storage / 'mlflow.db'}", storage)
    filler, page = small_disk / "filler", 2**12
    with filler.open("wb") as file:
        room = shutil.disk_usage(small_disk).free
        file.write(bytes(room - 64 * page))

    stopped = user.run(*launch)
    assert stopped.returncode == 2, stopped
    assert stopped.stderr.startswith("error: no room on the disk (")
    assert stopped.stderr.endswith("; free some space and run the same command again\n")
    assert stopped.stderr.count("\n") == 1

    filler.unlink()
    done = user.run(*launch)
    assert (done.returncode, done.stderr) == (0, "")
    [run] = cells(storage).values()
    assert run.info.status == "FINISHED"
    assert steps(storage, run) == [1, 2, 3]
    assert not list(user.home.iterdir())


def test_a_launch_that_settles_runs_more_seeds_of_the_rows_whose_claims_are_open_alone(user: User, here: Here) -> None:
    (user.folder / "settled.yaml").write_text(SETTLED)
    few = [*LAUNCH[1:3], "training.epochs=1", "resources.cpus=1"]
    launch = ["ablation=settled.yaml", *few, "seeds=settle", "seeds.most=4", "storage=s"]
    first = user.run(*launch)
    assert first.returncode == 0, first.stderr
    assert "seeds 0, 1, 2, and up to 4 of a row until its claims are settled" in first.stdout
    assert "while claims are open, 4 seeds: at most 2 more to train" in first.stdout
    assert "settled: of 2 claims 1 inconclusive, 1 not tested" in first.stdout
    finished = cells(user.folder / "s")
    seeds = {label: {run.data.tags["seed"] for name, run in finished.items() if label in name} for label in "abc"}
    assert seeds == {"a": set("0123"), "b": set("0123"), "c": set("012")}, "no claim that can be settled is of c"

    again = here(*launch, "dry_run=true")
    assert "14 points, 11 distinct cells, 11 finished" in again.stdout
    [needed] = [line for line in again.stdout.splitlines() if line.startswith("a > b: inconclusive: ")]
    assert "seeds" in needed
    rebuilt = here(*launch)
    assert rebuilt.returncode == 0
    assert {name: run.info.end_time for name, run in cells(user.folder / "s").items()} == {
        name: run.info.end_time for name, run in finished.items()
    }


def test_a_dry_run_plans_and_starts_nothing(user: User, here: Here) -> None:
    done = here("run", "ablation=stride_grid", "preset=smoke", "data.clips=30", "dry_run=true")
    assert (done.returncode, done.stderr) == (0, "")
    assert "25 points, 16 distinct cells, 0 finished, 1 shared with 14 other ablations" in done.stdout
    assert "16 to train" in done.stdout
    assert [path.name for path in (user.folder / "results").iterdir()] == ["data"], "the plan needs the data's digest"
    assert not list(user.home.iterdir())


def test_help_lists_what_there_is_and_what_it_costs(here: Here) -> None:
    done = here("--help")
    assert (done.returncode, done.stderr) == (0, "")
    said = " ".join(done.stdout.split())
    for ablation in ablations().values():
        assert ablation.name in said
        assert ablation.title in said
        assert f"makes {', '.join(ablation.artefacts) or 'no table'}" in said
    for choice in (choice for group in ("preset", "data", "model") for choice in choices(group).values()):
        assert choice.cost in said
    for search in searches().values():
        assert search.cost in said
    assert done.stdout.count("  python orchestrate.py ablation=") == 4


def test_the_help_of_an_ablation_has_its_rows_and_claims(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ablation=modules", "preset=small", "--help"]) == 0
    said = capsys.readouterr().out
    modules = ablations()["modules"]
    assert modules.title in said.replace("\n", " ") and modules.cost in said
    for text in (*modules.claims, *(row.label for row in modules.rows), "model.joint_attention=False"):
        assert text in said
    assert "config ablation=modules preset=small prints every key with its value." in said


@pytest.mark.parametrize("command", ["tables", "report", "status", "compare", "clean", "predict"])
def test_a_command_with_keys_of_its_own_has_a_help_of_its_own(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{command} ") and "\nkeys:\n" in said and "storage=" in said


def test_running_one_cell_has_a_help_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "cell=c1", "--help"]) == 0
    assert capsys.readouterr().out.startswith("run cell=ID ")


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert re.fullmatch(r"d3d \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_bad_input_ends_the_process_before_anything_is_started(user: User) -> None:
    done = user.run("ablation=strid_grid")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ablation=strid_grid: ") and done.stderr.count("\n") == 1
    assert not list(user.folder.iterdir())
    assert not list(user.home.iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "ablation="),
        (["ablation=strid_grid"], "did you mean stride_grid"),
        (["ablation=full", "model.widht=3"], "did you mean model.width"),
        (["ablation=full", "training.lr=0.1"], "did you mean training.learning_rate?"),
        (["ablation=full", "epochs=3"], "did you mean training.epochs?"),
        (["ablation=full", "device=cuda"], "a GPU is used where there is one, and resources.gpus_per_cell=0 uses none"),
        (["ablation=full", "seeds=0,1,2"], "write seeds=[0,1,2]"),
        (["ablation=full", "-q", "-v"], "leave one of them out"),
        (["-q", "status"], "status: prints the same with -q and -v"),
        (["stride_grid"], "stride_grid: is no command; did you mean ablation=stride_grid?"),
        (["cast", "preset=smoke"], "cast: is no command; did you mean ablation=cast?"),
        (["ablation=modules,tokens"], "a launch has one ablation, or one of the groups all and cast"),
        (["ablation=full", "tracking.uri=http://127.0.0.1:9"], "nothing answers there (Connection refused)"),
        (["status", "tracking.uri=http://127.0.0.1:9"], "nothing answers there (Connection refused)"),
        (["ablation=strid_grid", "--help"], "did you mean stride_grid"),
        (["ablation=full", "resources.cpus=9999"], "this machine has"),
        (["ablation=full", "storage=/dev/null/results"], "cannot be written"),
        (["ablation=full", "data=penn_action", "data.root=."], "no labels"),
        (["ablation=mine.yaml"], "cannot be read"),
        (["chekc", "data=penn_action"], "unknown command (did you mean check?); there are: run, config, check, show"),
        (["check", "ablation=full"], "check reads data and trains nothing"),
        (["check", "data=penn_action"], "data.root is not set"),
        (["show", "data=penn_action", "data.root=."], "clip= is missing"),
        (["check", "clip=0001"], "clip=0001: only the command `show` takes this key"),
        (
            ["check", "data=pyskl", "data.annotations=a.pkl", "data.skeleton=h36m"],
            "data.skeleton=h36m: unknown skeleton",
        ),
        (["ablation=full", "data.skeleton=coco"], "synthetic has a skeleton of its own; leave it out"),
    ],
)
def test_bad_input_is_one_line_and_starts_nothing(user: User, here: Here, arguments: list[str], words: str) -> None:
    done = here(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(user.folder.iterdir())
    assert not list(user.home.iterdir())


def test_check_says_what_a_dataset_holds_and_lists_all_that_is_broken(user: User, here: Here) -> None:
    root = write_root(user.folder / "penn")
    arguments = [
        "check",
        "data=penn_action",
        f"data.root={root}",
        "training.frames=6",
        "data.resize=30",
        "data.crop=24",
    ]
    done = user.run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    for line in ("clips          4: 2 to train on, 2 to test on", "frames         24; 6 to 6 a clip, median 6"):
        assert line in done.stdout
    for line in ("image sizes    81×60 in 4 clips", "joints         13 a person, 0.0 % of them invisible"):
        assert line in done.stdout
    assert "broken         nothing" in done.stdout and "digest" in done.stdout
    for id in ("0001", "0003"):
        (root / "frames" / id / "000002.jpg").unlink()
    broken = here(*arguments, "resources.cpus=1")
    assert (broken.returncode, broken.stderr) == (1, "")
    for id in ("0001", "0003"):
        assert f"  clip {id}: {root}/frames/{id}/000002.jpg is not there\n" in broken.stdout
    for number in range(10, 40):
        write_label(root, f"{number:04d}", {"action": "none"})
    many = here(*arguments, "resources.cpus=1", "storage=kept")
    assert many.returncode == 1
    listed = (user.folder / "kept" / "checks" / "penn_action.txt").read_text().splitlines()
    assert len(listed) == 32 and "… 12 more; all of them: " in many.stdout
    assert sorted(path.name for path in user.folder.iterdir()) == ["kept", "penn"]
    assert not list(user.home.iterdir())


def test_a_pickle_that_would_run_something_is_broken_and_runs_nothing(user: User, here: Here) -> None:
    (user.folder / "evil.pkl").write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    arguments = ["data=pyskl", "data.annotations=evil.pkl", "data.frames=rendered"]
    checked, launched = here("check", *arguments), here("ablation=full", *arguments)
    assert (checked.returncode, launched.returncode) == (1, 2)
    assert "evil.pkl" in checked.stdout and "evil.pkl" in launched.stderr
    assert [path.name for path in user.folder.iterdir()] == ["evil.pkl"]


def test_show_writes_a_contact_sheet_and_says_where(user: User, here: Here) -> None:
    root = write_root(user.folder / "penn")
    done = here("show", "clip=0002", "data=penn_action", f"data.root={root}", "training.frames=6")
    assert (done.returncode, done.stderr) == (0, "")
    path = user.folder / "results" / "sheets" / "penn_action-files-0002.png"
    assert done.stdout == f"{path}\n"
    with Image.open(path) as sheet:
        assert sheet.width == 4 * 320


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{MINE}artefact: figure7\n", "mine.yaml: artefact figure7: unknown artefact (did you mean figure7"),
        (f"{MINE}artefact: figure7b\n", "artefact figure7b: row narrow has no number of training.frames, its axis"),
        (
            MINE.replace("model.temporal_window: 4", "measurement.module: joint"),
            "artefact mine: row narrow measures a module and has no top-1",
        ),
    ],
)
def test_an_artefact_that_cannot_be_made_is_refused_before_anything_is_trained(
    user: User, here: Here, text: str, words: str
) -> None:
    (user.folder / "mine.yaml").write_text(text)
    done = here("ablation=mine.yaml")
    assert done.returncode == 2 and words in done.stderr
    assert [path.name for path in user.folder.iterdir()] == ["mine.yaml"]


def test_a_table_that_misses_cells_is_a_failure_until_they_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured: list[int] = []

    def execute(plan: Plan, finished: Mapping[str, Run], console: Console) -> Execution:
        """Measures as many cells as it is told to, in no time."""
        record = prepare(plan.launch.tracking_uri, plan.launch.storage)
        with record.reports(plan):
            for cell in plan.cells[: measured[-1]]:
                record.begin(cell, {"code_digest": "c0de"}).end(asdict(Complexity(1, 1, 1, 1.0, 1.0)))
        return Execution(plan, record, Ended(), finished_cells(plan))

    monkeypatch.setattr("d3d.bench.run.execute.execute", execute)
    for count, status in ((1, 1), (100, 0)):
        measured.append(count)
        assert main(["ablation=complexity", "preset=smoke", f"storage='{tmp_path}'"]) == status
        said = capsys.readouterr().out
        assert ("missing: joint, joints 50, full" in said) == bool(status)
        [path] = (tmp_path / "tables").glob("complexity-smoke-synthetic-files-*/tableA2.csv")
        assert f"{path}, .md, .tex, _tabular.tex, .txt\n" in said
        latest = tmp_path / "tables" / "latest"
        assert (latest / "tableA2.csv").exists() == (not status)
        assert (f"complete tables and figures, under fixed names: {latest}\n" in said) == (not status)


def test_a_list_of_equivalent_code_with_an_unknown_digest_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, storage = tmp_path / "list.yaml", tmp_path / "storage"
    path.write_text('training of d3d: {equivalent: [["0123456789abcdef"]]}')
    monkeypatch.setattr("d3d.bench.plan.planning.current_code", lambda own: read_code(path, own))
    assert main(["ablation=full", "preset=smoke", f"storage='{storage}'"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {path}: training of d3d: 0123456789abcdef: is neither the code of a release")
    assert said.count("\n") == 1
    assert not storage.exists()
