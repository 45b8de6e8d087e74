"""Who can connect to what a user starts here: this machine alone, seen in the sockets that the processes listen on."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests
from optuna.storages import RDBStorage

from d3d.bench.database import sqlite_uri
from d3d.bench.record.run_files import write_file
from d3d.bench.record.tracking import prepare
from tests.test_orchestrate import LAUNCH, MINE, User, cells

ROOT = Path(__file__).parents[1]
VENV = Path(sys.prefix)
FENCE = 300  # seconds, which no server takes to start
pytestmark = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="looks at sockets in /proc")


def tree(root: int) -> set[int]:
    """A process and all that came of it."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended
            continue
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def sockets() -> dict[str, tuple[str, int]]:
    """The address and port of every socket that listens, by inode."""
    found = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == "0A":
                host, port = local.split(":")
                words = [bytes.fromhex(host[start : start + 8])[::-1] for start in range(0, len(host), 8)]
                address = ip_address(b"".join(words))
                if isinstance(address, IPv6Address) and address.ipv4_mapped:
                    address = address.ipv4_mapped
                found[inode] = (str(address), int(port, 16))
    return found


def listening(root: int) -> dict[tuple[str, int], str]:
    """What a process and its descendants listen on, and which of them does."""
    there = sockets()
    found: dict[tuple[str, int], str] = {}
    for pid in tree(root):
        try:
            name = Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0]
            links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
        except OSError:  # it has ended
            continue
        inodes = [link.removeprefix("socket:[").removesuffix("]") for link in links if link.startswith("socket:[")]
        found |= {there[inode]: Path(name).name for inode in inodes if inode in there}
    return found


def environment(pid: int) -> set[str]:
    """The variables a process was started with; none of one that has ended, or whose title was written over them.

    That is every worker of Ray's, whose variables are those of its raylet.
    """
    try:
        if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::"):
            return set()
        text = Path(f"/proc/{pid}/environ").read_bytes().decode()
    except OSError:
        return set()
    return set(filter(None, text.split("\0")))


def elsewhere(found: dict[tuple[str, int], str]) -> dict[tuple[str, int], str]:
    """Those that another machine reaches."""
    return {place: name for place, name in found.items() if not ip_address(place[0]).is_loopback}


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path)


def test_a_launch_and_its_workers(user: User) -> None:
    """Ray's processes listen on loopback, know the token, and report nothing.

    When the terminal is closed, no run stays RUNNING, and no file and no token is left on the disk.
    """
    (user.folder / "mine.yaml").write_text(MINE)
    place = user.home.parent / "ray"
    place.mkdir()
    user.environment |= {"RAY_TMPDIR": str(place), "PYTHONWARNINGS": "error"}
    long = [word.replace("epochs=3", "epochs=3000") for word in LAUNCH]  # so that it lasts until the signal
    process = user.start(*long)
    assert process.stdout is not None
    for line in process.stdout:
        if ": epoch " in line:
            break
    found = listening(process.pid)
    started = {pid: known for pid in tree(process.pid) - {process.pid} if (known := environment(pid))}
    process.send_signal(signal.SIGHUP)
    _, err = process.communicate()
    assert process.returncode == 130, err
    assert {"gcs_server", "raylet"} <= set(found.values())
    assert elsewhere(found) == {}
    wanted = {"RAY_AUTH_MODE=token", "RAY_USAGE_STATS_ENABLED=0", "MLFLOW_DISABLE_TELEMETRY=true"}
    assert started and {pid: wanted - variables for pid, variables in started.items() if not wanted <= variables} == {}
    assert not list(user.home.iterdir()) and not list(place.iterdir())
    assert {run.info.status for run in cells(user.folder / "results").values()} <= {"FINISHED", "KILLED"}
    folders = {value for variables in started.values() for value in variables if value.startswith("TMPDIR=")}
    assert len(folders) == 1 and not Path(folders.pop().removeprefix("TMPDIR=")).exists()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """A record of one run with a file, and a search without a study, in a folder that was moved to an odd place."""
    first = tmp_path / "first"
    uri = sqlite_uri(first / "mlflow.db")
    record = prepare(uri, first)
    write_file(record.client.create_run(record.experiments[0]), uri, "some.txt", "hé")
    RDBStorage(sqlite_uri(first / "optuna.db")).engine.dispose()
    return first.rename(tmp_path / "moved to #1 (%20?)")


@dataclass(frozen=True)
class Served:
    """A page as `make` serves it: the process, the address that it printed, and the whole of what it printed."""

    process: "subprocess.Popen[str]"
    address: str
    output: Path

    @property
    def origin(self) -> str:
        return self.address.partition("/?")[0]

    @property
    def port(self) -> int:
        return int(self.origin.rpartition(":")[2])


@pytest.fixture
def page(request: pytest.FixtureRequest, storage: Path, tmp_path: Path) -> Iterator[Served]:
    """A page whose output goes to a file; the fixture ends its process."""
    port, output = free_port(), tmp_path / "output"
    variables = [f"VENV={VENV}", f"STORAGE={storage}", f"PORT={port}"]
    with output.open("w") as file:
        process = subprocess.Popen(
            ["make", "--old-file", f"{VENV}/.set-up", request.param, *variables],
            cwd=ROOT, stdout=file, stderr=subprocess.DEVNULL, start_new_session=True, text=True,
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
    try:
        listening_at_last(process.pid)
        yield Served(process, printed_at_last(output), output)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize("page", ["ui"], indirect=True)
def test_the_page_of_the_record(page: Served, tmp_path: Path) -> None:
    """It is for the user alone, has the files of a record that was moved, and leads to no other files."""
    ajax = "ajax-api/2.0/mlflow"
    is_only_for_its_user(page, ["", "get-artifact", f"{ajax}/runs/search", "api/2.0/mlflow/runs/search", "graphql"])
    user = enters(page, "MLflow")
    [run] = user.post(f"{page.origin}/{ajax}/runs/search", json={"experiment_ids": ["1"]}).json()["runs"]
    some = {"run_id": run["info"]["run_id"], "path": "some.txt"}
    assert user.get(f"{page.origin}/{ajax}/artifacts/list", params=some | {"path": ""}).json()["files"]
    assert user.get(f"{page.origin}/get-artifact", params=some).content.decode() == "hé"

    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "some.txt").write_text("hé")
    made = user.post(f"{page.origin}/{ajax}/experiments/create", json={"name": "x", "artifact_location": str(secret)})
    run = user.post(f"{page.origin}/{ajax}/runs/create", json=made.json()).json()["run"]
    (secret / run["info"]["run_id"]).mkdir()
    (secret / run["info"]["run_id"] / "artifacts").symlink_to(secret)
    some["run_id"] = run["info"]["run_id"]
    assert user.get(f"{page.origin}/get-artifact", params=some).status_code == 400
    assert (
        user.post(f"{page.origin}/{ajax}/upload-artifact", params=some | {"path": "new"}, data=b"new").status_code
        == 400
    )
    assert not (secret / "new").exists()
    ends_with_ctrl_c(page)


@pytest.mark.parametrize("page", ["optuna"], indirect=True)
def test_the_page_of_the_searches(page: Served) -> None:
    is_only_for_its_user(page, ["", "dashboard", "api/studies", "api/studies/1", "artifacts/1/1"])
    user = enters(page, "Optuna Dashboard")
    assert user.get(f"{page.origin}/api/studies").json() == {"study_summaries": []}
    ends_with_ctrl_c(page)


def is_only_for_its_user(page: Served, paths: list[str]) -> None:
    """Nobody else reaches it, or finds the token in what anybody can read of a process."""
    found = listening(page.process.pid)
    assert page.port in {place[1] for place in found} and elsewhere(found) == {}
    for path in paths:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            for headers in ({}, {"Host": "evil.example"}, {"Origin": "http://evil.example"}):
                assert requests.request(method, f"{page.origin}/{path}", headers=headers).status_code == 403
    token = page.address.partition("token=")[2]
    for pid in tree(page.process.pid):
        assert token not in Path(f"/proc/{pid}/cmdline").read_text() + Path(f"/proc/{pid}/environ").read_text()
    assert page.output.stat().st_mode & 0o777 == 0o600


def enters(page: Served, title: str) -> requests.Session:
    """A browser that opened the printed address, and then what the page consists of."""
    user = requests.Session()
    first = user.get(page.address)
    assert first.status_code == 200 and f"<title>{title}</title>" in first.text
    scripts = re.findall(r"""<script[^>]* src="([^"]+)""", first.text)
    assert scripts
    for script in scripts:
        assert user.get(urljoin(first.url, script)).status_code == 200
    return user


def ends_with_ctrl_c(page: Served) -> None:
    """Nothing of it is left."""
    started = tree(page.process.pid)
    os.killpg(page.process.pid, signal.SIGINT)
    page.process.wait()
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]


def listening_at_last(pid: int) -> dict[tuple[str, int], str]:
    """As `listening`, once there is something."""
    latest = time.monotonic() + FENCE
    while not (found := listening(pid)) and time.monotonic() < latest:
        os.kill(pid, 0)
        time.sleep(0.2)
    return found


def printed_at_last(output: Path) -> str:
    """The address, which is printed right after the socket was opened."""
    while not (found := re.findall(r"^http\S+$", output.read_text(), re.MULTILINE)):
        time.sleep(0.05)
    return str(found[0])
