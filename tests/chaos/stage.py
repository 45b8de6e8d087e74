"""The setting of the chaos test: a Ray cluster of two nodes, an MLflow server, and the launch, all on this machine.

Everything listens on the loopback, has its files in one folder, and joins with the stage's own token.
"""

import os
import secrets
import shutil
import socket
import sys
from pathlib import Path
from tempfile import mkdtemp
from urllib.error import URLError
from urllib.request import urlopen

from tests.chaos.processes import Process, Program, wait_for

PROJECT = Path(__file__).parents[2]
HEAD, NODE, SERVER = "127.0.0.2", "127.0.0.3", "127.0.0.1"
FOREIGN = ("RAY", "MLFLOW", "TUNE", "MPL", "XDG", "PYTEST", "TMPDIR")  # settings of whoever runs the tests


class Stage:
    """Use it as a context manager: at its end no process of it runs and no file of it is left."""

    def __init__(self, *, server: bool) -> None:
        self.folder = Path(mkdtemp(prefix="chaos-", dir="/tmp"))  # Ray's sockets must have short paths
        self.environment = environment(self.folder) | {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
        }
        self.address = f"{HEAD}:{free_port(HEAD)}"
        self.tracking_uri = f"http://{SERVER}:{free_port(SERVER)}" if server else None
        self.place = self.folder
        self.head: Program | None = None
        self.node: Program | None = None
        self.server: Program | None = None
        self.programs: list[Program] = []

    def __enter__(self) -> "Stage":
        try:
            port = self.address.rpartition(":")[2]
            self.head = self._start_ray("head", HEAD, "--head", "--port", port, "--include-dashboard=false")
            self.start_node()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for program in reversed(self.programs):
            program.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def storage(self) -> Path:
        """The folder that a launch writes to now."""
        return self.place / "results"

    def move(self, name: str) -> None:
        """Switches to a new folder, in which nothing is recorded yet."""
        self.place = self.folder / name
        self.place.mkdir()
        if self.tracking_uri:
            if self.server:
                self.server.kill()
            self.start_server()
            wait_for(self.server_answers, "the MLflow server")

    def start_node(self) -> None:
        """Starts the second node, which joins the head."""
        self.node = self._start_ray("node", NODE, "--address", self.address)

    def start_server(self) -> None:
        """Starts the tracking server, always on the same port."""
        assert self.tracking_uri
        store = ["--backend-store-uri", f"sqlite:///{self.place / 'server.db'}"]
        store += ["--artifacts-destination", str(self.place / "artifacts")]
        listen = ["--host", SERVER, "--port", self.tracking_uri.rpartition(":")[2], "--workers", "1"]
        self.server = self.start("server", "-m", "mlflow", "server", *listen, *store)

    def server_answers(self) -> bool:
        """Whether the server answers."""
        try:
            with urlopen(f"{self.tracking_uri}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def launch(self, *arguments: str) -> Program:
        """Starts the command."""
        where = [f"cluster.address={self.address}"]
        where += [f"tracking.uri={self.tracking_uri}"] if self.tracking_uri else []
        return self.start("driver", str(PROJECT / "orchestrate.py"), *arguments, *where)

    def start(self, name: str, *arguments: str) -> Program:
        """Starts a Python program with a log of this name."""
        command = [sys.executable, *arguments]
        self.programs.append(Program(command, self.environment, self.place, self.folder / f"{name}.log"))
        return self.programs[-1]

    def processes(self) -> list[Process]:
        """All processes that are alive."""
        return [process for program in self.programs for process in program.processes()]

    def _start_ray(self, name: str, ip: str, *arguments: str) -> Program:
        (self.folder / f"{name}.log").unlink(missing_ok=True)
        own = ["--node-ip-address", ip, "--temp-dir", str(self.folder / name), "--num-cpus", "1", "--num-gpus", "0"]
        own += ["--object-store-memory", str(80 * 2**20), "--min-worker-port", "0", "--max-worker-port", "0"]
        own += ["--no-monitor", "--include-log-monitor=false"]  # their output is not used
        program = self.start(name, "-m", "ray.scripts.scripts", "start", "--block", *arguments, *own)
        wait_for(lambda: "Ray runtime started" in program.said or program.status is not None, f"Ray's {name}")
        if program.status is not None:
            raise RuntimeError(f"Ray's {name} did not start: {program.said}")
        return program


def environment(home: Path) -> dict[str, str]:
    """The environment of a user with an empty home folder who runs this copy of the project."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
    return inherited | {
        "HOME": str(home),
        "TMPDIR": str(home),
        "PYTHONPATH": str(PROJECT),
        "OMP_NUM_THREADS": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def free_port(host: str) -> int:
    """A port that nothing listens on now."""
    with socket.socket() as listener:
        listener.bind((host, 0))
        return int(listener.getsockname()[1])
