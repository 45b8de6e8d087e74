"""What docs/cluster.md tells to type, and what lies in cluster/, is accepted by the programs that are to read it."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow.cli import cli as mlflow_cli
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.scripts.scripts import cli as ray_cli

from d3d.bench.declare.compose import compose
from tests.chaos.processes import TIME_LIMIT, wait_for

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "cluster"
TEXT = (ROOT / "docs" / "cluster.md").read_text("utf-8")
COMMANDS = [
    line for block in re.findall(r"^```bash\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL) for line in block.splitlines()
]
TOKEN = "RAY_AUTH_MODE=token"


def commands(start: str) -> list[list[str]]:
    """The words after it, of each command that starts so."""
    return [shlex.split(line.removeprefix(start)) for line in COMMANDS if line.startswith(start)]


def composes(words: list[str], shared: Path = Path("/shared")) -> None:
    """Whether a launch on a cluster would be made of it."""
    assert words[:1] == ["orchestrate.py"] or Path(words[0]).name == "orchestrate.py"
    launch = compose(words[1:])
    assert launch.cluster.address and launch.tracking_uri.startswith("http://")
    assert launch.storage.is_relative_to(shared)


def test_every_command_is_of_a_kind_that_is_checked_here() -> None:
    known = (
        "(umask",
        "export ",
        ".venv/bin/",
        "docker build --file cluster/Dockerfile",
        "kubectl apply -f cluster/rayjob.yaml",
        "sbatch cluster/slurm.sbatch",
    )
    assert [line for line in COMMANDS if not line.startswith(known)] == []


@pytest.mark.parametrize("words", commands(".venv/bin/python "), ids=" ".join)
def test_a_launch_composes(words: list[str]) -> None:
    composes(words)


@pytest.mark.parametrize(("program", "cli"), [("ray", ray_cli), ("mlflow", mlflow_cli)])
def test_a_command_of_a_library_has_the_options_it_is_given(program: str, cli: Any) -> None:
    typed = commands(f".venv/bin/{program} ")
    assert len(typed) >= 2
    for name, *words in typed:
        cli.commands[name].make_context(name, words)


def test_ray_up_reads_its_yaml() -> None:
    declared = yaml.safe_load((FOLDER / "ray-up.yaml").read_text("utf-8"))
    validate_config(prepare_config(declared))
    for key in ("head_start_ray_commands", "worker_start_ray_commands"):
        for command in declared[key]:
            before, _, after = command.partition("/srv/d3d/.venv/bin/ray ")
            name, *words = shlex.split(after)
            ray_cli.commands[name].make_context(name, words)
            assert name == "stop" or TOKEN in before
    with pytest.raises(Exception, match="'workers' was unexpected"):
        validate_config(prepare_config(declared | {"workers": 3}))


def test_what_ray_up_is_told_to_run_composes_and_joins_with_the_token() -> None:
    [words] = [words for name, *words in commands(".venv/bin/ray ") if name == "exec"]
    before, _, after = words[1].partition(".venv/bin/python ")
    assert TOKEN in before
    composes(shlex.split(after))


def test_the_job_on_kubernetes_launches_with_tokens_on_nodes_that_share_the_storage() -> None:
    job = yaml.safe_load((FOLDER / "rayjob.yaml").read_text("utf-8"))
    cluster = job["spec"]["rayClusterSpec"]
    assert (job["apiVersion"], job["kind"], cluster["authOptions"]) == ("ray.io/v1", "RayJob", {"mode": "token"})
    composes(shlex.split(job["spec"]["entrypoint"])[1:])
    pinned = re.findall(r"^ray==(\S+)", (ROOT / "requirements" / "bench.txt").read_text("utf-8"), re.MULTILINE)
    assert [cluster["rayVersion"]] == pinned
    assert f"rayproject/ray:{pinned[0]}" in (FOLDER / "Dockerfile").read_text("utf-8")
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        [container] = pod["containers"]
        assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/shared"]
        assert [mount["name"] for mount in container["volumeMounts"]] == [volume["name"] for volume in pod["volumes"]]


STAND_IN = """#!{python}
import os, pathlib, signal, socket, sys, time
name, arguments = pathlib.Path(sys.argv[0]).name, sys.argv[1:]
if name == "srun":
    command = next(number for number, word in enumerate(arguments) if not word.startswith("--"))
    os.execv(arguments[command], arguments[command:])
if arguments[:2] == ["show", "hostnames"]:
    print("localhost\\nother")
    sys.exit()
if name == "python":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
with open("called", "a") as file:
    print(name, os.environ.get("RAY_AUTH_MODE"), os.environ.get("RAY_AUTH_TOKEN"), *arguments, file=file)
words = dict(zip(arguments, arguments[1:])) | dict(word.split("=", 1) for word in arguments if "=" in word)
if "--port" in words:
    listener = socket.create_server(("localhost", int(words["--port"])))
    time.sleep(600)
if name == "python" and os.environ.get("BUSY"):
    time.sleep(600)
"""


@contextmanager
def submitted(folder: Path, **more: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """The script as SLURM would run it, with stand-ins for all that it calls, and the file in which they say how."""
    (folder / ".venv" / "bin").mkdir(parents=True)
    for name in (".venv/bin/ray", ".venv/bin/mlflow", ".venv/bin/python", "srun", "scontrol"):
        (folder / name).write_text(STAND_IN.format(python=sys.executable))
        (folder / name).chmod(0o755)
    environment = os.environ | more | {
        "PATH": f"{folder}:{os.environ['PATH']}", "SLURM_SUBMIT_DIR": str(folder), "SLURM_JOB_NODELIST": "two",
        "SLURM_JOB_ID": str(free_job()), "SLURM_JOB_NUM_NODES": "2", "SLURM_CPUS_PER_TASK": "16",
        "STORAGE": f"{folder}/results",
    }  # fmt: skip
    arguments = shlex.split(next(line for line in COMMANDS if line.startswith("sbatch ")))[2:]
    script = subprocess.Popen(
        ["bash", FOLDER / "slurm.sbatch", *arguments], env=environment, cwd=folder, start_new_session=True
    )
    try:
        yield script, folder / "called"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(script.pid, signal.SIGKILL)  # SLURM ends what a job leaves running
        script.wait()


def test_the_sbatch_script_starts_a_server_and_the_nodes_and_launches(tmp_path: Path) -> None:
    with submitted(tmp_path) as (script, called):
        assert script.wait(timeout=TIME_LIMIT) == 0
    calls = [line.split() for line in called.read_text().splitlines()]
    assert len({token for _, _, token, *_ in calls}) == 1 and len(calls[0][2]) == 64
    assert {mode for _, mode, *_ in calls} == {"token"}
    heard = {name: words for name, _, _, *words in calls}
    composes(heard["python"], tmp_path)
    mlflow_cli.commands[heard["mlflow"][0]].make_context("server", heard["mlflow"][1:])
    for name, _, _, command, *words in calls:
        if name == "ray":
            ray_cli.commands[command].make_context(command, words)
    launch = compose(heard["python"][1:])
    joined = [word for name, *words in calls if name == "ray" for word in words if word.startswith("--address=")]
    assert joined == [f"--address={launch.cluster.address}"]


def test_before_the_time_of_the_sbatch_script_is_up_the_launch_is_ended_and_the_job_queues_again(
    tmp_path: Path,
) -> None:
    with submitted(tmp_path, BUSY="1") as (script, called):
        wait_for(lambda: called.exists() and "\npython " in called.read_text(), "the launch")
        script.send_signal(signal.SIGUSR1)
        assert script.wait(timeout=TIME_LIMIT) == 0
    assert called.read_text().splitlines()[-1].split()[3] == "requeue"


def free_job() -> int:
    """The number of a job whose ports nobody listens on."""
    for number in range(os.getpid() % 10000, 10000):
        if all(socket.socket().connect_ex(("localhost", base + number)) for base in (20000, 30000)):
            return number
    raise AssertionError("every port is taken")
