"""Blows at random moments: SIGKILL to the driver, a Ray worker, the second node's raylet, or the tracking server.

A blow falls when so many epochs have been checkpointed in all, and a random part of an epoch later: drawn from a seed,
and spread over the work however fast the machine is. It hits the first kind drawn that can be hit then: what was hit
before may still be away. After each death of the driver the same command is started again.
"""

import json
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep, time
from typing import Literal

from safetensors import SafetensorError, safe_open

from d3d.training.checkpoint import FILE, PREVIOUS
from tests.chaos.evidence import Evidence, gather
from tests.chaos.processes import INTERVAL, TIME_LIMIT, Process, Program
from tests.chaos.stage import Stage

Kind = Literal["driver", "worker", "node", "server"]
KINDS: tuple[Kind, ...] = ("driver", "worker", "node", "server")
SERVER_AWAY, NODE_AWAY = 20.0, 5.0  # seconds
PATIENCE = 10  # the most times the driver may end without a blow


@dataclass(frozen=True)
class Moment:
    """The moment of a blow."""

    epochs: int  # checkpointed by all cells together
    part: float  # fraction of an epoch after these


@dataclass(frozen=True)
class Blows:
    """The kinds of the blows and their moments, as many of each, in the order drawn."""

    kinds: tuple[Kind, ...]
    moments: tuple[Moment, ...]


@dataclass(frozen=True)
class Dealt:
    """A blow that fell, and for each cell it hit the seconds since its last checkpoint; None where it had none."""

    kind: Kind
    lost: dict[str, float | None]


@dataclass
class Storm:
    """What happened during the storm."""

    dealt: list[Dealt] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)  # last lines of launches that ended unfinished without a blow
    backwards: list[str] = field(default_factory=list)  # checkpoints that lost an epoch
    launches: int = 0


def draw_blows(seed: int, count: int, epochs: int, kinds: Sequence[Kind] = KINDS) -> Blows:
    """Equally many of each kind, as far as possible, in random order, within the first four fifths of the epochs."""
    chance = random.Random(seed)
    drawn = [kinds[number % len(kinds)] for number in range(count)]
    chance.shuffle(drawn)
    after = sorted(chance.choices(range(int(0.8 * epochs)), k=count))
    return Blows(tuple(drawn), tuple(Moment(each, chance.random()) for each in after))


def play(stage: Stage, arguments: Sequence[str]) -> Evidence:
    """The evidence of an undisturbed launch. Raises RuntimeError where it fails."""
    launch = stage.launch(*arguments)
    if launch.popen.wait():
        raise RuntimeError(launch.said)
    return gather(stage.storage, stage.tracking_uri)


def rage(
    stage: Stage,
    arguments: Sequence[str],
    blows: Blows,
    seed: int,
    epoch: float,
    tell: Callable[[str], None] = lambda line: None,
) -> Storm:
    """Starts the command, deals the blows, and restarts it until it succeeds; `epoch` is the seconds of an epoch."""
    chance, storm, storage = random.Random(seed), Storm(), stage.storage
    kinds, moments = list(blows.kinds), deque(blows.moments)
    driver = stage.launch(*arguments)
    storm.launches = 1
    before: dict[str, int] = {}
    due: float | None = None  # when the next blow falls
    moved = monotonic()  # when there was last a new epoch or a blow
    back: dict[str, float] = {}  # what was killed → when it is started again
    while driver.status != 0:
        if monotonic() > moved + TIME_LIMIT:
            raise TimeoutError(f"no epoch within {TIME_LIMIT:g} s: {driver.said[-2000:]}")
        epochs = checkpointed(storage)
        storm.backwards += [cell for cell in before if epochs.get(cell, 0) < before[cell]]
        moved = monotonic() if epochs != before else moved
        before = epochs
        if due is None and moments and sum(epochs.values()) >= moments[0].epochs:
            due = monotonic() + moments.popleft().part * epoch
        if due is not None and monotonic() >= due:
            can = ((kind, victims) for kind in kinds if (victims := targets(stage, driver, kind, storage)))
            if found := next(can, None):
                kind, victims = found
                storm.dealt.append(deal(stage, kind, chance.choice(victims), driver, storage, back))
                kinds.remove(kind)
                due, moved = None, monotonic()
                tell(f"{sum(epochs.values())} epochs, blow {len(storm.dealt)}: {storm.dealt[-1]}")
        for name in [name for name, moment in back.items() if monotonic() >= moment]:
            {"server": stage.start_server, "node": stage.start_node}[name]()
            del back[name]
        if driver.status not in (None, 0):
            if driver.status > 0:
                storm.ends.append(f"status {driver.status}: {driver.said.strip().splitlines()[-1]}")
                tell(storm.ends[-1])
                if len(storm.ends) > PATIENCE:
                    raise RuntimeError("; ".join(storm.ends))
            driver = stage.launch(*arguments)
            storm.launches += 1
        sleep(INTERVAL)
    return storm


def targets(stage: Stage, driver: Program, kind: Kind, storage: Path) -> list[Process]:
    """The processes that a blow of this kind can hit now; none while they are down."""
    assert stage.head and stage.node
    if kind == "driver":
        return driver.processes()[:1]
    if kind == "worker":
        both = [*stage.head.processes(), *stage.node.processes()]
        return [process for process in both if at_work(process, storage)]
    if kind == "node":
        return [process for process in stage.node.processes() if "/raylet/raylet " in process.name]
    return stage.server.processes()[:1] if stage.server and stage.server_answers() else []


def deal(stage: Stage, kind: Kind, victim: Process, driver: Program, storage: Path, back: dict[str, float]) -> Dealt:
    """Kills the victim, and records which cells it was running."""
    assert stage.head and stage.node
    node, everywhere = stage.node.processes(), [*stage.head.processes(), *stage.node.processes()]
    under = {"driver": everywhere, "worker": [victim], "node": node, "server": []}[kind]
    cells = {cell for process in under for cell in at_work(process, storage)}
    now = time()
    victim.kill()
    lost = {cell: _since(storage / "cells" / cell / FILE, now) for cell in sorted(cells)}
    if kind == "driver":
        driver.popen.wait()
    elif kind == "server":
        assert stage.server
        stage.server.kill()
        back["server"] = monotonic() + SERVER_AWAY
    elif kind == "node":
        back["node"] = monotonic() + NODE_AWAY
    return Dealt(kind, lost)


def at_work(process: Process, storage: Path) -> set[str]:
    """The cells that a worker runs, known by the leases among its open files."""
    if not process.name.startswith("ray::"):
        return set()
    return {path.parent.name for path in process.opened() if path.parent.parent == storage / "cells"}


def checkpointed(storage: Path) -> dict[str, int]:
    """Cell → epochs in its newest checkpoint, or in the one before while that is being replaced."""
    found: dict[str, int] = {}
    for folder in (storage / "cells").glob("*"):
        for name in (FILE, PREVIOUS):  # in this order: where the first is missing, it has just become the second
            try:
                with safe_open(folder / name, framework="numpy") as stored:  # torch would open it a second time
                    epochs = int(json.loads(stored.metadata()["progress"])["epochs"])
            except (FileNotFoundError, SafetensorError):
                continue
            found[folder.name] = max(epochs, found.get(folder.name, 0))
    return found


def _since(path: Path, now: float) -> float | None:
    return now - path.stat().st_mtime if path.exists() else None
