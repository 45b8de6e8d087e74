"""The short form of the chaos test, on a cluster of two nodes; `python -m tests.chaos` is the long form."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from tests.chaos.evidence import Evidence, differences, gather
from tests.chaos.processes import Program, wait_for
from tests.chaos.report import insert, summary
from tests.chaos.stage import Stage
from tests.chaos.storm import KINDS, at_work, checkpointed, draw_blows, play, rage, targets

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc")
GRID = ["ablation=modules", "preset=smoke", "data.clips=30", "training.epochs=3"]
EPOCHS = 12


@pytest.fixture(scope="module")
def cluster() -> Iterator[Stage]:
    """A cluster of two nodes, of which nothing is left at the end."""
    with Stage(server=False) as stage:
        yield stage
        started = stage.processes()
    assert started and not any(process.alive for process in started)
    assert not stage.folder.exists()


@pytest.fixture
def stage(cluster: Stage) -> Stage:
    """The cluster, with another second node where a test has killed it."""
    if cluster.node is None or not any("/raylet/raylet " in process.name for process in cluster.node.processes()):
        cluster.start_node()
    return cluster


def test_the_same_seed_gives_the_same_blows_and_each_kind_has_its_share() -> None:
    blows = draw_blows(seed=3, count=20, epochs=128)
    assert blows == draw_blows(seed=3, count=20, epochs=128) != draw_blows(seed=4, count=20, epochs=128)
    assert Counter(blows.kinds) == dict.fromkeys(KINDS, 5)
    assert len(blows.moments) == 20
    assert all(earlier.epochs <= later.epochs < 103 for earlier, later in pairwise(blows.moments))


def test_what_must_not_be_is_found() -> None:
    good = Evidence(
        {"a": ["KILLED", "FINISHED"]}, ["FINISHED"], {"a": {"eval_top1": [1, 2], "top1": [0]}}, {"x": "1"}, 1
    )
    assert good.faults() == [] and good.epochs == 2
    for bad, words in (
        (replace(good, statuses={"a": ["FINISHED", "FINISHED"]}), "a: ['FINISHED', 'FINISHED']"),
        (replace(good, statuses={"a": ["FAILED"]}), "a: ['FAILED']"),
        (replace(good, statuses={"a": ["RUNNING", "FINISHED"]}), "a: still RUNNING"),
        (replace(good, reports=["RUNNING"]), "report 0: RUNNING"),
        (replace(good, steps={"a": {"eval_top1": [1, 2, 2]}}), "a: eval_top1 at [1, 2, 2], not at [1, 2]"),
        (replace(good, steps={"a": {"eval_top1": [1, 3]}}), "a: eval_top1 at [1, 3], not at [1, 2, 3]"),
        (replace(good, steps={"a": {"eval_top1": [1, 2], "train_loss": [1]}}), "a: train_loss at [1], not at [1, 2]"),
        (replace(good, steps={"a": {"top1": [0, 0]}}), "a: top1 at [0, 0], not at [0]"),
    ):
        assert bad.faults() == [words]
    assert differences(good, replace(good, artefacts={"x": "2", "y": "3"})) == ["x", "y"]


@pytest.mark.cluster
@needs_proc
def test_what_is_killed_is_finished_by_the_same_command_with_the_same_bytes(stage: Stage) -> None:
    stage.move("undisturbed")
    undisturbed = play(stage, GRID)
    stage.move("disturbed")
    blows = draw_blows(seed=1, count=3, epochs=undisturbed.epochs, kinds=("driver", "worker", "node"))
    storm = rage(stage, GRID, blows, 1, undisturbed.epoch)
    disturbed = gather(stage.storage, stage.tracking_uri)
    assert {dealt.kind for dealt in storm.dealt} == {"driver", "worker", "node"}
    assert storm.backwards == []
    assert disturbed.faults() == []
    assert len(disturbed.statuses) == 5 and disturbed.epochs == 15
    assert differences(disturbed, undisturbed) == []
    text = summary("", GRID, storm, 1.0, disturbed, undisturbed)
    assert f"| artefacts compared with the undisturbed run's | {len(undisturbed.artefacts)} |" in text
    assert "| of them not byte-identical | 0 |" in text
    assert insert("a\n<!-- chaos -->\nold\n<!-- end -->\nb", text) == f"a\n<!-- chaos -->\n\n{text}\n\n<!-- end -->\nb"


@pytest.mark.cluster
@needs_proc
def test_the_cells_of_a_node_that_dies_go_on_elsewhere_from_their_checkpoints(stage: Stage) -> None:
    stage.move("here")
    launch = stage.launch("ablation=full", "seeds=2", "preset=smoke", "data.clips=30", f"training.epochs={EPOCHS}")
    assert stage.head and stage.node
    head, node = stage.head, stage.node

    def on(program: Program) -> set[str]:
        return {cell for process in program.processes() for cell in at_work(process, stage.storage)}

    def epochs(cell: str) -> int:
        return checkpointed(stage.storage).get(cell, 0)

    wait_for(lambda: on(head) and any(0 < epochs(cell) < EPOCHS / 2 for cell in on(node)), "a cell on each node")
    [lost] = on(node)
    [raylet] = targets(stage, launch, "node", stage.storage)
    raylet.kill()
    wait_for(lambda: not on(node), "the end of its workers")
    before = epochs(lost)
    wait_for(lambda: epochs(lost) != before, "its next epoch")
    after, elsewhere = epochs(lost), on(head)
    assert launch.popen.wait() == 0, launch.said
    left = gather(stage.storage, None)
    assert lost in elsewhere
    assert 0 < before < after
    assert left.faults() == []
    assert left.epochs == 2 * EPOCHS
